//! Layer 1: present status of the daemon, which any thread may read.
//!
//! The threads of the pipeline update it. Metrics, `/health`, `/ready` and the systemd watchdog
//! read it; [`liveness`] and [`readiness`] judge it.

mod liveness;
mod readiness;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::audio::Level;
use crate::counters::{InferenceCounters, LogCounters, Moment, MqttCounters, SourceCounters};
use crate::event::{EventType, NamedVerdict, SourceHealth, SourceState};

pub(crate) use liveness::Liveness;
pub(crate) use readiness::{ComponentReadiness, Readiness, SourceReadiness};

/// Present status of the daemon.
#[derive(Debug)]
pub(crate) struct DaemonStatus {
    /// Bundle name; the bundle is verified.
    pub(crate) model: Arc<str>,
    /// The sources, in the order of the configuration.
    pub(crate) sources: Vec<Arc<SourceStatus>>,
    /// Counters of inference.
    pub(crate) inference: Arc<InferenceCounters>,
    /// Start of the work in progress of the director; clear while it waits.
    pub(crate) deciding: Moment,
    /// Counters of the MQTT connection; `None` if MQTT is disabled.
    pub(crate) mqtt: Option<Arc<MqttCounters>>,
    /// Counters of the as-run log; `None` if it is disabled.
    pub(crate) log: Option<Arc<LogCounters>>,
}

/// Present status of a source.
#[derive(Debug)]
pub(crate) struct SourceStatus {
    /// Name, as in topics.
    pub(crate) name: Arc<str>,
    /// True if the daemon is ready only while this source is on air.
    pub(crate) required: bool,
    /// True for a source that delivers audio in real time.
    pub(crate) is_live: bool,
    /// Counters of the source.
    pub(crate) counters: Arc<SourceCounters>,
    condition: Mutex<SourceCondition>,
}

impl SourceStatus {
    /// Status of a source from which no audio has arrived yet.
    pub(crate) fn new(name: Arc<str>, required: bool, is_live: bool) -> Self {
        Self {
            name,
            required,
            is_live,
            counters: Arc::default(),
            condition: Mutex::new(SourceCondition::default()),
        }
    }

    /// Present condition.
    pub(crate) fn condition(&self) -> SourceCondition {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the condition.
    pub(crate) fn update(&self, change: impl FnOnce(&mut SourceCondition)) {
        change(&mut self.condition.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Condition of a source, as the director knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceCondition {
    /// True while audio arrives and the source is not paused.
    pub(crate) online: bool,
    /// True while analysis is paused by a command.
    pub(crate) paused: bool,
    /// True once the source has ended or failed for good.
    pub(crate) ended: bool,
    /// Health of the input.
    pub(crate) health: SourceHealth,
    /// Reason for the health, for people.
    pub(crate) health_reason: Option<Arc<str>>,
    /// Time since which the source has had this health.
    pub(crate) health_since: Timestamp,
    /// Published verdict.
    pub(crate) verdict: NamedVerdict,
    /// Level at the end of the newest patch.
    pub(crate) level: Option<Level>,
    /// Problems that are raised, in the order of [`Problem::ALL`].
    problems: [bool; Problem::ALL.len()],
}

impl Default for SourceCondition {
    fn default() -> Self {
        Self {
            online: false,
            paused: false,
            ended: false,
            health: SourceHealth::Starting,
            health_reason: None,
            health_since: Timestamp::now(),
            verdict: NamedVerdict::of_state(SourceState::Uncertain),
            level: None,
            problems: [false; Problem::ALL.len()],
        }
    }
}

impl SourceCondition {
    /// Sets health and reason. The time since which it lasts changes only with the health.
    pub(crate) fn set_health(&mut self, health: SourceHealth, reason: Option<Arc<str>>, now: Timestamp) {
        if self.health != health {
            self.health_since = now;
        }
        (self.health, self.health_reason) = (health, reason);
    }

    /// Follows an event of the source.
    pub(crate) fn on_event(&mut self, event: EventType) {
        for (raised, problem) in self.problems.iter_mut().zip(Problem::ALL) {
            let (start, end) = problem.events();
            if event == start || event == end {
                *raised = event == start;
            }
        }
    }

    /// All problems; true where a problem is raised.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (Problem, bool)> {
        Problem::ALL.into_iter().zip(self.problems)
    }
}

/// Problem with the programme or the signal of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Silence, a loop or a test tone.
    DeadAir,
    /// Music outside the declared format.
    OffFormat,
    /// More talk than permitted.
    TalkLimit,
    /// A channel is missing.
    Imbalance,
    /// The stream is slower than real time.
    StreamSlow,
}

impl Problem {
    /// All problems.
    pub(crate) const ALL: [Self; 5] =
        [Self::DeadAir, Self::OffFormat, Self::TalkLimit, Self::Imbalance, Self::StreamSlow];

    /// Published name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DeadAir => "dead_air",
            Self::OffFormat => "off_format",
            Self::TalkLimit => "talk_limit",
            Self::Imbalance => "imbalance",
            Self::StreamSlow => "stream_slow",
        }
    }

    /// Events that raise and clear the problem.
    const fn events(self) -> (EventType, EventType) {
        match self {
            Self::DeadAir => (EventType::DeadAirStarted, EventType::DeadAirEnded),
            Self::OffFormat => (EventType::OffFormatStarted, EventType::OffFormatEnded),
            Self::TalkLimit => (EventType::TalkLimitStarted, EventType::TalkLimitEnded),
            Self::Imbalance => (EventType::ImbalanceStarted, EventType::ImbalanceEnded),
            Self::StreamSlow => (EventType::StreamSlowStarted, EventType::StreamSlowEnded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_follow_events() {
        let mut condition = SourceCondition::default();
        let raised = |condition: &SourceCondition| {
            let raised = condition.problems().filter(|(_, raised)| *raised);
            raised.map(|(problem, _)| problem).collect::<Vec<_>>()
        };
        for event in [EventType::DeadAirStarted, EventType::OffFormatStarted, EventType::GenreChanged] {
            condition.on_event(event);
        }
        assert_eq!(raised(&condition), [Problem::DeadAir, Problem::OffFormat]);
        condition.on_event(EventType::DeadAirEnded);
        assert_eq!(raised(&condition), [Problem::OffFormat]);
    }

    #[test]
    fn every_problem_has_the_name_of_its_events() {
        for problem in Problem::ALL {
            let (start, end) = problem.events();
            assert_eq!(start.as_str(), format!("{}_started", problem.as_str()));
            assert_eq!(end.as_str(), format!("{}_ended", problem.as_str()));
        }
    }

    #[test]
    fn the_time_of_a_health_is_that_of_its_start() {
        let mut condition = SourceCondition::default();
        let (first, second) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        condition.set_health(SourceHealth::Stalled, Some("no sound for 5 s".into()), first);
        condition.set_health(SourceHealth::Stalled, Some("no sound for 9 s".into()), second);
        assert_eq!(condition.health_since, first);
        assert_eq!(condition.health_reason.as_deref(), Some("no sound for 9 s"));
        condition.set_health(SourceHealth::Healthy, None, second);
        assert_eq!(condition.health_since, second);
    }
}
