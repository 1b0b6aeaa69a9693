//! Rules of admission. Pure: times and measurements are passed in.

use std::collections::VecDeque;
use std::time::Duration;

/// Length of turns while not all sources fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    /// Longest wait of a source, in seconds, unless turns would become too short.
    pub(crate) wait_s: f64,
    /// Shortest turn, in seconds: long against the 3.7 s of audio before the first patch of a turn.
    pub(crate) shortest_s: f64,
    /// Longest turn, in seconds.
    pub(crate) longest_s: f64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { wait_s: 12.0, shortest_s: 18.0, longest_s: 30.0 }
    }
}

impl Turns {
    /// Length of a turn, in seconds, for `active` active and `waiting` waiting sources.
    fn length_s(&self, active: usize, waiting: usize) -> f64 {
        (self.wait_s * active as f64 / waiting.max(1) as f64).clamp(self.shortest_s, self.longest_s)
    }
}

/// Time after its last query at which a source counts as absent.
const ABSENT_AFTER: Duration = Duration::from_secs(3);

/// Delay before inference, or lag of a source behind the clock, that counts as overload if it
/// lasts.
pub(super) const LATE: Duration = Duration::from_millis(600);

/// Consecutive late periods that make an overload; one alone is a burst, as at the start.
const LATE_PERIODS: u32 = 2;

/// Delay and lag below which there is room for more.
const PROMPT: Duration = Duration::from_millis(300);

/// Share of the time with waiting workers that counts as overload if it lasts.
const SATURATED: f64 = 0.985;

/// Consecutive saturated periods that make an overload without known lateness.
const SATURATED_PERIODS: u32 = 5;

/// Share of the measured throughput that is admitted after an overload.
pub(super) const MARGIN: f64 = 0.97;

/// Growth of the limit per period, as a share of the time without waiting workers: that time is
/// capacity left over.
const GROWTH: f64 = 0.4;

/// Number of recent periods whose highest work is taken as the capacity; one period alone is too
/// low while inference catches up or turns begin.
const RECENT_PERIODS: usize = 5;

/// Largest growth of the limit per period.
const MAX_GROWTH: f64 = 0.08;

/// Share of the time with waiting workers below which lateness comes from inference alone.
const INFERENCE_BOUND: f64 = 0.5;

/// Cost of analysing a second of audio, as a share of the cost of analysing and scoring it. With
/// the streamed trunk on CPUs, a profile at capacity gives the source workers two thirds of the
/// time and inference one third.
const ANALYSIS_SHARE: f64 = 2.0 / 3.0;

/// Periods after a reduction without a further one, until it takes effect.
const SETTLING: u32 = 3;

/// Measurements of one period.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    /// Length of the period, in seconds.
    pub(crate) seconds: f64,
    /// Share of the period in which at least one worker waited for a compute permit, 0 to 1.
    pub(crate) contended: f64,
    /// Audio of live sources that was analysed, in seconds.
    pub(crate) analysed_s: f64,
    /// Patches that were scored, in seconds of their hop.
    pub(crate) scored_s: f64,
    /// Longest time from the audio that a patch needs to its inference.
    pub(crate) delay: Duration,
    /// Longest lag of a source behind its clock.
    pub(crate) lag: Duration,
}

/// State of admission while not all live sources fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Overload {
    /// Live sources that deliver audio.
    pub(crate) sources: usize,
    /// Number of them that could be analysed without a pause.
    pub(crate) fit: usize,
}

/// State of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberState {
    /// The source delivers no audio.
    Absent,
    Waiting,
    Active,
}

#[derive(Debug)]
struct Member {
    state: MemberState,
    /// Time of its last query.
    last_query: Duration,
    /// Start of its turn, where it is active.
    since: Duration,
}

/// Controller; times are counted from the start.
#[derive(Debug)]
pub(crate) struct Controller {
    turns: Turns,
    members: Vec<Member>,
    /// Active sources, longest first.
    active: VecDeque<usize>,
    /// Waiting sources, longest first.
    waiting: VecDeque<usize>,
    /// Most active sources; none while all fit.
    pub(super) limit: Option<f64>,
    /// Number of due rotations, with its fraction.
    due_rotations: f64,
    /// Time of the last query, up to which `due_rotations` is counted.
    now: Duration,
    /// Consecutive saturated periods.
    saturated: u32,
    /// Consecutive late periods.
    late: u32,
    /// Periods since the last reduction.
    since_reduction: u32,
    /// Smoothed audio that is analysed, in seconds per second.
    analysed: f64,
    /// Work of the last periods, in sources analysed and scored completely.
    recent: VecDeque<f64>,
}

impl Controller {
    /// Controller of `sources` sources, which are absent so far.
    pub(crate) fn new(sources: usize, turns: Turns) -> Self {
        let absent =
            || Member { state: MemberState::Absent, last_query: Duration::ZERO, since: Duration::ZERO };
        Self {
            turns,
            members: (0..sources).map(|_| absent()).collect(),
            active: VecDeque::new(),
            waiting: VecDeque::new(),
            limit: None,
            due_rotations: 0.0,
            now: Duration::ZERO,
            saturated: 0,
            late: 0,
            since_reduction: SETTLING + 1,
            analysed: 0.0,
            recent: VecDeque::with_capacity(RECENT_PERIODS + 1),
        }
    }

    /// Returns true if a source that has audio is to be analysed now.
    pub(crate) fn admits(&mut self, source: usize, now: Duration) -> bool {
        self.rotate(now);
        let Some(member) = self.members.get_mut(source) else { return true };
        member.last_query = now;
        if member.state == MemberState::Absent {
            member.state = MemberState::Waiting;
            self.waiting.push_back(source);
            self.fill(now);
        }
        self.members[source].state == MemberState::Active
    }

    /// Adjusts the limit to the measurements of the last period.
    pub(crate) fn adjust(&mut self, load: &Load, now: Duration) {
        self.forget_absent(now);
        let (analysed, scored) = (load.analysed_s / load.seconds, load.scored_s / load.seconds);
        self.analysed = if self.analysed == 0.0 { analysed } else { 0.7 * self.analysed + 0.3 * analysed };
        self.recent.push_back(ANALYSIS_SHARE * analysed + (1.0 - ANALYSIS_SHARE) * scored);
        if self.recent.len() > RECENT_PERIODS {
            self.recent.pop_front();
        }
        // Where the lag of sources is known, saturation alone is full use and no overload.
        let is_saturated = load.contended >= SATURATED && load.lag.is_zero();
        self.saturated = if is_saturated { self.saturated + 1 } else { 0 };
        self.since_reduction = self.since_reduction.saturating_add(1);
        let is_late = load.delay >= LATE || load.lag >= LATE;
        self.late = if is_late { self.late + 1 } else { 0 };
        let is_overloaded = self.late >= LATE_PERIODS || self.saturated >= SATURATED_PERIODS;
        if is_overloaded && self.since_reduction > SETTLING {
            // Where the workers do not wait for cores, inference is the bottleneck.
            let processed = match load.contended < INFERENCE_BOUND {
                true => scored,
                false => self.recent.iter().copied().fold(0.0, f64::max),
            };
            let limit = self.limit.unwrap_or(f64::INFINITY).min(self.active.len() as f64);
            self.limit = Some((limit.min(processed) * MARGIN).max(1.0));
            (self.since_reduction, self.saturated, self.late) = (0, 0, 0);
            self.shrink(now);
            return;
        }
        let has_room = load.contended < SATURATED && load.delay < PROMPT && load.lag < PROMPT;
        if let Some(limit) = self.limit.as_mut().filter(|_| has_room) {
            *limit += (*limit * (GROWTH * (1.0 - load.contended)).min(MAX_GROWTH)).max(1.0);
            if *limit >= (self.active.len() + self.waiting.len()) as f64 {
                self.limit = None;
            }
            self.fill(now);
        }
    }

    /// Returns the state of an overload; nothing while all sources fit.
    pub(crate) fn overload(&self) -> Option<Overload> {
        let limit = self.limit?;
        let sources = self.active.len() + self.waiting.len();
        let fit = if self.analysed > 0.0 { self.analysed.round().min(limit) } else { limit };
        (!self.waiting.is_empty()).then_some(Overload { sources, fit: (fit as usize).min(sources) })
    }

    /// Replaces the longest active sources by waiting ones, as many as are due.
    fn rotate(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        if self.limit.is_none() || self.waiting.is_empty() {
            self.due_rotations = 0.0;
            return;
        }
        let turn_s = self.turns.length_s(self.active.len(), self.waiting.len());
        self.due_rotations += self.active.len() as f64 * passed.as_secs_f64() / turn_s;
        while self.due_rotations >= 1.0 {
            self.due_rotations -= 1.0;
            let Some(&source) = self.active.front() else { return };
            if now.saturating_sub(self.members[source].since).as_secs_f64() < turn_s / 2.0 {
                self.due_rotations = self.due_rotations.min(1.0);
                return;
            }
            self.active.pop_front();
            self.members[source].state = MemberState::Waiting;
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
            (member.state, member.since) = (MemberState::Active, now);
            self.active.push_back(source);
        }
    }

    /// Returns the newest active sources, which have done the least work, to the waiting ones.
    fn shrink(&mut self, now: Duration) {
        let most = self.limit.map_or(usize::MAX, |limit| limit as usize);
        while self.active.len() > most
            && let Some(source) = self.active.pop_back()
        {
            self.members[source].state = MemberState::Waiting;
            self.waiting.push_front(source);
        }
        self.now = now;
    }

    fn forget_absent(&mut self, now: Duration) {
        let members = &mut self.members;
        let mut stays = |source: &usize| {
            let member = &mut members[*source];
            if now.saturating_sub(member.last_query) > ABSENT_AFTER {
                member.state = MemberState::Absent;
            }
            member.state != MemberState::Absent
        };
        self.active.retain(&mut stays);
        self.waiting.retain(&mut stays);
        self.fill(now);
    }
}
