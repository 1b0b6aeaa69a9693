//! The thread that owns every decision: scores in, messages out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select};
use jiff::Timestamp;

use super::fanout::Fanout;
use super::feature::Note;
use super::infer::Judged;
use super::usage::Usage;
use crate::audio::{Patch, SourceId};
use crate::decision::{Change, Decider, Observation, SilenceConfig, Verdict, raw};
use crate::model::Scores;
use crate::sink::{Cause, Message, payload};
use crate::stats::{InferenceCounters, SourceCounters};

/// How often `stats` goes out.
const STATS_EVERY: Duration = Duration::from_secs(30);
/// How often `attributes` goes out, at most.
const ATTRIBUTES_EVERY: Duration = Duration::from_secs(60);
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
    /// When it counts as silent.
    pub silence: SilenceConfig,
    /// Its counters.
    pub counters: Arc<SourceCounters>,
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
    judged: Receiver<Judged>,
    closed: Receiver<()>,
    fanout: Fanout,
    usage: Usage,
}

struct Desk {
    fixed: SourceDesk,
    since: Timestamp,
    seq: u64,
    patch: u64,
    raw: Option<Verdict>,
    lufs_s: Option<f32>,
    tags: Vec<f32>,
    heartbeat_due: Instant,
    attributes_due: Instant,
    open: bool,
    failed: Option<String>,
}

impl Director {
    /// A director for `desks`, indexed by [`SourceId`]. It ends when `judged` or `closed` does.
    pub fn new(
        constants: Constants,
        desks: Vec<SourceDesk>,
        inference: Arc<InferenceCounters>,
        judged: Receiver<Judged>,
        closed: Receiver<()>,
        fanout: Fanout,
    ) -> Self {
        let (now, clock) = (Timestamp::now(), Instant::now());
        let desks = desks
            .into_iter()
            .map(|fixed| Desk {
                fixed,
                since: now,
                seq: 0,
                patch: 0,
                raw: None,
                lufs_s: None,
                tags: Vec::new(),
                heartbeat_due: clock,
                attributes_due: clock,
                open: true,
                failed: None,
            })
            .collect();
        Self { constants, desks, inference, judged, closed, fanout, usage: Usage::begin() }
    }

    /// Runs until the infer thread has ended, or it is told to close; returns the sources that failed, with their reasons.
    pub fn run(mut self) -> Vec<(Arc<str>, String)> {
        let mut stats_due = Instant::now() + STATS_EVERY;
        // What a killed predecessor left retained must not stand until audio arrives.
        for desk in &self.desks {
            self.fanout.send(Message::Availability { source: desk.fixed.name.clone(), online: false });
        }
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
                recv(self.judged) -> judged => judged,
                recv(self.closed) -> _ => break,
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
        for desk in self.desks.iter().filter(|desk| desk.open) {
            self.fanout.send(Message::Availability { source: desk.fixed.name.clone(), online: false });
        }
        self.desks.into_iter().filter_map(|desk| Some((desk.fixed.display_name, desk.failed?))).collect()
    }

    fn scored(&mut self, patch: &Patch, scores: Scores, arrived: Instant) {
        let SourceId(index) = patch.source;
        let desk = &mut self.desks[index];
        let lufs_s = patch.level.lufs_s;
        let verdict = raw(&scores.posteriors, scores.gate, lufs_s, &desk.fixed.silence);
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
            lufs_s,
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
        desk.lufs_s = Some(lufs_s);
        desk.tags = scores.tags;
        let seen =
            Observation { time: patch.span.end, posteriors: &scores.posteriors, gate: scores.gate, lufs_s };
        let changes = desk.fixed.decider.observe(seen);
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
    }

    fn noted(&mut self, index: usize, note: Note) {
        let now = Timestamp::now();
        let name = self.desks[index].fixed.name.clone();
        match note {
            Note::Arriving => {
                self.fanout.send(Message::Availability { source: name, online: true });
                let changes = self.desks[index].fixed.decider.recover();
                self.publish_changes(index, changes, now, None);
            }
            Note::Lost => {
                let changes = self.desks[index].fixed.decider.lose();
                // The event and the state go out before the availability that would hide them.
                self.publish_changes(index, changes, now, None);
                self.fanout.send(Message::Availability { source: name, online: false });
            }
            Note::Ended => {
                tracing::info!(source = &*name, "ended");
                self.close(index);
            }
            Note::Failed(reason) => {
                let changes = self.desks[index].fixed.decider.lose();
                self.publish_changes(index, changes, now, None);
                self.desks[index].failed = Some(reason);
                self.close(index);
            }
        }
    }

    fn close(&mut self, index: usize) {
        let desk = &mut self.desks[index];
        desk.open = false;
        self.fanout.send(Message::Availability { source: desk.fixed.name.clone(), online: false });
    }

    /// Publishes events in order, then the state that they led to.
    fn publish_changes(
        &mut self,
        index: usize,
        changes: Vec<Change>,
        at: Timestamp,
        mut cause: Option<Cause>,
    ) {
        if changes.is_empty() {
            return;
        }
        let desk = &mut self.desks[index];
        for change in changes {
            desk.seq += 1;
            if !matches!(change, Change::DeadAirStarted | Change::DeadAirEnded) {
                desk.since = at;
            }
            tracing::debug!(source = &*desk.fixed.name, "{change}");
            let event = payload::Event {
                run: self.constants.run.clone(),
                seq: desk.seq,
                ts: at,
                kind: event_kind(change),
            };
            self.fanout.send(Message::Event {
                source: desk.fixed.name.clone(),
                payload: Arc::new(event),
                // Of several at once, the first is timed.
                cause: cause.take(),
            });
        }
        self.publish_state(index);
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
            lufs_s: desk.lufs_s,
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
            top: top(&self.constants.labels, desk.fixed.decider.smoothed()),
            tags: top(&self.constants.tags, &desk.tags),
            title: None,
            model: self.constants.model.clone(),
            head: self.constants.head.clone(),
        };
        self.fanout
            .send(Message::Attributes { source: desk.fixed.name.clone(), payload: Arc::new(attributes) });
    }

    fn stats(&mut self) -> payload::Stats {
        let (patches, busy_ns) = (self.inference.patches.get(), self.inference.busy_ns.get());
        let sources: BTreeMap<_, _> = self
            .desks
            .iter()
            .map(|desk| {
                let counters = &desk.fixed.counters;
                let stats = payload::SourceStats {
                    state: desk.fixed.decider.verdict().state.as_str(),
                    produced: counters.produced.get(),
                    scored: counters.scored.get(),
                    dropped: counters.dropped.get(),
                    xruns: counters.xruns.get(),
                    reconnects: counters.reconnects.get(),
                    latency_ms_p50: counters.latency.quantile_ms(0.5),
                    latency_ms_p99: counters.latency.quantile_ms(0.99),
                };
                (desk.fixed.name.clone(), stats)
            })
            .collect();
        payload::Stats {
            run: self.constants.run.clone(),
            ts: Timestamp::now(),
            execution_provider: self.constants.execution_provider,
            realtime_factor: (patches > 0)
                .then(|| patches as f64 * self.constants.hop_s / (busy_ns.max(1) as f64 / 1e9)),
            rss_mb: self.usage.rss_mb(),
            cpu_cores: self.usage.cpu_cores(),
            mqtt: None,
            sources,
        }
    }
}

fn event_kind(change: Change) -> payload::EventKind {
    match change {
        Change::Genre { from, to, confidence } => payload::EventKind::GenreChanged { from, to, confidence },
        Change::DeadAirStarted => payload::EventKind::DeadAirStarted,
        Change::DeadAirEnded => payload::EventKind::DeadAirEnded,
        Change::Lost => payload::EventKind::SourceLost,
        Change::Recovered => payload::EventKind::SourceRecovered,
    }
}

/// The most likely labels, best first.
fn top(labels: &[Arc<str>], posteriors: &[f32]) -> Vec<payload::LabelP> {
    let mut ranked: Vec<_> = labels.iter().zip(posteriors).filter(|(_, p)| p.is_finite()).collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranked.into_iter().take(TOP).map(|(label, p)| payload::LabelP { label: label.clone(), p: *p }).collect()
}
