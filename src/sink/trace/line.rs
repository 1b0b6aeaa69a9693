//! Lines of the trace socket.

use std::sync::Arc;

use serde::Serialize;

use crate::sink::JsonLine;

/// JSON object of a line, with its end; `None` if it cannot be written.
pub(super) fn line(kind: &'static str, source: Option<&str>, payload: &impl Serialize) -> Option<Arc<str>> {
    match serde_json::to_string(&JsonLine { kind, source, payload }) {
        Ok(line) => Some((line + "\n").into()),
        Err(error) => {
            tracing::debug!(%error, kind, "a line for the trace socket cannot be written");
            None
        }
    }
}
