//! `POST /login`

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::sink::web::auth::{COOKIE_NAME, unauthorized};
use crate::sink::web::error::{ApiError, ErrorBody};
use crate::sink::web::extract::ApiBody;
use crate::sink::web::state::ServerState;

/// Token of a browser.
#[derive(Deserialize, ToSchema)]
pub(super) struct LoginBody {
    /// The token.
    token: String,
}

/// Stores a token in a cookie, which scripts of the page cannot read.
#[utoipa::path(post, path = "/login", tag = "daemon", request_body = LoginBody, security(()), responses(
    (status = 204, description = "The token is right, or none is needed; the cookie is set"),
    (status = 400, description = "The body cannot be used", body = ErrorBody),
    (status = 401, description = "The token is wrong", body = ErrorBody),
    (status = 403, description = "The request comes from a foreign page", body = ErrorBody),
    (status = 413, description = "The body exceeds its limit", body = ErrorBody),
))]
pub(super) async fn login(
    State(state): State<ServerState>,
    ApiBody(body): ApiBody,
) -> Result<Response, ApiError> {
    let LoginBody { token } = serde_json::from_slice(&body)
        .map_err(|_| ApiError::invalid("give a JSON object with the key `token`"))?;
    if state.config.token.as_ref().is_some_and(|expected| !expected.matches(&token)) {
        return Err(unauthorized());
    }
    // Other characters do not fit into a cookie; programs send such a token in a header.
    let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
    if !is_plain {
        return Err(ApiError::invalid("the token has characters that a cookie cannot carry"));
    }
    let secure = if state.config.tls.is_some() { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{secure}");
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| ApiError::invalid("the token cannot be used"))?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}
