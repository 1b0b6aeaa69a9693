//! `/metrics`, `/health` and `/ready`: for Prometheus, service managers and containers.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::sink::web::auth::is_authorized;
use crate::sink::web::error::{ApiError, ErrorBody, ErrorCode};
use crate::sink::web::health::{HealthBody, ReadyBody};
use crate::sink::web::metrics::{self, MetricsFormat};
use crate::sink::web::state::{ServerState, internal};

/// Metrics, as OpenMetrics for clients that ask for it.
#[utoipa::path(get, path = "/metrics", tag = "monitoring", responses(
    (status = 200, description = "Metrics of Prometheus", content_type = "text/plain", body = String),
    (status = 401, description = "No token", body = ErrorBody),
    (status = 503, description = "The daemon is starting", body = ErrorBody),
))]
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
#[utoipa::path(get, path = "/health", tag = "monitoring", responses(
    (status = 200, description = "Frames and inference advance", body = HealthBody),
    (status = 503, description = "They do not", body = HealthBody),
))]
pub(super) async fn health(State(state): State<ServerState>) -> Response {
    let body = HealthBody::from(&state.status.liveness(Instant::now()));
    answer(body.alive, &body)
}

/// Readiness. Probes carry no token, and without the right one they learn nothing but the result.
#[utoipa::path(get, path = "/ready", tag = "monitoring", responses(
    (status = 200, description = "All components are ready", body = ReadyBody),
    (status = 503, description = "A component is not", body = ReadyBody),
))]
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;

    use super::*;
    use crate::sink::web::tests::{TestServer, get};

    const TOKEN: &str = "correct-horse-battery";

    async fn answer_to(server: &TestServer, request: Request<Body>) -> (u16, String, String) {
        let response = server.send(request).await;
        let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    fn with(path: &str, name: &'static str, value: &str) -> Request<Body> {
        let mut request = get(path);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    }

    #[tokio::test]
    async fn metrics_are_text_in_the_format_that_the_client_asks_for() {
        let server = TestServer::start("");
        let (status, kind, body) = answer_to(&server, get("/metrics")).await;
        assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
        assert!(body.contains("\ngenred_source_online{source=\"fm1\"} 0"), "{body}");
        let accept = "application/openmetrics-text;version=1.0.0";
        let (_, kind, body) = answer_to(&server, with("/metrics", "accept", accept)).await;
        assert!(kind.starts_with("application/openmetrics-text") && body.ends_with("# EOF\n"), "{kind}");
    }

    #[tokio::test]
    async fn probes_need_no_token_and_see_no_details_without_one() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(TOKEN.as_bytes()).unwrap();
        let server = TestServer::start(&format!("token_file = '{}'", file.path().display()));
        assert_eq!(answer_to(&server, get("/metrics")).await.0, 401);
        let (status, _, body) = answer_to(&server, get("/health")).await;
        assert_eq!((status, body.as_str()), (200, "{\"alive\":true,\"stalls\":[]}"));
        let (status, _, body) = answer_to(&server, get("/ready")).await;
        assert_eq!((status, body.as_str()), (503, "{\"ready\":false}"));
        let bearer = format!("Bearer {TOKEN}");
        let (status, _, body) = answer_to(&server, with("/ready", "authorization", &bearer)).await;
        assert!(status == 503 && body.contains("connection refused"), "{status} {body}");
        assert_eq!(answer_to(&server, with("/metrics", "authorization", &bearer)).await.0, 200);
    }
}
