//! `GET /daemon`

use axum::extract::State;
use axum::response::Response;

use crate::sink::web::error::{ApiError, ErrorBody, ErrorCode};
use crate::sink::web::payload::{ClassifyLimits, DaemonPayload, PageContext};
use crate::sink::web::services::MAX_STREAM_S;
use crate::sink::web::state::{ServerState, json};

/// Describes the daemon.
#[utoipa::path(get, path = "/daemon", tag = "daemon", responses(
    (status = 200, description = "Description of the daemon", body = DaemonPayload),
    (status = 401, description = "No token", body = ErrorBody),
    (status = 503, description = "The daemon is starting", body = ErrorBody),
))]
pub(super) async fn daemon(State(state): State<ServerState>) -> Result<Response, ApiError> {
    let content = state.hub.content();
    let info =
        content.info.clone().ok_or_else(|| ApiError::new(ErrorCode::Busy, "the daemon is starting"))?;
    let classify = state.services.classifier.as_ref().map(|_| ClassifyLimits {
        max_mb: state.config.max_upload_mb,
        max_s: MAX_STREAM_S,
        urls: state.config.stream_urls.as_str(),
    });
    let context =
        PageContext { node: &state.node, control: state.config.control, log: state.log.is_some(), classify };
    Ok(json(&DaemonPayload::new(&info, &content, context)))
}
