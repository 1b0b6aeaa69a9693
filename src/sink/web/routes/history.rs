//! `GET /sources/{name}/history`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::sink::web::error::{ApiError, ErrorBody};
use crate::sink::web::extract::{ApiPath, ApiQuery};
use crate::sink::web::history::{HistoryError, HistoryRange, HistoryReport};
use crate::sink::web::state::{ServerState, internal, json};

/// Range and form of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Start: RFC 3339, a date, milliseconds since the Unix epoch, or a time ago such as `12h`;
    /// `24h` by default.
    from: Option<String>,
    /// End, in the same forms; now by default.
    to: Option<String>,
    /// Length of the periods: `hour` by default, `day`, `week` or `all`.
    by: Option<String>,
    /// `json` by default, or `csv` for the segments alone.
    format: Option<String>,
}

/// Shows what the as-run log knows of a source: shares by period, segments and events.
#[utoipa::path(get, path = "/sources/{name}/history", tag = "sources",
    params(("name" = String, Path, description = "Name of the source, as in topics"), HistoryQuery),
    responses(
        (status = 200, description = "Report, segments and events", content(
            (HistoryReport = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 401, description = "No token", body = ErrorBody),
        (status = 404, description = "No such source", body = ErrorBody),
        (status = 503, description = "There is no as-run log", body = ErrorBody),
    ))]
pub(super) async fn history(
    State(state): State<ServerState>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.source(&name)?;
    let accepts_csv = headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"text/csv"));
    let as_csv = match query.format.as_deref() {
        None => accepts_csv,
        Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::invalid("`format` is `json` or `csv`")),
    };
    let range = HistoryRange::parse(query.from.as_deref(), query.to.as_deref(), query.by.as_deref())
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    let log = state.log.clone().ok_or_else(no_log)?;
    let source = name.clone();
    let read = move || match as_csv {
        true => range.segments_csv(&log, &source).map(HistoryBody::Csv),
        false => range.report(&log, &source).map(|report| HistoryBody::Report(Box::new(report))),
    };
    match tokio::task::spawn_blocking(read).await.map_err(|error| internal(&error))? {
        Ok(HistoryBody::Report(report)) => Ok(json(&report)),
        Ok(HistoryBody::Csv(text)) => {
            let file = format!("attachment; filename=\"{name}.csv\"");
            Ok((
                [(CONTENT_TYPE, "text/csv; charset=utf-8"), (axum::http::header::CONTENT_DISPOSITION, &file)],
                text,
            )
                .into_response())
        }
        Err(HistoryError::Range(message)) => Err(ApiError::invalid(message)),
        // The log is made with its first rows.
        Err(HistoryError::Missing) => Err(no_log()),
        Err(HistoryError::Log(error)) => Err(internal(&error)),
    }
}

enum HistoryBody {
    Report(Box<HistoryReport>),
    Csv(String),
}

fn no_log() -> ApiError {
    let message = "there is no as-run log yet; `log.enabled = true` in the configuration keeps one";
    ApiError::new(crate::sink::web::error::ErrorCode::Disabled, message)
}
