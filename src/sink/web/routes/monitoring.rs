//! `/metrics`, `/health` and `/ready`: for Prometheus, service managers and containers.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::sink::web::auth::is_authorized;
use crate::sink::web::error::{ApiError, ErrorCode};
use crate::sink::web::health::{HealthBody, ReadyBody};
use crate::sink::web::metrics::{self, MetricsFormat};
use crate::sink::web::state::{ServerState, internal};

/// Metrics, as OpenMetrics for clients that ask for it.
pub(super) async fn metrics(
    State(state): State<ServerState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = MetricsFormat::for_client(accept);
    let info = state.hub.content().info.clone();
    let info = info.ok_or_else(|| ApiError::new(ErrorCode::Busy, "the daemon is starting"))?;
    let text = metrics::encode(&state.status, &info, format).map_err(|error| internal(&error))?;
    Ok(([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// Liveness. Probes carry no token.
pub(super) async fn health(State(state): State<ServerState>) -> Response {
    let body = HealthBody::from(&state.status.liveness(Instant::now()));
    answer(body.alive, &body)
}

/// Readiness. Probes carry no token, and without the right one they learn nothing but the result.
pub(super) async fn ready(State(state): State<ServerState>, headers: HeaderMap) -> Response {
    let readiness = state.status.readiness();
    let body = ReadyBody::from(&readiness);
    match is_authorized(&headers, state.config.token.as_ref()) {
        true => answer(body.ready, &body),
        false => answer(body.ready, &serde_json::json!({ "ready": body.ready })),
    }
}

fn answer(is_well: bool, body: &impl Serialize) -> Response {
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
