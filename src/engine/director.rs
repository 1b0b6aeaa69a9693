//! Director thread: owns all decision state, turns inference results into messages to the sinks.

mod commands;
mod corrections;
mod publish;
mod results;
mod run_context;
mod tracked_source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admission::Admission;
use super::corrections::{CorrectionOutcome, Corrections};
use super::fanout::Fanout;
use super::job::InferenceResult;
use crate::audio::SourceId;
use crate::command::CommandRequest;
use crate::status::DaemonStatus;
use crate::usage::Usage;
use crossbeam_channel::{Receiver, never, select};
pub(super) use run_context::{Acknowledged, RunContext};
pub(super) use tracked_source::{SourceSetup, TrackedSource};

/// Interval between statistics.
const STATS_INTERVAL: Duration = Duration::from_secs(30);

/// Channels to the director.
pub(super) struct DirectorInbox {
    /// Results of inference. The director ends when this channel closes.
    pub(crate) results: Receiver<InferenceResult>,
    /// Closes to end the director although `results` is open.
    pub(crate) closed: Receiver<()>,
    /// Commands from sinks.
    pub(crate) commands: Receiver<CommandRequest>,
}

/// State of the director.
pub(super) struct Director {
    context: RunContext,
    sources: Vec<TrackedSource>,
    status: Arc<DaemonStatus>,
    admission: Arc<Admission>,
    inbox: DirectorInbox,
    fanout: Fanout,
    usage: Usage,
    /// Corrections store; `None` if corrections are off.
    corrections: Option<Corrections>,
    /// Outcomes of the corrections store.
    outcomes: Receiver<CorrectionOutcome>,
}

impl Director {
    /// Director of `sources`, which are indexed by [`SourceId`].
    pub(crate) fn new(
        context: RunContext,
        sources: Vec<TrackedSource>,
        status: Arc<DaemonStatus>,
        admission: Arc<Admission>,
        inbox: DirectorInbox,
        fanout: Fanout,
    ) -> Self {
        let usage = Usage::begin();
        Self {
            context,
            sources,
            status,
            admission,
            inbox,
            fanout,
            usage,
            corrections: None,
            outcomes: never(),
        }
    }

    /// Accepts corrections.
    #[must_use]
    pub(crate) fn with_corrections(mut self, corrections: Option<Corrections>) -> Self {
        self.outcomes = corrections.as_ref().map_or_else(never, |corrections| corrections.outcomes.clone());
        self.corrections = corrections;
        self
    }

    /// Runs until inference has ended or [`DirectorInbox::closed`] closes. Returns the display name
    /// of each failed source with its reason.
    pub(crate) fn run(mut self) -> Vec<(Arc<str>, String)> {
        let mut stats_due = Instant::now() + STATS_INTERVAL;
        // The broker may hold the availability of a daemon that was killed.
        for index in 0..self.sources.len() {
            self.publish_availability(index, false);
        }
        if self.context.control {
            (0..self.sources.len()).for_each(|index| drop(self.publish_settings(index)));
        }
        loop {
            let now = Instant::now();
            if now >= stats_due {
                stats_due = now + STATS_INTERVAL;
                self.publish_stats();
            }
            let deadline = self.publish_heartbeats(now).unwrap_or(stats_due).min(stats_due);
            if !self.handle_next(deadline) {
                return self.finish();
            }
        }
    }

    /// Waits for one item until `deadline` and handles it. Returns false at the end.
    fn handle_next(&mut self, deadline: Instant) -> bool {
        self.status.deciding.clear();
        select! {
            recv(self.inbox.results) -> result => match result {
                Ok(result) => self.on_result(result),
                Err(_) => return false,
            },
            recv(self.inbox.closed) -> _ => return false,
            recv(self.inbox.commands) -> request => match request {
                Ok(request) => self.on_command(&request),
                // All sinks that send commands have ended.
                Err(_) => self.inbox.commands = never(),
            },
            recv(self.outcomes) -> outcome => match outcome {
                Ok(outcome) => self.on_correction(outcome),
                // The next correction is refused.
                Err(_) => self.outcomes = never(),
            },
            default(deadline.saturating_duration_since(Instant::now())) => {}
        }
        true
    }

    fn on_result(&mut self, result: InferenceResult) {
        self.status.deciding.mark(Instant::now());
        match result {
            InferenceResult::Scored { patch, scores, arrived } => self.on_scores(&patch, scores, arrived),
            InferenceResult::Event(SourceId(index), event) => self.on_worker_event(index, event),
        }
    }

    fn finish(mut self) -> Vec<(Arc<str>, String)> {
        self.publish_stats();
        let failed = self.sources.iter().filter_map(TrackedSource::failure).collect();
        for index in 0..self.sources.len() {
            if self.sources[index].open {
                self.close(index);
            }
        }
        failed
    }
}
