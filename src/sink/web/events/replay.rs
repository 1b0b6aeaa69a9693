//! Events that a client has missed.

use std::path::Path;

use serde_json::Value;

use crate::sink::asrun::{LogReader, LoggedEvent};
use crate::sink::web::history;
use crate::sink::web::hub::{EventId, SourceEventRecord};
use crate::sink::web::state::ServerState;

/// Most events that are read from the log for one client.
const MAX_LOGGED: usize = 10_000;

/// Point at which a subscription continues.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Replay {
    /// Events from the log, oldest first, with their ids.
    pub(super) logged: Vec<(EventId, Value)>,
    /// Id from which a client without any event can resume.
    pub(super) first_id: Option<EventId>,
    /// Position in the hub of the first event after those.
    pub(super) position: u64,
    /// True if the client continues after an earlier connection.
    pub(super) resumed: bool,
    /// True if events may be missing in between.
    pub(super) gap: bool,
}

impl Replay {
    /// Finds the events after `last`; without it, only new ones follow.
    pub(super) async fn after(state: &ServerState, last: Option<EventId>) -> Self {
        let Some(last) = last else {
            let content = state.hub.content();
            return Self {
                position: content.total_events(),
                first_id: content.newest_id(),
                ..Self::default()
            };
        };
        let (position, oldest, run) = {
            let content = state.hub.content();
            if let Some(position) = content.position_after(&last) {
                return Self { position, resumed: true, ..Self::default() };
            }
            let (position, oldest) = content.oldest_event();
            (position, oldest.cloned(), content.info.as_ref().map(|info| info.run.to_string()))
        };
        let from_log = match state.log.clone() {
            Some(log) => tokio::task::spawn_blocking(move || read(&log, &last)).await.ok().flatten(),
            None => None,
        };
        let gap = from_log.as_ref().is_none_or(|events| events.len() > MAX_LOGGED);
        // The ring continues where its first event, or the first event of this run, is in the log.
        let is_in_ring = |event: &LoggedEvent| match &oldest {
            Some(oldest) if position > 0 => is_same(event, oldest),
            _ => run.as_deref() == Some(event.run.as_str()),
        };
        let logged = from_log.unwrap_or_default().into_iter().take_while(|event| !is_in_ring(event));
        let with_id = |event: LoggedEvent| {
            let value = history::with_source(&event)?;
            Some((EventId { run: event.run, source: event.source, seq: event.seq }, value))
        };
        Self { logged: logged.filter_map(with_id).collect(), first_id: None, position, resumed: true, gap }
    }
}

fn is_same(event: &LoggedEvent, record: &SourceEventRecord) -> bool {
    event.seq == record.event.seq && event.source == *record.source && event.run == *record.event.run
}

/// Events of the log after `last`; `None` if they cannot be found.
fn read(log: &Path, last: &EventId) -> Option<Vec<LoggedEvent>> {
    let result = LogReader::open(log)
        .and_then(|reader| reader.events_after((&last.run, &last.source, last.seq), MAX_LOGGED + 1));
    result.unwrap_or_else(|error| {
        tracing::debug!(%error, "a page cannot resume from the as-run log");
        None
    })
}
