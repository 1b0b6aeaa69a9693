//! The thread that owns every decision: scores in, messages out.

mod event;
mod label;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select};
use jiff::Timestamp;

use super::admission::Admission;
use super::control::{Dials, Refused, Settings};
use super::corrections::{Corrections, Recent};
use super::fanout::Fanout;
use super::feature::Note;
use super::infer::Judged;
use super::pace::Pace;
use super::supervisor::Health;
use super::trace;
use super::usage::Usage;
use crate::audio::{Level, Patch, SourceId};
use crate::decision::{Change, Decider, FormatMonitor, Observation, SourceTime, Verdict, raw};
use crate::model::Scores;
use crate::sink::{Ask, Cause, Message, Request, payload};
use crate::stats::{InferenceCounters, SourceCounters};
use event::event_kind;

/// How often `stats` goes out.
const STATS_EVERY: Duration = Duration::from_secs(30);
/// How often `attributes` goes out, at most.
const ATTRIBUTES_EVERY: Duration = Duration::from_secs(60);
/// Reason that `stats` gives where audio of a source was skipped.
const SKIPS: &str = "more sources than this machine can analyse: parts of the audio are skipped, and loudness and dead air are not measured in them";
/// Labels and tags that `attributes` lists.
const TOP: usize = 5;

/// What the director knows of one source.
pub struct SourceDesk {
    /// Name in topics.
    pub name: Arc<str>,
    /// Name for people.
    pub display_name: Arc<str>,
    /// Its decisions.
    pub decider: Decider,
    /// What is expected of it.
    pub watch: FormatMonitor,
    /// What can be set of it, as it is.
    pub settings: Settings,
    /// Where its thread sees that.
    pub dials: Arc<Dials>,
    /// The `seq` of its last event, of an earlier run.
    pub seq: u64,
    /// Its counters.
    pub counters: Arc<SourceCounters>,
}

impl SourceDesk {
    /// Audio stopped arriving: what was raised ends before the source is said to be lost.
    fn lose(&mut self, reason: &Arc<str>) -> Vec<Change> {
        [self.watch.lose(), self.decider.lose(Some(reason.clone()))].concat()
    }
}

/// What reaches the director.
pub struct Inbound {
    /// Scores, and notes about sources. It ends when this does,
    pub judged: Receiver<Judged>,
    /// or this.
    pub closed: Receiver<()>,
    /// Commands of subscribers and of clients of the trace socket, where there may be any.
    pub requests: Option<Receiver<Request>>,
}

/// What stays the same while the process runs.
pub struct Constants {
    /// Random id of this start.
    pub run: Arc<str>,
    /// Bundle name.
    pub model: Arc<str>,
    /// Head name.
    pub head: Arc<str>,
    /// Labels of the genre head.
    pub labels: Vec<Arc<str>>,
    /// Labels of the tag head.
    pub tags: Vec<Arc<str>>,
    /// Provider in use.
    pub execution_provider: &'static str,
    /// Seconds between patches.
    pub hop_s: f64,
    /// How often states are repeated.
    pub heartbeat: Duration,
    /// What a broker acknowledges.
    pub acknowledged: Acknowledged,
    /// True if subscribers may change settings.
    pub control: bool,
}

/// Messages whose way is timed to a broker's acknowledgement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Acknowledged {
    /// Every scored patch.
    pub windows: bool,
    /// Every decided change.
    pub events: bool,
}

/// Everything the thread owns.
pub struct Director {
    constants: Constants,
    desks: Vec<Desk>,
    inference: Arc<InferenceCounters>,
    admission: Arc<Admission>,
    inbound: Inbound,
    fanout: Fanout,
    usage: Usage,
    /// Channel of the corrections store; `None` if corrections are off.
    corrections: Option<Corrections>,
}

struct Desk {
    fixed: SourceDesk,
    since: Timestamp,
    patch: u64,
    raw: Option<Verdict>,
    level: Option<Level>,
    tags: Vec<f32>,
    title: Option<Arc<str>>,
    heartbeat_due: Instant,
    attributes_due: Instant,
    open: bool,
    /// Whether audio arrives.
    arriving: bool,
    /// Embeddings of what was heard last.
    recent: Recent,
    health: Health,
    /// Why it is not healthy.
    health_reason: Option<Arc<str>>,
    /// Audio that had been skipped when `stats` last went out, in milliseconds.
    skipped_ms: u64,
}

impl Director {
    /// A director for `desks`, indexed by [`SourceId`].
    pub fn new(
        constants: Constants,
        desks: Vec<SourceDesk>,
        inference: Arc<InferenceCounters>,
        admission: Arc<Admission>,
        inbound: Inbound,
        fanout: Fanout,
    ) -> Self {
        let (now, clock) = (Timestamp::now(), Instant::now());
        let desks = desks
            .into_iter()
            .map(|fixed| Desk {
                fixed,
                since: now,
                patch: 0,
                raw: None,
                level: None,
                tags: Vec::new(),
                title: None,
                heartbeat_due: clock,
                attributes_due: clock,
                open: true,
                arriving: false,
                recent: Recent::default(),
                health: Health::Starting,
                health_reason: None,
                skipped_ms: 0,
            })
            .collect();
        let usage = Usage::begin();
        Self { constants, desks, inference, admission, inbound, fanout, usage, corrections: None }
    }

    /// Takes corrections.
    #[must_use]
    pub fn with_corrections(mut self, corrections: Option<Corrections>) -> Self {
        self.corrections = corrections;
        self
    }

    /// Runs until the infer thread has ended, or it is told to close; returns the sources that failed, with their reasons.
    pub fn run(mut self) -> Vec<(Arc<str>, String)> {
        let mut stats_due = Instant::now() + STATS_EVERY;
        // What a killed predecessor left retained must not stand until audio arrives.
        for desk in &self.desks {
            self.fanout.send(Message::Availability { source: desk.fixed.name.clone(), online: false });
        }
        if self.constants.control {
            (0..self.desks.len()).for_each(|index| self.publish_settings(index));
        }
        let never = crossbeam_channel::never();
        let mut done = self.corrections.as_ref().map_or_else(crossbeam_channel::never, |of| of.done.clone());
        loop {
            let now = Instant::now();
            if now >= stats_due {
                stats_due = now + STATS_EVERY;
                let stats = self.stats();
                self.fanout.send(Message::Stats(Arc::new(stats)));
            }
            let mut next = stats_due;
            for index in 0..self.desks.len() {
                if self.desks[index].open {
                    if now >= self.desks[index].heartbeat_due {
                        self.publish_state(index);
                    }
                    next = next.min(self.desks[index].heartbeat_due);
                }
            }
            let judged = select! {
                recv(self.inbound.judged) -> judged => judged,
                recv(self.inbound.closed) -> _ => break,
                recv(self.inbound.requests.as_ref().unwrap_or(&never)) -> request => {
                    match request {
                        Ok(request) => self.asked(&request),
                        // The sink has ended.
                        Err(_) => self.inbound.requests = None,
                    }
                    continue;
                }
                recv(done) -> outcome => {
                    match outcome {
                        Ok(outcome) => self.labelled(outcome),
                        // That it has ended shows at the next correction.
                        Err(_) => done = crossbeam_channel::never(),
                    }
                    continue;
                }
                default(next.saturating_duration_since(Instant::now())) => continue,
            };
            match judged {
                Ok(Judged::Scored { patch, scores, arrived }) => self.scored(&patch, scores, arrived),
                Ok(Judged::Note(SourceId(index), note)) => self.noted(index, note),
                Err(_) => break,
            }
        }
        let stats = self.stats();
        self.fanout.send(Message::Stats(Arc::new(stats)));
        let failed = self.desks.iter().filter(|desk| !desk.open && desk.health == Health::Failed);
        let failed = failed
            .filter_map(|desk| {
                Some((desk.fixed.display_name.clone(), desk.health_reason.as_ref()?.to_string()))
            })
            .collect();
        for index in 0..self.desks.len() {
            if self.desks[index].open {
                self.close(index);
            }
        }
        failed
    }

    fn scored(&mut self, patch: &Patch, scores: Scores, arrived: Instant) {
        let SourceId(index) = patch.source;
        self.remember(index, patch, &scores.embedding);
        let desk = &mut self.desks[index];
        if desk.fixed.settings.paused {
            // It was under way when the source was paused.
            return;
        }
        let level = patch.level;
        let verdict = raw(&scores.posteriors, scores.gate, level.lufs_s, &desk.fixed.settings.silence);
        let window = payload::Window {
            run: self.constants.run.clone(),
            ts: patch.ends_at,
            patch: patch.index,
            start: patch.span.start,
            end: patch.span.end,
            state: verdict.state.as_str(),
            genre: desk.fixed.decider.genre(verdict),
            confidence: verdict.confidence,
            scores: self.constants.labels.iter().cloned().zip(scores.posteriors.iter().copied()).collect(),
            lufs_s: level.lufs_s,
            lufs_m: level.lufs_m,
            true_peak_db: level.true_peak_db,
        };
        let cause = Cause { arrived, counters: desk.fixed.counters.clone() };
        let Acknowledged { windows, events } = self.constants.acknowledged;
        self.fanout.send(Message::Window {
            source: desk.fixed.name.clone(),
            payload: Arc::new(window),
            cause: windows.then(|| cause.clone()),
        });
        desk.patch = patch.index + 1;
        desk.raw = Some(verdict);
        desk.level = Some(level);
        desk.tags = scores.tags;
        let seen = Observation {
            start: SourceTime(patch.span.start),
            end: SourceTime(patch.span.end),
            posteriors: &scores.posteriors,
            gate: scores.gate,
            level,
        };
        let mut changes = desk.fixed.decider.observe(seen);
        changes.extend(desk.fixed.watch.observe(
            SourceTime(patch.span.end),
            desk.fixed.decider.verdict(),
            &level,
        ));
        let is_timed = windows || (events && !changes.is_empty());
        if !is_timed {
            cause.end();
        }
        self.publish_changes(index, changes, patch.ends_at, (events && !windows).then_some(cause));
        let desk = &mut self.desks[index];
        if Instant::now() >= desk.attributes_due && !desk.fixed.decider.smoothed().is_empty() {
            desk.attributes_due = Instant::now() + ATTRIBUTES_EVERY;
            self.publish_attributes(index);
        }
        if self.fanout.is_traced() {
            let (labels, desk) = (&self.constants.labels, &self.desks[index]);
            let posteriors = top(labels, &scores.posteriors, labels.len());
            let trace = trace::compose(&desk.fixed.decider, patch, posteriors, scores.gate, desk.since);
            self.fanout.send(Message::Trace { source: desk.fixed.name.clone(), payload: Arc::new(trace) });
        }
    }

    fn noted(&mut self, index: usize, note: Note) {
        let now = Timestamp::now();
        let name = self.desks[index].fixed.name.clone();
        match note {
            Note::Arriving => {
                self.desks[index].arriving = true;
                (self.desks[index].health, self.desks[index].health_reason) = (Health::Healthy, None);
                if !self.desks[index].fixed.settings.paused {
                    self.fanout.send(Message::Availability { source: name, online: true });
                }
                let changes = self.desks[index].fixed.decider.recover();
                self.publish_changes(index, changes, now, None);
            }
            Note::Lost { health, reason } => {
                self.desks[index].arriving = false;
                let changes = self.desks[index].fixed.lose(&reason);
                (self.desks[index].health, self.desks[index].health_reason) = (health, Some(reason));
                // The event and the state go out before the availability that would hide them.
                self.publish_changes(index, changes, now, None);
                self.fanout.send(Message::Availability { source: name, online: false });
            }
            Note::Pace(_) if self.desks[index].fixed.settings.paused => {}
            Note::Pace(pace) => {
                let (desk, slow) = (&mut self.desks[index], pace.slow());
                (desk.health, desk.health_reason) = match slow {
                    Some(rate) => (Health::Slow, Some(Pace::reason(rate).into())),
                    None => (Health::Healthy, None),
                };
                let changes = desk.fixed.watch.set_slow(slow).into_iter().collect();
                self.publish_changes(index, changes, now, None);
            }
            Note::Title(title) => {
                if let Some(title) = &title {
                    tracing::info!(source = &*name, "title: {title}");
                }
                self.desks[index].title = title;
                self.publish_attributes(index);
            }
            Note::Ended => {
                tracing::info!(source = &*name, "ended");
                self.desks[index].health_reason = None;
                self.close(index);
            }
            Note::Failed(reason) => {
                let reason = Arc::from(reason);
                let changes = self.desks[index].fixed.lose(&reason);
                self.publish_changes(index, changes, now, None);
                self.desks[index].health = Health::Failed;
                self.desks[index].health_reason = Some(reason);
                self.close(index);
            }
        }
    }

    /// Does what a subscriber wants, or says why not.
    fn asked(&mut self, request: &Request) {
        let Some(index) = self.desks.iter().position(|desk| *desk.fixed.name == *request.source) else {
            let names: Vec<&str> = self.desks.iter().map(|desk| &*desk.fixed.name).collect();
            let message = format!("no such source; there are `{}`", names.join("`, `"));
            return self.refuse(request, None, message);
        };
        if let Ask::Label(text) = &request.ask {
            return self.label(index, request, text);
        }
        if !self.desks[index].open && request.ask != Ask::Get {
            return self.refuse(request, None, "the source has ended".to_owned());
        }
        let old = self.desks[index].fixed.settings.clone();
        let new = match old.changed_by(&request.ask) {
            Ok(new) => new,
            Err(Refused { key, message }) => return self.refuse(request, key, message),
        };
        if request.ask == Ask::Get {
            self.publish_state(index);
            self.publish_attributes(index);
        }
        if new != old {
            tracing::info!(source = &*request.source, ?new, "settings changed by a message");
            let desk = &mut self.desks[index];
            desk.fixed.dials.turn(&new);
            desk.fixed.decider.configure(&new.decision, &new.silence);
            desk.fixed.settings = new.clone();
            match (old.paused, new.paused) {
                (false, true) => self.pause(index),
                (true, false) if desk.arriving => {
                    let source = desk.fixed.name.clone();
                    self.fanout.send(Message::Availability { source, online: true });
                }
                _ => {}
            }
        }
        self.publish_settings(index);
    }

    /// Nothing is known of a source that is not heard.
    fn pause(&mut self, index: usize) {
        let desk = &mut self.desks[index];
        let changes = [desk.fixed.watch.lose(), desk.fixed.decider.pause()].concat();
        (desk.raw, desk.level) = (None, None);
        let source = desk.fixed.name.clone();
        self.publish_changes(index, changes, Timestamp::now(), None);
        self.publish_state(index);
        self.fanout.send(Message::Availability { source, online: false });
    }

    fn publish_settings(&mut self, index: usize) {
        let SourceDesk { name, settings, .. } = &self.desks[index].fixed;
        let settings = payload::Settings {
            run: self.constants.run.clone(),
            ts: Timestamp::now(),
            paused: settings.paused,
            hop: settings.hop,
            thresholds: settings.thresholds(),
        };
        self.fanout.send(Message::Settings { source: name.clone(), payload: Arc::new(settings) });
    }

    /// Tells every source's subscribers that events may have been lost, and that nobody knows how many.
    pub fn announce_loss(&mut self) {
        for index in 0..self.desks.len() {
            self.publish_event(
                index,
                payload::EventKind::EventsDropped { count: None },
                Timestamp::now(),
                None,
            );
        }
    }

    fn close(&mut self, index: usize) {
        let desk = &mut self.desks[index];
        desk.open = false;
        desk.arriving = false;
        desk.fixed.decider.finish();
        self.publish_settled(index);
        let desk = &self.desks[index];
        self.fanout.send(Message::Availability { source: desk.fixed.name.clone(), online: false });
    }

    /// Hands on what has been settled, then events in order and the state that they led to.
    fn publish_changes(
        &mut self,
        index: usize,
        changes: Vec<Change>,
        at: Timestamp,
        mut cause: Option<Cause>,
    ) {
        self.publish_settled(index);
        if changes.is_empty() {
            return;
        }
        for change in changes {
            let desk = &mut self.desks[index];
            if matches!(change, Change::Genre { .. } | Change::Lost(_) | Change::Recovered) {
                desk.since = at;
            }
            tracing::debug!(source = &*desk.fixed.name, "{change}");
            // Of several at once, the first is timed.
            self.publish_event(index, event_kind(change), at, cause.take());
        }
        self.publish_state(index);
    }

    /// Hands on what has been settled.
    fn publish_settled(&mut self, index: usize) {
        let desk = &mut self.desks[index];
        for stretch in desk.fixed.decider.final_segments() {
            let payload = payload::Settled {
                start: stretch.start.0,
                end: stretch.end.0,
                state: stretch.verdict.state.as_str(),
                genre: desk.fixed.decider.genre(stretch.verdict),
                confidence: stretch.verdict.confidence,
            };
            let source = desk.fixed.name.clone();
            self.fanout.send(Message::Settled { source, payload: Arc::new(payload) });
        }
    }

    fn publish_event(&mut self, index: usize, kind: payload::EventKind, at: Timestamp, cause: Option<Cause>) {
        let desk = &mut self.desks[index];
        desk.fixed.seq += 1;
        let event = payload::Event { run: self.constants.run.clone(), seq: desk.fixed.seq, ts: at, kind };
        let source = desk.fixed.name.clone();
        self.fanout.send(Message::Event { source, payload: Arc::new(event), cause });
    }

    fn publish_state(&mut self, index: usize) {
        let desk = &mut self.desks[index];
        desk.heartbeat_due = Instant::now() + self.constants.heartbeat;
        let verdict = desk.fixed.decider.verdict();
        let state = payload::State {
            run: self.constants.run.clone(),
            ts: Timestamp::now(),
            patch: desk.patch,
            state: verdict.state.as_str(),
            genre: desk.fixed.decider.genre(verdict),
            confidence: verdict.confidence,
            raw_genre: desk.raw.map(|raw| desk.fixed.decider.genre(raw)),
            raw_confidence: desk.raw.and_then(|raw| raw.confidence),
            since: desk.since,
            lufs_s: desk.level.map(|level| level.lufs_s),
            lufs_m: desk.level.map(|level| level.lufs_m),
            true_peak_db: desk.level.and_then(|level| level.true_peak_db),
            dead_air: if desk.fixed.decider.is_dead_air() { "ON" } else { "OFF" },
            source: desk.fixed.name.clone(),
            source_name: desk.fixed.display_name.clone(),
            model: self.constants.model.clone(),
        };
        self.fanout.send(Message::State { source: desk.fixed.name.clone(), payload: Arc::new(state) });
    }

    fn publish_attributes(&mut self, index: usize) {
        let desk = &self.desks[index];
        let attributes = payload::Attributes {
            run: self.constants.run.clone(),
            ts: Timestamp::now(),
            top: top(&self.constants.labels, desk.fixed.decider.smoothed(), TOP),
            tags: top(&self.constants.tags, &desk.tags, TOP),
            title: desk.title.clone(),
            model: self.constants.model.clone(),
            head: self.constants.head.clone(),
        };
        self.fanout
            .send(Message::Attributes { source: desk.fixed.name.clone(), payload: Arc::new(attributes) });
    }

    fn stats(&mut self) -> payload::Stats {
        let (patches, busy_ns) = (self.inference.patches.get(), self.inference.busy_ns.get());
        let sources = self.desks.iter_mut().map(|desk| (desk.fixed.name.clone(), desk.stats())).collect();
        let overload = self
            .admission
            .overload()
            .map(|overload| payload::Overload { sources: overload.sources, sources_fit: overload.fit });
        payload::Stats {
            run: self.constants.run.clone(),
            ts: Timestamp::now(),
            execution_provider: self.constants.execution_provider,
            realtime_factor: (patches > 0)
                .then(|| patches as f64 * self.constants.hop_s / (busy_ns.max(1) as f64 / 1e9)),
            rss_mb: self.usage.rss_mb(),
            cpu_cores: self.usage.cpu_cores(),
            mqtt: None,
            overload,
            sources,
        }
    }
}

impl Desk {
    /// Counts of the source, and its health since the last call.
    fn stats(&mut self) -> payload::SourceStats {
        let counters = &self.fixed.counters;
        let skipped_ms = counters.skipped_ms.get();
        let skips = std::mem::replace(&mut self.skipped_ms, skipped_ms) < skipped_ms;
        let (health, health_reason) = match self.health {
            Health::Healthy if skips => ("overloaded", Some(SKIPS.into())),
            health => (health.as_str(), self.health_reason.clone()),
        };
        payload::SourceStats {
            state: self.fixed.decider.verdict().state.as_str(),
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

/// The `count` most likely labels, best first.
fn top(labels: &[Arc<str>], posteriors: &[f32], count: usize) -> Vec<payload::LabelP> {
    let mut ranked: Vec<_> = labels.iter().zip(posteriors).filter(|(_, p)| p.is_finite()).collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranked.into_iter().take(count).map(|(label, p)| payload::LabelP { label: label.clone(), p: *p }).collect()
}
