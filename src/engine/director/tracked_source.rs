//! State of one source in the director.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::run_context::RunContext;
use crate::audio::Level;
use crate::decision::{Decider, DecisionConfig, FormatMonitor, HourShares, SilenceConfig, Verdict};
use crate::engine::clips::ClipPlanner;
use crate::engine::corrections::Recent;
use crate::engine::live_settings::LiveSettings;
use crate::event::{
    ClipPath, LabelPosterior, SourceAttributes, SourceEvent, SourceHealth, SourceStats, StateSnapshot,
};
use crate::settings::SourceSettings;
use crate::status::SourceStatus;
use crate::tap::SourceTap;

/// Number of labels and of tags in attributes.
const TOP: usize = 5;

/// Health reason while parts of a source's audio are skipped.
const OVERLOAD_REASON: &str = "more sources than this machine can analyse: parts of the audio are skipped, \
    and loudness and dead air are not measured in them";

/// Configuration of one source for the director.
pub(crate) struct SourceSetup {
    /// Name, as in topics.
    pub(crate) name: Arc<str>,
    /// Name, as configured.
    pub(crate) display_name: Arc<str>,
    /// Decision stage.
    pub(crate) decider: Decider,
    /// Monitoring of format, talk, balance and pace.
    pub(crate) monitor: FormatMonitor,
    /// Configuration of the decision stage, for constants that cannot be changed.
    pub(crate) decision: DecisionConfig,
    /// Configuration of silence detection.
    pub(crate) silence: SilenceConfig,
    /// Seconds between patches.
    pub(crate) hop_s: f64,
    /// Settings that the source worker follows.
    pub(crate) live: Arc<LiveSettings>,
    /// Sequence number of the last event of an earlier run.
    pub(crate) seq: u64,
    /// Published status and counters.
    pub(crate) status: Arc<SourceStatus>,
    /// Watchers of the source.
    pub(crate) tap: Arc<SourceTap>,
    /// Planner of clips; `None` without clips.
    pub(crate) clips: Option<ClipPlanner>,
}

/// State of one source.
pub(crate) struct TrackedSource {
    pub(crate) name: Arc<str>,
    pub(crate) display_name: Arc<str>,
    pub(crate) decider: Decider,
    pub(crate) monitor: FormatMonitor,
    /// Shares of states in the last hour.
    pub(crate) shares: HourShares,
    pub(crate) settings: SourceSettings,
    decision: DecisionConfig,
    silence: SilenceConfig,
    live: Arc<LiveSettings>,
    pub(crate) seq: u64,
    pub(crate) status: Arc<SourceStatus>,
    pub(crate) tap: Arc<SourceTap>,
    pub(crate) clips: Option<ClipPlanner>,
    /// Time since which the genre has been published.
    pub(crate) since: Timestamp,
    /// Patches produced in this run.
    pub(crate) patches: u64,
    /// Verdict of the newest patch alone.
    pub(crate) newest: Option<Verdict>,
    pub(crate) level: Option<Level>,
    pub(crate) tags: Vec<f32>,
    pub(crate) title: Option<Arc<str>>,
    pub(crate) heartbeat_due: Instant,
    pub(crate) attributes_due: Instant,
    /// False once the source has ended or failed.
    pub(crate) open: bool,
    /// True while audio arrives.
    pub(crate) arriving: bool,
    /// Embeddings of the newest patches.
    pub(crate) recent: Recent,
    pub(crate) health: SourceHealth,
    pub(crate) health_reason: Option<Arc<str>>,
    /// Skipped audio at the last statistics, in milliseconds.
    skipped_ms: u64,
}

impl TrackedSource {
    pub(crate) fn new(setup: SourceSetup) -> Self {
        let now = Instant::now();
        let settings = SourceSettings {
            paused: false,
            hop_s: setup.hop_s,
            decision: setup.decision.settings(),
            silence: setup.silence.settings(),
        };
        Self {
            name: setup.name,
            display_name: setup.display_name,
            decider: setup.decider,
            monitor: setup.monitor,
            shares: HourShares::default(),
            settings,
            decision: setup.decision,
            silence: setup.silence,
            live: setup.live,
            seq: setup.seq,
            status: setup.status,
            tap: setup.tap,
            clips: setup.clips,
            since: Timestamp::now(),
            patches: 0,
            newest: None,
            level: None,
            tags: Vec::new(),
            title: None,
            heartbeat_due: now,
            attributes_due: now,
            open: true,
            arriving: false,
            recent: Recent::default(),
            health: SourceHealth::Starting,
            health_reason: None,
            skipped_ms: 0,
        }
    }

    /// Present configuration of silence detection.
    pub(crate) fn silence(&self) -> &SilenceConfig {
        &self.silence
    }

    pub(crate) fn set_health(&mut self, health: SourceHealth, reason: Option<Arc<str>>) {
        self.status.update(|condition| condition.set_health(health, reason.clone(), Timestamp::now()));
        (self.health, self.health_reason) = (health, reason);
    }

    /// Sets the time, in seconds of the source, to which the next events belong.
    pub(crate) fn reach(&mut self, position_s: f64) {
        if let Some(clips) = &mut self.clips {
            clips.reach(position_s);
        }
    }

    /// Clip of event number [`TrackedSource::seq`], if one is made.
    pub(crate) fn clip_of(&mut self, event: &SourceEvent, at: Timestamp) -> Option<ClipPath> {
        self.clips.as_mut()?.clip_of(event.event_type(), self.seq, at)
    }

    /// Ends the clips that the decisions have passed.
    pub(crate) fn close_passed_clips(&mut self) {
        if let Some(clips) = &mut self.clips {
            clips.close_passed();
        }
    }

    /// Ends the clips of a source without further audio.
    pub(crate) fn cut_clips(&mut self) {
        if let Some(clips) = &mut self.clips {
            clips.cut();
        }
    }

    /// Display name and reason of a source that has failed.
    pub(crate) fn failure(&self) -> Option<(Arc<str>, String)> {
        let has_failed = !self.open && self.health == SourceHealth::Failed;
        let reason = self.health_reason.as_ref().filter(|_| has_failed)?;
        Some((self.display_name.clone(), reason.to_string()))
    }

    /// Applies other settings to the worker and to the decision stage.
    pub(crate) fn apply(&mut self, settings: SourceSettings) {
        self.live.apply(&settings);
        self.status.update(|condition| condition.paused = settings.paused);
        self.silence = SilenceConfig::from(&settings.silence);
        self.decider.configure(&self.decision.with_settings(&settings.decision), &self.silence);
        self.settings = settings;
    }

    /// Events of a source whose audio stops: ends of raised problems, then the loss.
    pub(crate) fn lose(&mut self, reason: &Arc<str>) -> Vec<SourceEvent> {
        self.shares.interrupt();
        [self.monitor.lose(), self.decider.lose(Some(reason.clone()))].concat()
    }

    /// Events of a source that is paused. Its newest results are forgotten.
    pub(crate) fn pause(&mut self) -> Vec<SourceEvent> {
        (self.newest, self.level) = (None, None);
        self.shares.interrupt();
        [self.monitor.lose(), self.decider.pause()].concat()
    }

    pub(crate) fn snapshot(&self, context: &RunContext) -> StateSnapshot {
        StateSnapshot {
            run: context.run.clone(),
            at: Timestamp::now(),
            patches: self.patches,
            published: self.decider.named(self.decider.verdict()),
            newest: self.newest.map(|verdict| self.decider.named(verdict)),
            since: self.since,
            level: self.level,
            dead_air: self.decider.is_dead_air(),
            source: self.name.clone(),
            display_name: self.display_name.clone(),
            model: context.model.clone(),
        }
    }

    pub(crate) fn attributes(&self, context: &RunContext) -> SourceAttributes {
        SourceAttributes {
            run: context.run.clone(),
            at: Timestamp::now(),
            top: LabelPosterior::top(&context.labels, self.decider.smoothed(), TOP),
            tags: LabelPosterior::top(&context.tags, &self.tags, TOP),
            shares: self.shares.shares(),
            title: self.title.clone(),
            model: context.model.clone(),
            head: context.head.clone(),
        }
    }

    /// Counters, and the health since the last call.
    pub(crate) fn stats(&mut self) -> SourceStats {
        let counters = &self.status.counters;
        let skipped_ms = counters.skipped_ms.get();
        let skips = std::mem::replace(&mut self.skipped_ms, skipped_ms) < skipped_ms;
        let (health, health_reason) = match self.health {
            SourceHealth::Healthy if skips => (SourceHealth::Overloaded, Some(OVERLOAD_REASON.into())),
            health => (health, self.health_reason.clone()),
        };
        self.status.update(|condition| condition.set_health(health, health_reason.clone(), Timestamp::now()));
        SourceStats {
            state: self.decider.verdict().state,
            health,
            health_reason,
            produced: counters.produced.get(),
            scored: counters.scored.get(),
            dropped: counters.dropped.get(),
            skipped_s: Some(skipped_ms as f64 / 1000.0),
            xruns: counters.xruns.get(),
            reconnects: counters.reconnects.get(),
            latency_ms_p50: counters.latency.quantile_ms(0.5),
            latency_ms_p99: counters.latency.quantile_ms(0.99),
        }
    }
}
