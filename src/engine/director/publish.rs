//! Messages to the sinks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Director;
use crate::audio::Patch;
use crate::decision::SourceTime;
use crate::event::{
    DaemonStats, GatePosteriors, LabelPosterior, NamedSegment, NumberedEvent, OverloadStats, SourceEvent,
    SourceHealth,
};
use crate::sink::{LatencyProbe, Message, PatchExplanation, SettingsSnapshot};

/// Shortest interval between attributes of one source.
const ATTRIBUTES_INTERVAL: Duration = Duration::from_secs(60);

impl Director {
    /// Repeats the states that are due. Returns the time of the next one.
    pub(super) fn publish_heartbeats(&mut self, now: Instant) -> Option<Instant> {
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            if source.open && now >= source.heartbeat_due {
                self.publish_state(index);
            }
        }
        let open = self.sources.iter().filter(|source| source.open);
        open.map(|source| source.heartbeat_due).min()
    }

    /// Publishes final segments, then `events` in order, then the state that they led to. The first
    /// event carries `latency`.
    pub(super) fn publish_events(
        &mut self,
        index: usize,
        events: Vec<SourceEvent>,
        at: Timestamp,
        mut latency: Option<LatencyProbe>,
    ) {
        self.publish_final_segments(index);
        if events.is_empty() {
            return;
        }
        for event in events {
            let source = &mut self.sources[index];
            if event.begins_state() {
                source.since = at;
            }
            tracing::debug!(source = &*source.name, "{event}");
            self.publish_event(index, event, at, latency.take());
        }
        self.publish_state(index);
    }

    pub(super) fn publish_event(
        &mut self,
        index: usize,
        event: SourceEvent,
        at: Timestamp,
        latency: Option<LatencyProbe>,
    ) {
        let source = &mut self.sources[index];
        source.seq += 1;
        source.status.update(|condition| condition.on_event(event.event_type()));
        let clip = source.clip_of(&event, at);
        let event = NumberedEvent { run: self.context.run.clone(), seq: source.seq, at, event, clip };
        self.fanout.send(Message::Event { source: source.name.clone(), event: Arc::new(event), latency });
    }

    pub(super) fn publish_final_segments(&mut self, index: usize) {
        let source = &mut self.sources[index];
        for segment in source.decider.final_segments() {
            let verdict = source.decider.named(segment.verdict);
            let segment = NamedSegment { start: segment.start.0, end: segment.end.0, verdict };
            let (source, segment) = (source.name.clone(), Arc::new(segment));
            self.fanout.send(Message::FinalSegment { source, segment });
        }
    }

    pub(super) fn publish_availability(&mut self, index: usize, online: bool) {
        let source = &self.sources[index];
        source.status.update(|condition| condition.online = online);
        self.fanout.send(Message::Availability { source: source.name.clone(), online });
    }

    pub(super) fn publish_state(&mut self, index: usize) {
        let source = &mut self.sources[index];
        source.heartbeat_due = Instant::now() + self.context.heartbeat;
        let state = Arc::new(source.snapshot(&self.context));
        source.status.update(|condition| {
            (condition.verdict, condition.level) = (state.published.clone(), state.level);
        });
        self.fanout.send(Message::State { source: source.name.clone(), state });
    }

    pub(super) fn publish_attributes(&mut self, index: usize) {
        let source = &self.sources[index];
        let attributes = Arc::new(source.attributes(&self.context));
        self.fanout.send(Message::Attributes { source: source.name.clone(), attributes });
    }

    /// Publishes attributes, at most once per [`ATTRIBUTES_INTERVAL`].
    pub(super) fn publish_due_attributes(&mut self, index: usize) {
        let source = &mut self.sources[index];
        let has_content = !source.decider.smoothed().is_empty() || source.shares.shares().is_some();
        if Instant::now() >= source.attributes_due && has_content {
            source.attributes_due = Instant::now() + ATTRIBUTES_INTERVAL;
            self.publish_attributes(index);
        }
    }

    /// Publishes the settings of a source, and returns them.
    pub(super) fn publish_settings(&mut self, index: usize) -> Arc<SettingsSnapshot> {
        let source = &self.sources[index];
        let settings = Arc::new(SettingsSnapshot {
            run: self.context.run.clone(),
            at: Timestamp::now(),
            settings: source.settings,
        });
        self.fanout.send(Message::Settings { source: source.name.clone(), settings: settings.clone() });
        settings
    }

    /// Sets the health of a source and publishes it.
    pub(super) fn set_health(&mut self, index: usize, health: SourceHealth, reason: Option<Arc<str>>) {
        let source = &mut self.sources[index];
        source.set_health(health, reason.clone());
        self.fanout.send(Message::Health { source: source.name.clone(), health, reason });
    }

    pub(super) fn publish_explanation(
        &mut self,
        index: usize,
        patch: &Patch,
        posteriors: &[f32],
        gate: Option<GatePosteriors>,
    ) {
        let (labels, source) = (&self.context.labels, &self.sources[index]);
        let explanation = PatchExplanation {
            patch: *patch,
            posteriors: LabelPosterior::top(labels, posteriors, labels.len()),
            gate,
            reasons: source.decider.explain(SourceTime(patch.span.end)),
            state_names: source.decider.state_names(),
            published: source.decider.named(source.decider.verdict()),
            since: source.since,
        };
        let (source, explanation) = (source.name.clone(), Arc::new(explanation));
        self.fanout.send(Message::Explanation { source, explanation });
    }

    /// Closes a source that has ended or failed.
    pub(super) fn close(&mut self, index: usize) {
        let source = &mut self.sources[index];
        source.open = false;
        source.arriving = false;
        source.status.update(|condition| condition.ended = true);
        source.decider.finish();
        source.cut_clips();
        self.publish_final_segments(index);
        self.publish_availability(index, false);
    }

    /// Reports to subscribers of every source that an unknown number of events was lost.
    pub(crate) fn announce_loss(&mut self) {
        for index in 0..self.sources.len() {
            let event = SourceEvent::EventsDropped { count: None };
            self.publish_event(index, event, Timestamp::now(), None);
        }
    }

    pub(super) fn publish_stats(&mut self) {
        let (patches, busy_ns) = (self.status.inference.patches.get(), self.status.inference.busy_ns.get());
        let factor = patches as f64 * self.context.hop_s / (busy_ns.max(1) as f64 / 1e9);
        let overload = self
            .admission
            .overload()
            .map(|overload| OverloadStats { sources: overload.sources, sources_fit: overload.fit });
        let stats = DaemonStats {
            run: self.context.run.clone(),
            at: Timestamp::now(),
            execution_provider: self.context.execution_provider,
            realtime_factor: (patches > 0).then_some(factor),
            rss_mb: self.usage.rss_mb(),
            cpu_cores: self.usage.cpu_cores(),
            overload,
            sources: self.sources.iter_mut().map(|source| (source.name.clone(), source.stats())).collect(),
        };
        self.fanout.send(Message::Stats(Arc::new(stats)));
    }
}
