//! `GET /events`: server-sent events.
//!
//! A client is served from the hub at its own pace. A slow one misses intermediate states, never an
//! event. A client that reconnects continues after the id that it received last, also over a
//! restart of the daemon: from the ring of the hub, or from the as-run log.

mod query;
mod replay;
mod subscription;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use super::error::{ApiError, ErrorBody, ErrorCode};
use super::extract::ApiQuery;
use super::hub::EventId;
use super::state::ServerState;
use query::EventsQuery;
use replay::Replay;
use subscription::Subscription;

/// Interval between comments on an idle connection, below the time-outs of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams states, events and more as server-sent events.
///
/// Events carry an `id`, with which `Last-Event-ID` (or `after`) resumes.
#[utoipa::path(get, path = "/events", tag = "events", params(EventsQuery), responses(
    (status = 200, description = "`hello`, then `state`, `event`, `level`, `mel` and `explain` messages",
        content_type = "text/event-stream", body = String),
    (status = 400, description = "A parameter cannot be used", body = ErrorBody),
    (status = 401, description = "No token", body = ErrorBody),
    (status = 404, description = "No such source", body = ErrorBody),
    (status = 503, description = "Too many clients", body = ErrorBody),
))]
pub(crate) async fn events(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(slot) = state.event_clients.clone().try_acquire_owned() else {
        return Err(ApiError::new(ErrorCode::Busy, "too many pages are open; close some"));
    };
    let wanted = query.wanted(&state)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(EventId::parse);
    let last = last.or_else(|| query.after.as_deref().and_then(EventId::parse));
    let replay = Replay::after(&state, last).await;
    let subscription = Subscription::new(state, wanted, replay);
    let messages = stream::unfold((subscription, slot), |(mut subscription, slot)| async move {
        let batch = subscription.next().await?;
        Some((stream::iter(batch.into_iter().map(Ok::<Event, Infallible>)), (subscription, slot)))
    });
    let events = Sse::new(messages.flatten().fuse()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies must pass each message on at once.
    Ok(([("x-accel-buffering", "no"), ("cache-control", "no-store")], events).into_response())
}
