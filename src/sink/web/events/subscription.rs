//! One client of server-sent events.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::sse::Event;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::query::Wanted;
use super::replay::Replay;
use crate::sink::payload::trace::TracePayload;
use crate::sink::web::hub::{EventId, SourceView};
use crate::sink::web::payload::{ExplanationPayload, SourceEventPayload, SourcePayload, rfc3339};
use crate::sink::web::state::ServerState;
use crate::tap::{FrameChunk, LOG_MEL_MAX, TapDetail, TapWatcher};

/// Interval between messages about states, levels and frames.
const TICK: Duration = Duration::from_millis(500);

/// Pause before a client reconnects.
const RETRY: Duration = Duration::from_secs(1);

/// State of one client.
pub(super) struct Subscription {
    state: ServerState,
    wanted: Wanted,
    /// Events of the log that are not sent yet, and what the client is told about them.
    replay: Option<Replay>,
    /// Position in the hub of the next event.
    position: u64,
    /// Versions of each source that were sent.
    sent: Vec<SentVersions>,
    /// Keep the pipeline making explanations and frames.
    _watchers: Vec<TapWatcher>,
    events: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    ticks: Interval,
}

/// Versions of a source that a client has received.
#[derive(Debug, Clone, Copy, Default)]
struct SentVersions {
    state: u64,
    level: u64,
    explanation: u64,
    /// Number of the next chunk of frames.
    chunk: u64,
}

impl Subscription {
    /// Subscription that begins with `replay`.
    pub(super) fn new(state: ServerState, wanted: Wanted, replay: Replay) -> Self {
        let tap = |index: &usize, detail| state.hub.tap(*index).watch(detail);
        let mut watchers = Vec::new();
        if wanted.topics.mel {
            watchers.extend(wanted.sources.iter().map(|index| tap(index, TapDetail::Frames)));
        }
        if wanted.topics.explain {
            watchers.extend(wanted.sources.iter().map(|index| tap(index, TapDetail::Explanations)));
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            events: state.hub.event_count(),
            closing: state.closing.clone(),
            sent: vec![SentVersions::default(); wanted.sources.len()],
            position: replay.position,
            replay: Some(replay),
            _watchers: watchers,
            ticks,
            state,
            wanted,
        }
    }

    /// Waits for the next messages; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Vec<Event>> {
        let mut messages = Vec::new();
        if let Some(replay) = self.replay.take() {
            self.begin(replay, &mut messages);
            return Some(messages);
        }
        while messages.is_empty() {
            if *self.closing.borrow_and_update() {
                return None;
            }
            let is_tick = tokio::select! {
                _ = self.closing.changed() => continue,
                _ = self.ticks.tick() => true,
                changed = self.events.changed(), if self.wanted.topics.event => {
                    changed.ok()?;
                    false
                }
            };
            self.take_events(&mut messages)?;
            if is_tick {
                self.take_changes(&mut messages);
            }
        }
        Some(messages)
    }

    /// First messages of a connection.
    fn begin(&mut self, replay: Replay, messages: &mut Vec<Event>) {
        let run = self.state.hub.content().info.as_ref().map(|info| info.run.to_string());
        let Replay { logged, first_id, resumed, gap, .. } = replay;
        let hello = Hello { run, now: rfc3339(Timestamp::now()), resumed, gap };
        let hello = message("hello", &hello).map(|event| event.retry(RETRY));
        messages.extend(hello.map(|event| match first_id {
            Some(id) => event.id(id.to_string()),
            None => event,
        }));
        if self.wanted.topics.event {
            let is_wanted = |id: &EventId| {
                self.state.hub.index_of(&id.source).is_some_and(|index| self.wanted.sources.contains(&index))
            };
            let replayed = logged.iter().filter(|(id, _)| is_wanted(id));
            messages.extend(replayed.filter_map(|(id, value): &(EventId, Value)| {
                Some(message("event", value)?.id(id.to_string()))
            }));
        }
        // The ring has the position that the replay has just found.
        let _ = self.take_events(messages);
        self.take_changes(messages);
    }

    /// Adds all events since the last call; `None` if the client was so slow that the ring overran
    /// it. It reconnects after its last id, and receives the rest from the log.
    fn take_events(&mut self, messages: &mut Vec<Event>) -> Option<()> {
        if !self.wanted.topics.event {
            return Some(());
        }
        let (records, total) = {
            let content = self.state.hub.content();
            (content.events_from(self.position)?, content.total_events())
        };
        self.position = total;
        for record in records {
            let index = self.state.hub.index_of(&record.source);
            if index.is_some_and(|index| self.wanted.sources.contains(&index)) {
                let event = message("event", &SourceEventPayload::from(&record));
                messages.extend(event.map(|event| event.id(record.id().to_string())));
            }
        }
        Some(())
    }

    /// Adds changed states, levels, explanations and frames.
    fn take_changes(&mut self, messages: &mut Vec<Event>) {
        let topics = self.wanted.topics;
        let mut levels = BTreeMap::new();
        let mut changed: Vec<SourceView> = Vec::new();
        let mut explained = Vec::new();
        {
            let content = self.state.hub.content();
            for (index, sent) in self.wanted.sources.iter().zip(&mut self.sent) {
                let view = &content.sources[*index];
                if topics.state && sent.state != view.state_version {
                    sent.state = view.state_version;
                    changed.push(view.clone());
                }
                if topics.level && sent.level != view.level_version {
                    sent.level = view.level_version;
                    let level = view
                        .level
                        .map(|level| (tenths(level.lufs_m), tenths(level.lufs_s), level.true_peak_db));
                    levels.extend(level.map(|level| (view.name.clone(), level)));
                }
                if topics.explain && sent.explanation != view.explanation_version {
                    sent.explanation = view.explanation_version;
                    explained
                        .extend(view.explanation.clone().map(|explanation| (view.name.clone(), explanation)));
                }
            }
        }
        messages.extend(changed.iter().filter_map(|view| message("state", &SourcePayload::new(view, false))));
        if !levels.is_empty() {
            messages.extend(message("level", &Levels { t: Timestamp::now().as_millisecond(), levels }));
        }
        for (source, explanation) in explained {
            let trace = TracePayload::from(&*explanation);
            messages.extend(message("explain", &ExplanationPayload::new(&source, trace)));
        }
        if topics.mel {
            self.take_frames(messages);
        }
    }

    fn take_frames(&mut self, messages: &mut Vec<Event>) {
        for (index, sent) in self.wanted.sources.iter().zip(&mut self.sent) {
            for chunk in self.state.hub.tap(*index).chunks_from(sent.chunk) {
                sent.chunk = chunk.number + 1;
                messages.extend(message("mel", &Frames::new(self.state.hub.name(*index), &chunk)));
            }
        }
    }
}

#[derive(Serialize)]
struct Hello {
    run: Option<String>,
    now: String,
    resumed: bool,
    gap: bool,
}

/// Levels of all sources with a new patch: momentary and short-term loudness in LUFS, true peak in
/// dB.
#[derive(Serialize)]
struct Levels {
    t: i64,
    levels: BTreeMap<std::sync::Arc<str>, (f32, f32, Option<f32>)>,
}

#[derive(Serialize)]
struct Frames<'a> {
    source: &'a str,
    /// Number of the first frame.
    frame: u64,
    /// Start of the first frame, in milliseconds since the Unix epoch.
    t: i64,
    frame_ms: f64,
    bands: usize,
    /// Value of a byte 0.
    min: f32,
    /// Value of a byte 255.
    max: f32,
    columns: String,
}

impl<'a> Frames<'a> {
    fn new(source: &'a str, chunk: &FrameChunk) -> Self {
        Self {
            source,
            frame: chunk.first_frame,
            t: chunk.at_ms,
            frame_ms: chunk.frame_ms,
            bands: chunk.bands,
            min: 0.0,
            max: LOG_MEL_MAX,
            columns: STANDARD.encode(&chunk.bytes),
        }
    }
}

/// Message of a topic; `None` if it cannot be encoded, which is logged.
fn message(topic: &str, value: &impl Serialize) -> Option<Event> {
    match serde_json::to_string(value) {
        Ok(text) => Some(Event::default().event(topic).data(text)),
        Err(error) => {
            tracing::warn!(topic, %error, "a message to the page cannot be encoded");
            None
        }
    }
}

fn tenths(lufs: f32) -> f32 {
    (lufs.max(crate::audio::Level::FLOOR) * 10.0).round() / 10.0
}
