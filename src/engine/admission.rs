//! Admission control: which live sources are analysed while the machine cannot keep up with all of them.
//!
//! Work that will be dropped must not be done first. Beyond capacity, only as many live sources as fit are *active*
//! (decoded, analysed and scored); the others skip their audio without decoding it. Active and waiting sources change
//! places in turn (round-robin). A source needs several seconds of audio before its first patch, so that short turns
//! waste work and long ones keep the others waiting: see [`Turns`].
//!
//! The number of active sources follows from measurements: it falls to what was processed in the last period when
//! work piles up, and grows slowly while there is room (additive increase, multiplicative decrease).
//!
//! [`Admission`] is shared by all workers; [`Controller`] holds the rules and knows no clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::audio::SourceId;
use crate::permits;
use crate::stats::InferenceCounters;

/// Length of turns while not all sources fit.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// Time that a source should wait at most, in seconds, as long as turns are not too short by it.
    pub wait_s: f64,
    /// Shortest turn, in seconds: long against the 3.7 s of audio before the first patch of a turn.
    pub shortest_s: f64,
    /// Longest turn, in seconds.
    pub longest_s: f64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { wait_s: 12.0, shortest_s: 12.0, longest_s: 30.0 }
    }
}

impl Turns {
    /// Length of a turn, in seconds, where so many sources are active and so many wait.
    fn length_s(&self, active: usize, waiting: usize) -> f64 {
        (self.wait_s * active as f64 / waiting.max(1) as f64).clamp(self.shortest_s, self.longest_s)
    }
}

/// Time between two adjustments of the limit.
const PERIOD: Duration = Duration::from_secs(1);

/// A source that has not asked for this long is gone, or brings no audio.
const ABSENT_AFTER: Duration = Duration::from_secs(3);

/// Delay before inference, or lag of a source behind the clock, that counts as overload.
const LATE: Duration = Duration::from_millis(800);

/// Delay and lag below which there is room for more.
const PROMPT: Duration = Duration::from_millis(300);

/// Share of the time with waiting workers that counts as overload if it lasts.
const SATURATED: f64 = 0.985;

/// Saturated periods in a row after which there is an overload even though nothing is known to be late.
const SATURATED_PERIODS: u32 = 5;

/// Share of the time with waiting workers below which there is room for more.
const ROOM: f64 = 0.90;

/// Share of the measured throughput that is admitted after an overload.
const MARGIN: f64 = 0.97;

/// Growth of the limit per period where there is little room, and where there is much.
const GROWTH: (f64, f64) = (0.02, 0.08);

/// Periods after a reduction in which it takes effect, and no further one follows.
const SETTLING: u32 = 3;

/// Measurements of one period.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Length of the period, in seconds.
    pub seconds: f64,
    /// Share of the period in which at least one worker waited for a compute permit, 0 to 1.
    pub contended: f64,
    /// Audio of live sources that was analysed, in seconds.
    pub analysed_s: f64,
    /// Patches that were scored, in seconds of their hop.
    pub scored_s: f64,
    /// Longest time from the audio that a patch needs to its inference.
    pub delay: Duration,
    /// Longest lag of a source behind its clock.
    pub lag: Duration,
}

/// Time for which an overload lasts before it is reported: its size is known by then.
const TELL_AFTER: Duration = Duration::from_secs(10);

/// Time between two reports of an overload that goes on.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// State of admission while not all live sources fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overload {
    /// Live sources that bring audio.
    pub sources: usize,
    /// Of them, those that could be analysed without a pause, by the patches scored.
    pub fit: usize,
}

/// Place of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It brings no audio.
    Absent,
    Waiting,
    Active,
}

#[derive(Debug)]
struct Member {
    place: Place,
    /// Time of its last question.
    asked: Duration,
    /// Start of its turn, where it is active.
    since: Duration,
}

/// The rules, in time since the start.
#[derive(Debug)]
pub struct Controller {
    turns: Turns,
    members: Vec<Member>,
    /// Active sources, longest first.
    active: VecDeque<usize>,
    /// Waiting sources, longest first.
    waiting: VecDeque<usize>,
    /// Most active sources; none while all fit.
    limit: Option<f64>,
    /// Changes of place that are due, as a fraction.
    changes: f64,
    /// Time of the last question, up to which `changes` has grown.
    now: Duration,
    /// Periods in a row that were saturated.
    saturated: u32,
    /// Periods since the last reduction.
    since_reduction: u32,
    /// Smoothed audio that is analysed, in seconds per second.
    analysed: f64,
    /// Smoothed patches that are scored, in seconds of their hop per second.
    throughput: f64,
}

impl Controller {
    /// Creates the state for `sources` sources, all absent, with turns of these lengths.
    pub fn new(sources: usize, turns: Turns) -> Self {
        let absent = || Member { place: Place::Absent, asked: Duration::ZERO, since: Duration::ZERO };
        Self {
            turns,
            members: (0..sources).map(|_| absent()).collect(),
            active: VecDeque::new(),
            waiting: VecDeque::new(),
            limit: None,
            changes: 0.0,
            now: Duration::ZERO,
            saturated: 0,
            since_reduction: SETTLING + 1,
            analysed: 0.0,
            throughput: 0.0,
        }
    }

    /// Answers a source that has audio: true if it is to be analysed now.
    pub fn admits(&mut self, source: usize, now: Duration) -> bool {
        self.rotate(now);
        let Some(member) = self.members.get_mut(source) else { return true };
        member.asked = now;
        if member.place == Place::Absent {
            member.place = Place::Waiting;
            self.waiting.push_back(source);
            self.fill(now);
        }
        self.members[source].place == Place::Active
    }

    /// Adjusts the limit to the measurements of the last period.
    pub fn adjust(&mut self, load: &Load, now: Duration) {
        self.forget_absent(now);
        let scored = load.scored_s / load.seconds;
        self.throughput = if self.throughput == 0.0 { scored } else { 0.7 * self.throughput + 0.3 * scored };
        self.saturated = if load.contended >= SATURATED { self.saturated + 1 } else { 0 };
        self.since_reduction = self.since_reduction.saturating_add(1);
        let analysed = load.analysed_s / load.seconds;
        self.analysed = if self.analysed == 0.0 { analysed } else { 0.5 * (self.analysed + analysed) };
        let late = load.delay >= LATE || load.lag >= LATE || self.saturated >= SATURATED_PERIODS;
        if late && self.since_reduction > SETTLING {
            // What inference cannot take is not worth analysing.
            let processed =
                if load.delay >= LATE && scored > 0.0 { self.analysed.min(scored) } else { self.analysed };
            let limit = self.limit.unwrap_or(f64::INFINITY).min(self.active.len() as f64);
            self.limit = Some((limit.min(processed) * MARGIN).max(1.0));
            (self.since_reduction, self.saturated) = (0, 0);
            self.shrink(now);
            return;
        }
        let has_room = load.contended < ROOM && load.delay < PROMPT && load.lag < PROMPT;
        if let Some(limit) = self.limit.as_mut().filter(|_| has_room) {
            let growth = if load.contended < ROOM / 2.0 { GROWTH.1 } else { GROWTH.0 };
            *limit += (*limit * growth).max(1.0);
            if *limit >= (self.active.len() + self.waiting.len()) as f64 {
                self.limit = None;
            }
            self.fill(now);
        }
    }

    /// Returns the state of an overload; nothing while all sources fit.
    pub fn overload(&self) -> Option<Overload> {
        let limit = self.limit?;
        let sources = self.active.len() + self.waiting.len();
        let fit = if self.throughput > 0.0 { self.throughput.round() } else { limit };
        (!self.waiting.is_empty()).then_some(Overload { sources, fit: (fit as usize).min(sources) })
    }

    /// Lets waiting sources change places with the longest active ones, as many as are due.
    fn rotate(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        if self.limit.is_none() || self.waiting.is_empty() {
            self.changes = 0.0;
            return;
        }
        let turn_s = self.turns.length_s(self.active.len(), self.waiting.len());
        self.changes += self.active.len() as f64 * passed.as_secs_f64() / turn_s;
        while self.changes >= 1.0 {
            self.changes -= 1.0;
            let Some(&source) = self.active.front() else { return };
            if now.saturating_sub(self.members[source].since).as_secs_f64() < turn_s / 2.0 {
                self.changes = self.changes.min(1.0);
                return;
            }
            self.active.pop_front();
            self.members[source].place = Place::Waiting;
            self.waiting.push_back(source);
            self.fill(now);
        }
    }

    /// Activates waiting sources up to the limit.
    fn fill(&mut self, now: Duration) {
        let most = self.limit.map_or(usize::MAX, |limit| limit as usize);
        while self.active.len() < most
            && let Some(source) = self.waiting.pop_front()
        {
            let member = &mut self.members[source];
            (member.place, member.since) = (Place::Active, now);
            self.active.push_back(source);
        }
    }

    /// Sends the newest active sources, which have the least to lose, back to where they came from.
    fn shrink(&mut self, now: Duration) {
        let most = self.limit.map_or(usize::MAX, |limit| limit as usize);
        while self.active.len() > most
            && let Some(source) = self.active.pop_back()
        {
            self.members[source].place = Place::Waiting;
            self.waiting.push_front(source);
        }
        self.now = now;
    }

    fn forget_absent(&mut self, now: Duration) {
        let members = &mut self.members;
        let mut stays = |source: &usize| {
            let member = &mut members[*source];
            if now.saturating_sub(member.asked) > ABSENT_AFTER {
                member.place = Place::Absent;
            }
            member.place != Place::Absent
        };
        self.active.retain(&mut stays);
        self.waiting.retain(&mut stays);
        self.fill(now);
    }
}

/// Tells people of an overload: once it has lasted, then seldom, and when it is over.
#[derive(Debug, Default)]
struct Reporter {
    /// Start of the present overload.
    since: Option<Duration>,
    /// Time of the last message about an overload that is not over.
    told: Option<Duration>,
}

impl Reporter {
    /// Message for the state at `now`, where there is something new to tell.
    fn message(&mut self, overload: Option<Overload>, now: Duration) -> Option<String> {
        let Some(Overload { sources, fit }) = overload else {
            self.since = None;
            return self
                .told
                .take()
                .map(|_| "all live sources are analysed without a pause again".to_owned());
        };
        let since = *self.since.get_or_insert(now);
        let due = match self.told {
            None => now.saturating_sub(since) >= TELL_AFTER,
            Some(told) => now.saturating_sub(told) >= TELL_EVERY,
        };
        due.then(|| {
            self.told = Some(now);
            format!(
                "beyond capacity: of {sources} live sources about {fit} fit; they take turns, and loudness and dead \
                 air are measured only in their turns; use fewer sources, a longer `hop` or another machine"
            )
        })
    }
}

/// Admission control as the workers share it.
#[derive(Debug)]
pub struct Admission {
    start: Instant,
    hop: f64,
    inference: Arc<InferenceCounters>,
    /// Audio analysed since the start, in microseconds.
    analysed_us: AtomicU64,
    /// Longest lag in the present period, in microseconds.
    lag_us: AtomicU64,
    state: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    controller: Controller,
    /// Time of the last adjustment, and the counts at that time.
    adjusted: Duration,
    analysed_us: u64,
    scored: u64,
    reporter: Reporter,
}

impl Admission {
    /// Creates the admission control of `sources` sources whose patches are `hop` seconds apart.
    pub fn new(sources: usize, hop: f64, inference: Arc<InferenceCounters>) -> Self {
        Self::with_turns(sources, hop, inference, Turns::default())
    }

    /// The same with turns of other lengths.
    pub fn with_turns(sources: usize, hop: f64, inference: Arc<InferenceCounters>, turns: Turns) -> Self {
        Self {
            start: Instant::now(),
            hop,
            inference,
            analysed_us: AtomicU64::new(0),
            lag_us: AtomicU64::new(0),
            state: Mutex::new(Shared {
                controller: Controller::new(sources, turns),
                adjusted: Duration::ZERO,
                analysed_us: 0,
                scored: 0,
                reporter: Reporter::default(),
            }),
        }
    }

    /// Answers a live source that has audio, or waits for some: true if it is to be analysed now.
    pub fn admits(&self, SourceId(source): SourceId) -> bool {
        let now = self.start.elapsed();
        let mut shared = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(shared.adjusted) >= PERIOD {
            self.adjust(&mut shared, now);
        }
        shared.controller.admits(source, now)
    }

    /// Counts audio that a live source has had analysed, and that source's lag behind its clock.
    pub fn count(&self, analysed: Duration, lag: Duration) {
        self.analysed_us.fetch_add(analysed.as_micros() as u64, Ordering::Relaxed);
        self.lag_us.fetch_max(lag.as_micros() as u64, Ordering::Relaxed);
    }

    /// Returns the state of an overload; nothing while all sources fit.
    pub fn overload(&self) -> Option<Overload> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).controller.overload()
    }

    fn adjust(&self, shared: &mut Shared, now: Duration) {
        let seconds = now.saturating_sub(shared.adjusted).as_secs_f64();
        let (analysed_us, scored) = (self.analysed_us.load(Ordering::Relaxed), self.inference.patches.get());
        let load = Load {
            seconds,
            contended: permits::take_contended().as_secs_f64() / seconds,
            analysed_s: (analysed_us - shared.analysed_us) as f64 / 1e6,
            scored_s: (scored - shared.scored) as f64 * self.hop,
            delay: Duration::from_nanos(self.inference.delay_ns.take()),
            lag: Duration::from_micros(self.lag_us.swap(0, Ordering::Relaxed)),
        };
        (shared.adjusted, shared.analysed_us, shared.scored) = (now, analysed_us, scored);
        shared.controller.adjust(&load, now);
        tracing::debug!(?load, limit = shared.controller.limit, "admission");
        self.report(shared, now);
    }

    fn report(&self, shared: &mut Shared, now: Duration) {
        let overload = shared.controller.overload();
        match (shared.reporter.message(overload, now), overload) {
            (Some(message), Some(_)) => tracing::warn!("{message}"),
            (Some(message), None) => tracing::info!("{message}"),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
