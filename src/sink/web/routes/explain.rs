//! `GET /sources/{name}/explain`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use tokio::time::{Instant, sleep};

use crate::sink::PatchExplanation;
use crate::sink::payload::trace::TracePayload;
use crate::sink::web::error::{ApiError, ErrorBody, ErrorCode};
use crate::sink::web::extract::ApiPath;
use crate::sink::web::payload::ExplanationPayload;
use crate::sink::web::state::{ServerState, json};
use crate::tap::TapDetail;

/// Longest wait for the next patch: two of the longest hops, and the lookahead of the model.
const PATCH_TIMEOUT: Duration = Duration::from_secs(8);

/// Interval at which the next patch is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Explains the next decision of a source.
#[utoipa::path(get, path = "/sources/{name}/explain", tag = "sources",
    params(("name" = String, Path, description = "Name of the source, as in topics")),
    responses(
        (status = 200, description = "Explanation in numbers and words", body = ExplanationPayload),
        (status = 400, description = "The name is not UTF-8", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 404, description = "No such source", body = ErrorBody),
        (status = 409, description = "No audio arrives", body = ErrorBody),
    ))]
pub(super) async fn explain(
    State(state): State<ServerState>,
    ApiPath(name): ApiPath<String>,
) -> Result<Response, ApiError> {
    let index = state.source(&name)?;
    let _watcher = state.hub.tap(index).watch(TapDetail::Explanations);
    let explanation = next_explanation(&state, index).await;
    let explanation = explanation
        .ok_or_else(|| ApiError::new(ErrorCode::NoAudio, format!("no audio of `{name}` arrives now")))?;
    Ok(json(&ExplanationPayload::new(&name, TracePayload::from(&*explanation))))
}

async fn next_explanation(state: &ServerState, index: usize) -> Option<Arc<PatchExplanation>> {
    let before = state.hub.content().sources[index].explanation_version;
    let deadline = Instant::now() + PATCH_TIMEOUT;
    while Instant::now() < deadline && !*state.closing.borrow() {
        let found = {
            let content = state.hub.content();
            let view = &content.sources[index];
            (view.explanation_version != before).then(|| view.explanation.clone())
        };
        if let Some(explanation) = found {
            return explanation;
        }
        sleep(POLL_INTERVAL).await;
    }
    None
}
