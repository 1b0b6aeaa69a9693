//! `POST /classify`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::{IntoParams, ToSchema};

use super::upload::{self, ReceivedFile};
use crate::limits::HOP_S;
use crate::sink::web::config::StreamUrls;
use crate::sink::web::error::{ApiError, ErrorBody, ErrorCode};
use crate::sink::web::extract::ApiQuery;
use crate::sink::web::services::{Classifier, ClassifyInput, ClassifyRefusal, MAX_STREAM_S};
use crate::sink::web::state::ServerState;

/// Seconds of a stream that are classified where the request does not say.
const DEFAULT_STREAM_S: f64 = 30.0;

/// Largest JSON body, in bytes.
const MAX_JSON: usize = 16 << 10;

/// Options of a classification.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ClassifyQuery {
    /// Seconds between patches, 0.25 to 3; 1 by default.
    hop_s: Option<f64>,
    /// Name of the file in the answer.
    name: Option<String>,
}

/// Stream to classify.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamBody {
    /// Address of the stream, `http` or `https`.
    url: String,
    /// Seconds of audio, 3 to 60; 30 by default.
    seconds: Option<f64>,
}

/// Classifies a file or the next seconds of a stream.
///
/// The body is the file itself, a form with the file as its part `file`, or a JSON object with the
/// address of a stream. The answer is one JSON object per line: `progress`, then `window` for each
/// patch as it is scored, then `verdict`, or `error`. Nothing is stored.
#[utoipa::path(post, path = "/classify", tag = "classify", params(ClassifyQuery),
    request_body(content((StreamBody = "application/json"), (String = "application/octet-stream"))),
    responses(
        (status = 200, description = "Lines of JSON", content_type = "application/x-ndjson", body = String),
        (status = 400, description = "A parameter or the body cannot be used", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 403, description = "The request comes from a foreign page", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The file exceeds its limit", body = ErrorBody),
        (status = 503, description = "Too many classifications run, or classification is disabled", body = ErrorBody),
    ))]
pub(super) async fn classify(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<ClassifyQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let classifier = state
        .services
        .classifier
        .clone()
        .ok_or_else(|| ApiError::new(ErrorCode::Disabled, "this daemon does not classify files"))?;
    let hop_s = query.hop_s.unwrap_or(1.0);
    HOP_S.check(hop_s).map_err(|error| ApiError::invalid(error.to_string()))?;
    let Ok(slot) = state.classifications.clone().try_acquire_owned() else { return Err(busy()) };
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
    if is_json {
        let input = stream_input(&state, request).await?;
        return start(&classifier, input, hop_s, None, slot);
    }
    let max_bytes = u64::from(state.config.max_upload_mb) << 20;
    let received = upload::receive(request, query.name, &state.uploads, max_bytes).await?;
    let input = ClassifyInput::File { path: received.path.to_path_buf(), name: received.name.clone() };
    start(&classifier, input, hop_s, Some(received), slot)
}

async fn stream_input(state: &ServerState, request: Request) -> Result<ClassifyInput, ApiError> {
    let body = axum::body::to_bytes(request.into_body(), MAX_JSON)
        .await
        .map_err(|_| ApiError::new(ErrorCode::TooLarge, "the body exceeds its limit"))?;
    let body: StreamBody = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(format!("give `url` and, if needed, `seconds`: {error}")))?;
    let seconds = body.seconds.unwrap_or(DEFAULT_STREAM_S);
    if !(3.0..=MAX_STREAM_S).contains(&seconds) {
        return Err(ApiError::invalid(format!("`seconds` is {seconds}; expected 3 to {MAX_STREAM_S}")));
    }
    if !matches!(
        url::Url::parse(&body.url).map(|url| url.scheme().to_owned()).as_deref(),
        Ok("http" | "https")
    ) {
        return Err(ApiError::invalid("`url` is not an `http` or `https` address"));
    }
    match state.config.stream_urls {
        StreamUrls::Off => {
            Err(ApiError::new(ErrorCode::Disabled, "streams are not classified (`web.stream_urls` is `off`)"))
        }
        policy => {
            Ok(ClassifyInput::Stream { url: body.url, seconds, any_address: policy == StreamUrls::Any })
        }
    }
}

/// Starts a classification. File and slot are held until its answer has been sent.
fn start(
    classifier: &Arc<dyn Classifier>,
    input: ClassifyInput,
    hop_s: f64,
    file: Option<ReceivedFile>,
    slot: OwnedSemaphorePermit,
) -> Result<Response, ApiError> {
    let lines = classifier.start(input, hop_s).map_err(|refusal| match refusal {
        ClassifyRefusal::Busy => busy(),
        ClassifyRefusal::Stopping => ApiError::new(ErrorCode::Busy, "the daemon is shutting down"),
    })?;
    let answer = Answer { lines, _file: file, _slot: slot };
    let body = stream::unfold(answer, |mut answer| async move {
        let mut line = answer.lines.recv().await?;
        line.push('\n');
        Some((Ok::<_, std::convert::Infallible>(line), answer))
    });
    // Layers may poll a body again after its end.
    let body = body.fuse();
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

struct Answer {
    lines: mpsc::Receiver<String>,
    _file: Option<ReceivedFile>,
    _slot: OwnedSemaphorePermit,
}

fn busy() -> ApiError {
    ApiError::new(ErrorCode::Busy, "too many classifications run; try again in some seconds")
}
