//! Routes of the API, and its OpenAPI document.

mod classify;
mod clips;
mod daemon;
mod explain;
mod history;
mod login;
mod monitoring;
mod sources;
mod upload;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ErrorBody, ErrorCode};
use super::state::ServerState;
use super::{auth, events};

/// Largest body of anything but uploads, in bytes.
const MAX_BODY: usize = 16 << 10;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "genred",
        description = "What the daemon hears, what it makes of it, and why. Keys are those of the MQTT payloads."
    ),
    components(schemas(ErrorBody, ErrorCode))
)]
struct ApiDocument;

/// All routes and their document. `protect` adds access checks to those that need a token.
fn api(
    protect: impl Fn(OpenApiRouter<ServerState>) -> OpenApiRouter<ServerState>,
) -> (Router<ServerState>, utoipa::openapi::OpenApi) {
    let guarded = OpenApiRouter::new()
        .routes(routes!(daemon::daemon))
        .routes(routes!(sources::list))
        .routes(routes!(sources::one, sources::change))
        .routes(routes!(sources::label))
        .routes(routes!(history::history))
        .routes(routes!(explain::explain))
        .routes(routes!(events::events));
    let uploads = OpenApiRouter::new().routes(routes!(classify::classify)).layer(DefaultBodyLimit::disable());
    let login = OpenApiRouter::new().routes(routes!(login::login));
    let files = OpenApiRouter::new().routes(routes!(clips::clip)).routes(routes!(monitoring::metrics));
    let probes = OpenApiRouter::new().routes(routes!(monitoring::health)).routes(routes!(monitoring::ready));
    OpenApiRouter::with_openapi(ApiDocument::openapi())
        .nest("/api/v1", protect(guarded.merge(uploads)).merge(login))
        .merge(protect(files))
        .merge(probes)
        .split_for_parts()
}

/// All routes of the API, with access checks.
pub(crate) fn router(state: &ServerState) -> Router<ServerState> {
    let protect = |routes: OpenApiRouter<ServerState>| {
        routes.layer(from_fn_with_state(state.clone(), auth::check_token))
    };
    let (api, document) = api(protect);
    let document = document.to_pretty_json().unwrap_or_default();
    let openapi = move || async move { ([("content-type", "application/json")], document) };
    let (openapi, _) =
        protect(OpenApiRouter::new().route("/api/v1/openapi.json", get(openapi))).split_for_parts();
    api.merge(openapi).layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Answer to an unknown route.
pub(crate) async fn not_found() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        "there is no such page or route; /api/v1/openapi.json lists the routes",
    )
}

/// Answer to a method that a route does not have.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        "this route has no such method; /api/v1/openapi.json lists them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_stable() {
        insta::assert_snapshot!("openapi", api(|routes| routes).1.to_pretty_json().unwrap());
    }
}
