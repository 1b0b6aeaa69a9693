//! `GET /clips/{source}/{file}`

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::services::ServeFile;

use crate::event::ClipPath;
use crate::sink::web::error::{ApiError, ErrorBody, ErrorCode};
use crate::sink::web::extract::ApiPath;
use crate::sink::web::state::ServerState;

/// Sends the audio around an event. Parts of it can be requested with `Range`.
#[utoipa::path(get, path = "/clips/{source}/{file}", tag = "clips",
    params(
        ("source" = String, Path, description = "Name of the source, as in topics"),
        ("file" = String, Path, description = "Name of the clip, as in the key `clip` of its event"),
    ),
    responses(
        (status = 200, description = "The clip, Ogg Opus or FLAC", content_type = "audio/ogg", body = String),
        (status = 206, description = "A part of the clip", content_type = "audio/ogg", body = String),
        (status = 304, description = "The clip has not changed since the request's date"),
        (status = 400, description = "A name is not UTF-8", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 404, description = "No such clip; it may have been deleted", body = ErrorBody),
        (status = 412, description = "The clip has changed since the request's date"),
        (status = 416, description = "The part lies outside the clip"),
    ))]
pub(super) async fn clip(
    State(state): State<ServerState>,
    ApiPath((source, file)): ApiPath<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let missing = || ApiError::new(ErrorCode::NotFound, "there is no such clip; it may have been deleted");
    let path = ClipPath::parse(&source, &file).ok_or_else(missing)?;
    let folder = state.source(path.source()).ok().and_then(|index| state.clips.get(index)?.clone());
    let file = folder.ok_or_else(missing)?.join(path.file().as_str());
    if !file.is_file() {
        return Err(missing());
    }
    let mut response = ServeFile::new(file).oneshot(request).await.into_response().map(Body::new);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(path.file().format().media_type()));
    // A clip never changes.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    Ok(response)
}
