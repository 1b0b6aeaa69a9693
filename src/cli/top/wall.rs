//! State of the wall.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::Value;

use super::client::WallMessage;

/// Events that are kept.
const MAX_EVENTS: usize = 50;

/// Order of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WallOrder {
    /// Those with problems first.
    Problems,
    /// By name.
    Name,
}

/// Condition of a source, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// No audio.
    Failed,
    /// Audio with a problem: dead air, slow, or overloaded.
    Impaired,
    /// Not yet known.
    Starting,
    /// Audio arrives.
    Healthy,
}

/// One source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WallRow {
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) condition: Condition,
    /// Health, or the cause of a problem, in words.
    pub(super) health: String,
    /// Label, or the name of a state.
    pub(super) genre: String,
    pub(super) confidence: Option<f64>,
    pub(super) since: Option<Timestamp>,
    pub(super) title: String,
    /// Momentary loudness in LUFS.
    pub(super) lufs_m: Option<f64>,
}

/// State of the wall.
#[derive(Debug)]
pub(super) struct Wall {
    rows: Vec<WallRow>,
    /// Newest last.
    pub(super) events: VecDeque<Value>,
    pub(super) order: WallOrder,
    /// First row on the screen.
    pub(super) offset: usize,
    /// Reason for which the connection is lost.
    pub(super) lost: Option<String>,
}

impl Wall {
    /// Wall of these sources.
    pub(super) fn new(sources: Vec<Value>) -> Self {
        let rows = sources.iter().map(WallRow::new).collect();
        Self { rows, events: VecDeque::new(), order: WallOrder::Problems, offset: 0, lost: None }
    }

    /// Number of sources.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes in a message.
    pub(super) fn take(&mut self, message: WallMessage) {
        match message {
            WallMessage::Connected => self.lost = None,
            WallMessage::Lost(reason) => self.lost = Some(reason),
            WallMessage::State(source) => {
                let row = WallRow::new(&source);
                match self.rows.iter_mut().find(|known| known.name == row.name) {
                    Some(known) => *known = WallRow { lufs_m: row.lufs_m.or(known.lufs_m), ..row },
                    None => self.rows.push(row),
                }
            }
            WallMessage::Levels(levels) => {
                let Some(levels) = levels["levels"].as_object() else { return };
                for row in &mut self.rows {
                    if let Some(level) = levels.get(&row.name) {
                        row.lufs_m = level[0].as_f64();
                    }
                }
            }
            WallMessage::Event(event) => {
                if self.events.len() == MAX_EVENTS {
                    self.events.pop_front();
                }
                self.events.push_back(event);
            }
        }
    }

    /// Sources in the present order.
    pub(super) fn sorted(&self) -> Vec<&WallRow> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        match self.order {
            WallOrder::Problems => rows.sort_by(|a, b| (a.condition, &a.name).cmp(&(b.condition, &b.name))),
            WallOrder::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        rows
    }

    /// Scrolls by a number of rows; the first and the last row stay on the screen.
    pub(super) fn scroll(&mut self, rows: isize) {
        self.offset = self.offset.saturating_add_signed(rows).min(self.rows.len().saturating_sub(1));
    }

    /// Changes to the other order.
    pub(super) fn change_order(&mut self) {
        self.order = match self.order {
            WallOrder::Problems => WallOrder::Name,
            WallOrder::Name => WallOrder::Problems,
        };
        self.offset = 0;
    }
}

impl WallRow {
    /// Row of a source, as from `/sources/{name}`.
    fn new(source: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (state, health) = (&source["state"], text(&source["health"]));
        let is_dead = state["dead_air"] == "ON";
        let condition = match health.as_str() {
            "stalled" | "recovering" | "failed" => Condition::Failed,
            "slow" | "overloaded" => Condition::Impaired,
            "healthy" if is_dead => Condition::Impaired,
            "healthy" => Condition::Healthy,
            _ => Condition::Starting,
        };
        let reason = text(&source["health_reason"]);
        let health = match (is_dead && condition == Condition::Impaired, reason.is_empty()) {
            (true, true) => "dead air".into(),
            (_, false) => format!("{health}: {reason}"),
            _ => health,
        };
        Self {
            name: text(&source["name"]),
            display_name: text(&source["source_name"]),
            condition,
            health,
            genre: text(&state["genre"]),
            confidence: state["confidence"].as_f64(),
            since: state["since"].as_str().and_then(|since| since.parse().ok()),
            title: text(&source["attributes"]["title"]),
            lufs_m: state["lufs_m"].as_f64(),
        }
    }
}
