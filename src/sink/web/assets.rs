//! Files of the page, embedded in the program.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

use super::base_path;
use super::routes;
use super::state::ServerState;

/// Files of the page.
#[derive(Embed)]
#[folder = "src/sink/web/assets/"]
struct PageFiles;

/// The page itself, which shows every view.
const INDEX: &str = "index.html";

/// Place of the path prefix in the page.
const BASE: &str = "<base href=\"/\">";

/// Routes of the page and its files.
pub(super) fn router() -> Router<ServerState> {
    Router::new()
        .route("/", get(index))
        .route("/try", get(index))
        .route("/s/{name}", get(index))
        .route("/s/{name}/history", get(index))
        .route("/assets/{*path}", get(file))
        .route("/favicon.ico", get(icon))
}

/// The page, with links relative to the prefix of the request.
async fn index(State(state): State<ServerState>, request: Request) -> Response {
    let Some(page) = PageFiles::get(INDEX) else { return routes::not_found().await.into_response() };
    let prefix = base_path::of(request.headers(), &state.config.base_path);
    let text = String::from_utf8_lossy(&page.data).replacen(BASE, &format!("<base href=\"{prefix}/\">"), 1);
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, text).into_response()
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match PageFiles::get(&path).filter(|_| path != INDEX) {
        Some(file) => embedded(&path, file, &headers),
        None => routes::not_found().await.into_response(),
    }
}

async fn icon(headers: HeaderMap) -> Response {
    match PageFiles::get("icon.svg") {
        Some(file) => embedded("icon.svg", file, &headers),
        None => routes::not_found().await.into_response(),
    }
}

/// A file with its hash as entity tag: browsers ask whether it has changed, and keep it if not.
fn embedded(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag = hash[..16].iter().fold(String::from("\""), |tag, byte| tag + &format!("{byte:02x}")) + "\"";
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // A compressing proxy marks the tag as weak.
    let is_known =
        known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let tag = HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    let cache = HeaderValue::from_static("no-cache");
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag), (CACHE_CONTROL, cache)]).into_response();
    }
    let kind = HeaderValue::from_static(content_type(path));
    ([(CONTENT_TYPE, kind), (ETAG, tag), (CACHE_CONTROL, cache)], file.data.into_owned()).into_response()
}

/// Media type of a file of the page.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        Some("md" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
