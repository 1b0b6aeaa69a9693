//! Latest state of one source.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::audio::Level;
use crate::event::{SourceAttributes, SourceHealth, SourceIdentity, SourceStats, StateSnapshot};
use crate::sink::{Message, PatchExplanation, SettingsSnapshot};

/// Length of the ribbon, in milliseconds.
const RIBBON_MS: i64 = 600_000;

/// Time between patches from which the ribbon has a gap, in milliseconds. The largest hop is 3 s.
const RIBBON_GAP_MS: i64 = 10_000;

/// Latest state of one source.
#[derive(Debug, Clone)]
pub(crate) struct SourceView {
    /// Name, as in topics.
    pub(crate) name: Arc<str>,
    /// Name and address; `None` before the first message.
    pub(crate) identity: Option<SourceIdentity>,
    /// True while audio arrives.
    pub(crate) online: bool,
    /// Published state.
    pub(crate) state: Option<Arc<StateSnapshot>>,
    /// Best labels and title.
    pub(crate) attributes: Option<Arc<SourceAttributes>>,
    /// Settings that can be changed.
    pub(crate) settings: Option<Arc<SettingsSnapshot>>,
    /// Level at the end of the newest patch.
    pub(crate) level: Option<Level>,
    /// Time of the sound at the end of the newest patch.
    pub(crate) heard_to: Option<Timestamp>,
    /// Time by which the newest patch was decided after its last sample, in seconds.
    pub(crate) behind_s: Option<f64>,
    /// Health of the input.
    pub(crate) health: SourceHealth,
    /// Reason, for people; `None` where the source is healthy.
    pub(crate) health_reason: Option<Arc<str>>,
    /// Time of the last change of the health.
    pub(crate) health_since: Timestamp,
    /// Counters, as of the last statistics.
    pub(crate) stats: Option<SourceStats>,
    /// Explanation of the newest decision, while a client watches.
    pub(crate) explanation: Option<Arc<PatchExplanation>>,
    /// Published genre over the last ten minutes.
    pub(crate) ribbon: VecDeque<RibbonPiece>,
    /// Counts changes of anything but levels and explanations.
    pub(crate) state_version: u64,
    /// Counts patches.
    pub(crate) level_version: u64,
    /// Counts explanations.
    pub(crate) explanation_version: u64,
}

/// Time with one published genre.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RibbonPiece {
    /// Start, in milliseconds since the Unix epoch.
    pub(crate) start_ms: i64,
    /// End, in milliseconds since the Unix epoch.
    pub(crate) end_ms: i64,
    /// Label, or the name of a state.
    pub(crate) genre: Arc<str>,
}

impl SourceView {
    pub(super) fn new(name: Arc<str>, now: Timestamp) -> Self {
        Self {
            name,
            identity: None,
            online: false,
            state: None,
            attributes: None,
            settings: None,
            level: None,
            heard_to: None,
            behind_s: None,
            health: SourceHealth::Starting,
            health_reason: None,
            health_since: now,
            stats: None,
            explanation: None,
            ribbon: VecDeque::new(),
            // Clients begin at 0, and receive every source once.
            state_version: 1,
            level_version: 0,
            explanation_version: 0,
        }
    }

    /// Takes in a message about this source.
    pub(super) fn take(&mut self, message: &Message) {
        match message {
            Message::State { state, .. } => {
                self.extend_ribbon(state);
                self.state = Some(state.clone());
            }
            Message::Availability { online, .. } if self.online == *online => return,
            Message::Availability { online, .. } => self.online = *online,
            Message::Attributes { attributes, .. } => self.attributes = Some(attributes.clone()),
            Message::Settings { settings, .. } => self.settings = Some(settings.clone()),
            Message::Health { health, reason, .. } => {
                self.set_health(*health, reason.clone(), Timestamp::now());
            }
            Message::Window { window, .. } => {
                self.level = Some(window.level);
                self.heard_to = Some(window.at);
                self.behind_s = Some(Timestamp::now().duration_since(window.at).as_secs_f64().max(0.0));
                self.level_version += 1;
                self.heard(window.at.as_millisecond());
                return;
            }
            Message::Explanation { explanation, .. } => {
                self.explanation = Some(explanation.clone());
                self.explanation_version += 1;
                return;
            }
            _ => return,
        }
        self.state_version += 1;
    }

    /// Takes in counters. The health may differ from the last message about it: an overload shows
    /// in counters alone.
    pub(super) fn set_stats(&mut self, stats: &SourceStats, at: Timestamp) {
        self.set_health(stats.health, stats.health_reason.clone(), at);
        self.stats = Some(stats.clone());
        self.state_version += 1;
    }

    fn set_health(&mut self, health: SourceHealth, reason: Option<Arc<str>>, at: Timestamp) {
        if health != self.health {
            self.health_since = at;
        }
        (self.health, self.health_reason) = (health, reason);
    }

    /// Ends the present piece where the genre changes.
    fn extend_ribbon(&mut self, state: &StateSnapshot) {
        let genre = &state.published.genre;
        if self.ribbon.back().is_some_and(|piece| piece.genre == *genre) {
            return;
        }
        let since = state.since.as_millisecond();
        if let Some(last) = self.ribbon.back_mut() {
            last.end_ms = last.end_ms.min(since).max(last.start_ms);
        }
        self.ribbon.push_back(RibbonPiece { start_ms: since, end_ms: since, genre: genre.clone() });
    }

    /// Extends the present piece to the end of a patch.
    fn heard(&mut self, to_ms: i64) {
        let Some(last) = self.ribbon.back_mut() else { return };
        if to_ms - last.end_ms > RIBBON_GAP_MS && last.end_ms > last.start_ms {
            let genre = last.genre.clone();
            self.ribbon.push_back(RibbonPiece { start_ms: to_ms, end_ms: to_ms, genre });
        } else {
            last.end_ms = last.end_ms.max(to_ms);
        }
        while self.ribbon.front().is_some_and(|first| first.end_ms < to_ms - RIBBON_MS) {
            self.ribbon.pop_front();
        }
    }
}
