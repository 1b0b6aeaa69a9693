//! Handling of inference results and of the events of source workers.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{Acknowledged, Director};
use crate::audio::{Patch, SourceId};
use crate::decision::{Observation, SourceTime, raw};
use crate::engine::job::WorkerEvent;
use crate::engine::slow_stream::Pace;
use crate::event::{SourceHealth, WindowResult};
use crate::model::Scores;
use crate::sink::{LatencyProbe, Message};
use crate::tap::TapDetail;

impl Director {
    pub(super) fn on_scores(&mut self, patch: &Patch, scores: Scores, arrived: Instant) {
        let SourceId(index) = patch.source;
        self.keep_embedding(index, patch, &scores.embedding);
        let source = &mut self.sources[index];
        if source.settings.paused {
            // The patch was in flight when the source was paused.
            return;
        }
        let level = patch.level;
        let verdict = raw(&scores.posteriors, scores.gate, level.lufs_s, source.silence());
        let window = WindowResult {
            run: self.context.run.clone(),
            at: patch.ends_at,
            patch: patch.index,
            span: patch.span,
            verdict: source.decider.named(verdict),
            scores: self.context.labels.iter().cloned().zip(scores.posteriors.iter().copied()).collect(),
            level,
        };
        let latency = LatencyProbe { arrived, counters: source.status.counters.clone() };
        let Acknowledged { windows, events } = self.context.acknowledged;
        self.fanout.send(Message::Window {
            source: source.name.clone(),
            window: Arc::new(window),
            latency: windows.then(|| latency.clone()),
        });
        source.reach(patch.span.end);
        source.patches = patch.index + 1;
        source.newest = Some(verdict);
        source.level = Some(level);
        source.status.update(|condition| condition.level = Some(level));
        source.tags = scores.tags;
        let observation = Observation {
            start: SourceTime(patch.span.start),
            end: SourceTime(patch.span.end),
            posteriors: &scores.posteriors,
            gate: scores.gate,
            level,
        };
        let mut decided = source.decider.observe(observation);
        let end = SourceTime(patch.span.end);
        decided.extend(source.monitor.observe(end, source.decider.verdict(), &level));
        source.shares.observe(end, source.decider.verdict());
        let waits_for_broker = windows || (events && !decided.is_empty());
        if !waits_for_broker {
            latency.record();
        }
        self.publish_events(index, decided, patch.ends_at, (events && !windows).then_some(latency));
        self.sources[index].close_passed_clips();
        self.publish_due_attributes(index);
        if self.fanout.has_listeners() || self.sources[index].tap.is_watched(TapDetail::Explanations) {
            self.publish_explanation(index, patch, &scores.posteriors, scores.gate);
        }
    }

    pub(super) fn on_worker_event(&mut self, index: usize, event: WorkerEvent) {
        let now = Timestamp::now();
        let source = &mut self.sources[index];
        match event {
            WorkerEvent::Arriving { position_s } => {
                source.arriving = true;
                source.reach(position_s);
                let events = source.decider.recover();
                self.set_health(index, SourceHealth::Healthy, None);
                if !self.sources[index].settings.paused {
                    self.publish_availability(index, true);
                }
                self.publish_events(index, events, now, None);
            }
            WorkerEvent::Lost { health, reason } => {
                source.arriving = false;
                let events = source.lose(&reason);
                self.set_health(index, health, Some(reason));
                // Event and state precede the availability that would hide them.
                self.publish_events(index, events, now, None);
                self.sources[index].cut_clips();
                self.publish_availability(index, false);
            }
            WorkerEvent::PaceChanged(_) if source.settings.paused => {}
            WorkerEvent::PaceChanged(pace) => {
                let events = source.monitor.set_slow(pace.slow()).into_iter().collect();
                match pace.slow() {
                    Some(rate) => {
                        self.set_health(index, SourceHealth::Slow, Some(Pace::reason(rate).into()));
                    }
                    None => self.set_health(index, SourceHealth::Healthy, None),
                }
                self.publish_events(index, events, now, None);
            }
            WorkerEvent::Title(title) => {
                if let Some(title) = &title {
                    tracing::info!(source = &*source.name, "title: {title}");
                }
                source.title = title;
                self.publish_attributes(index);
            }
            WorkerEvent::Ended => {
                tracing::info!(source = &*source.name, "ended");
                source.health_reason = None;
                self.close(index);
            }
            WorkerEvent::Failed(reason) => {
                let reason = Arc::from(reason);
                let events = source.lose(&reason);
                self.publish_events(index, events, now, None);
                self.set_health(index, SourceHealth::Failed, Some(reason));
                self.close(index);
            }
        }
    }
}
