//! The rules of admission. Pure: times and measurements are passed in.

use std::collections::VecDeque;
use std::time::Duration;

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

/// A source that has not asked for this long is gone, or brings no audio.
const ABSENT_AFTER: Duration = Duration::from_secs(3);

/// Delay before inference, or lag of a source behind the clock, that counts as overload.
pub(super) const LATE: Duration = Duration::from_millis(800);

/// Delay and lag below which there is room for more.
const PROMPT: Duration = Duration::from_millis(300);

/// Share of the time with waiting workers that counts as overload if it lasts.
const SATURATED: f64 = 0.985;

/// Saturated periods in a row after which there is an overload even though nothing is known to be late.
const SATURATED_PERIODS: u32 = 5;

/// Share of the time with waiting workers below which there is room for more.
const ROOM: f64 = 0.90;

/// Share of the measured throughput that is admitted after an overload.
pub(super) const MARGIN: f64 = 0.97;

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
    pub(super) limit: Option<f64>,
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
