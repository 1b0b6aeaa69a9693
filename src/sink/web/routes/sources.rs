//! `GET /sources`, `GET`, `PATCH /sources/{name}`, `POST /sources/{name}/label`

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::command::SourceCommand;
use crate::sink::payload::{LabelledPayload, SettingsPayload};
use crate::sink::web::error::{ApiError, ErrorBody, ErrorCode};
use crate::sink::web::extract::{ApiBody, ApiPath};
use crate::sink::web::payload::{SourcePayload, SourcesPayload};
use crate::sink::web::state::{ServerState, json};
use crate::sink::{CommandAnswer, command_parser};

/// Lists all sources with their state.
#[utoipa::path(get, path = "/sources", tag = "sources", responses(
    (status = 200, description = "All sources", body = SourcesPayload),
    (status = 401, description = "No token", body = ErrorBody),
))]
pub(super) async fn list(State(state): State<ServerState>) -> Response {
    // Copied, so that the lock is not held while hundreds of sources are encoded.
    let views = state.hub.content().sources.clone();
    json(&SourcesPayload { sources: views.iter().map(|view| SourcePayload::new(view, true)).collect() })
}

/// Shows one source.
#[utoipa::path(get, path = "/sources/{name}", tag = "sources",
    params(("name" = String, Path, description = "Name of the source, as in topics")),
    responses(
        (status = 200, description = "The source", body = SourcePayload),
        (status = 400, description = "The name is not UTF-8", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 404, description = "No such source", body = ErrorBody),
    ))]
pub(super) async fn one(
    State(state): State<ServerState>,
    ApiPath(name): ApiPath<String>,
) -> Result<Response, ApiError> {
    let index = state.source(&name)?;
    let view = state.hub.content().sources[index].clone();
    Ok(json(&SourcePayload::new(&view, true)))
}

/// Changes of settings, as on `…/set`; a key that is left out keeps its value.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes the body, which the parser of commands reads")]
pub(super) struct SettingsChange {
    /// True to suspend the analysis of the source.
    paused: Option<bool>,
    /// Seconds between patches.
    #[schema(minimum = 0.25, maximum = 3.0)]
    hop: Option<f64>,
    /// Thresholds, as on `…/settings`.
    thresholds: Option<serde_json::Value>,
}

/// Changes settings of a source.
#[utoipa::path(patch, path = "/sources/{name}", tag = "sources", request_body = SettingsChange,
    params(("name" = String, Path, description = "Name of the source, as in topics")),
    responses(
        (status = 200, description = "All settings of the source", body = SettingsPayload),
        (status = 400, description = "The name is not UTF-8, or the body no JSON object", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 403, description = "Control is off, or the request comes from a foreign page", body = ErrorBody),
        (status = 404, description = "No such source", body = ErrorBody),
        (status = 413, description = "The body exceeds its limit", body = ErrorBody),
        (status = 422, description = "The change is refused; `key` names the value", body = ErrorBody),
        (status = 503, description = "The daemon is busy", body = ErrorBody),
    ))]
pub(super) async fn change(
    State(state): State<ServerState>,
    ApiPath(name): ApiPath<String>,
    ApiBody(body): ApiBody,
) -> Result<Response, ApiError> {
    let index = state.source(&name)?;
    state.check_control()?;
    check_object(&body)?;
    match &*send(&state, index, command_parser::set(&body)).await? {
        CommandAnswer::Changed(settings) => Ok(json(&SettingsPayload::from(&**settings))),
        answer => Err(refused(answer)),
    }
}

/// Correction by a listener.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes the body, which the parser of commands reads")]
pub(super) struct Correction {
    /// The right genre; not the name of a state, such as `speech`.
    #[schema(min_length = 1, max_length = 64)]
    genre: String,
    /// Length, in seconds, of the audio before now that it applies to; 30 by default.
    #[schema(minimum = 3.0, maximum = 60.0)]
    last_s: Option<f64>,
}

/// Stores the newest audio of a source, as embeddings, with its right genre.
#[utoipa::path(post, path = "/sources/{name}/label", tag = "sources", request_body = Correction,
    params(("name" = String, Path, description = "Name of the source, as in topics")),
    responses(
        (status = 200, description = "The stored correction", body = LabelledPayload),
        (status = 400, description = "The name is not UTF-8, or the body no JSON object", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 403, description = "Control is off, or the request comes from a foreign page", body = ErrorBody),
        (status = 404, description = "No such source", body = ErrorBody),
        (status = 413, description = "The body exceeds its limit", body = ErrorBody),
        (status = 422, description = "The correction is refused", body = ErrorBody),
        (status = 503, description = "The daemon is busy", body = ErrorBody),
    ))]
pub(super) async fn label(
    State(state): State<ServerState>,
    ApiPath(name): ApiPath<String>,
    ApiBody(body): ApiBody,
) -> Result<Response, ApiError> {
    let index = state.source(&name)?;
    state.check_control()?;
    check_object(&body)?;
    match &*send(&state, index, command_parser::label(&body)).await? {
        CommandAnswer::Stored(stored) => Ok(json(&LabelledPayload::from(stored))),
        answer => Err(refused(answer)),
    }
}

/// Checks that a body is a JSON object. The parsers of commands also take plain text, which
/// subscribers of MQTT may publish.
fn check_object(body: &[u8]) -> Result<(), ApiError> {
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(ApiError::invalid("the body is JSON, but no object")),
        Err(error) => Err(ApiError::invalid(format!("the body is not JSON: {error}"))),
    }
}

async fn send(
    state: &ServerState,
    index: usize,
    command: SourceCommand,
) -> Result<std::sync::Arc<CommandAnswer>, ApiError> {
    state.commands.send(state.hub.name(index), command).await
}

fn refused(answer: &CommandAnswer) -> ApiError {
    match answer {
        CommandAnswer::Refused(refusal) => {
            ApiError::new(ErrorCode::Refused, &refusal.message).with_key(refusal.key.clone())
        }
        CommandAnswer::Stored(_) | CommandAnswer::Changed(_) => {
            ApiError::new(ErrorCode::Internal, "the daemon gave another answer")
        }
    }
}
