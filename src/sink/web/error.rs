//! Errors of the API: a status and a JSON object.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Kind of an error, published as `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// A parameter or body cannot be used.
    Invalid,
    /// A token is missing or wrong.
    Unauthorized,
    /// The request comes from a page of another site, or under a foreign host name.
    ForeignOrigin,
    /// `web.control` is off.
    ControlDisabled,
    /// There is no such source, route, file or clip.
    NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    Timeout,
    /// The body exceeds its limit.
    TooLarge,
    /// The daemon refused the command.
    Refused,
    /// Too many requests of this kind run; try again later.
    Busy,
    /// No audio arrives.
    NoAudio,
    /// The as-run log, corrections or classification are disabled.
    Disabled,
    /// A fault of the daemon, which its log describes.
    Internal,
}

/// Body of an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// Description, for people.
    error: String,
    code: ErrorCode,
    /// Key at fault, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Error of a request.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
    key: Option<String>,
}

impl ApiError {
    /// Error with a description for people.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), key: None }
    }

    /// Error of a parameter or body.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// Error of a key in a body.
    #[must_use]
    pub(crate) fn with_key(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    /// Error of an unknown source.
    pub(crate) fn no_source(name: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("no source is called `{name}`"))
    }

    fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::Invalid => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::ForeignOrigin | ErrorCode::ControlDisabled => StatusCode::FORBIDDEN,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::NoAudio => StatusCode::CONFLICT,
            ErrorCode::Busy | ErrorCode::Disabled => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = ErrorBody { error: self.message, code: self.code, key: self.key };
        let mut response = (status, Json(body)).into_response();
        if self.code == ErrorCode::Busy {
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static("5"));
        }
        response
    }
}
