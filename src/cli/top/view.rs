//! Drawing of the wall.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use serde_json::Value;

use super::wall::{Condition, Wall, WallOrder, WallRow};

/// Scale of the level, in LUFS: empty at the first value, full at the second.
const SCALE_LUFS: (f64, f64) = (-60.0, 0.0);

/// Width of the level, in characters.
const LEVEL_WIDTH: usize = 12;

/// Lines with events, and their frame.
const EVENT_LINES: u16 = 6;

/// Draws the wall.
pub(super) fn draw(frame: &mut Frame<'_>, wall: &Wall) {
    let [head, sources, events] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(3), Constraint::Length(EVENT_LINES)])
            .areas(frame.area());
    frame.render_widget(heading(wall), head);
    let titles = ["", "source", "genre", "conf.", "level", "LUFS", "for", "health", "title"];
    let widths = [
        Constraint::Length(1),
        Constraint::Fill(2),
        Constraint::Length(11),
        Constraint::Length(5),
        Constraint::Length(LEVEL_WIDTH as u16),
        Constraint::Length(5),
        Constraint::Length(7),
        Constraint::Fill(2),
        Constraint::Fill(3),
    ];
    let now = Timestamp::now();
    let rows = wall.sorted().into_iter().skip(wall.offset).map(|row| source_row(row, now));
    let table = Table::new(rows, widths).header(Row::new(titles).style(Modifier::DIM));
    frame.render_widget(table, sources);
    let count = usize::from(EVENT_LINES.saturating_sub(1));
    let lines: Vec<Line<'_>> =
        wall.events.iter().rev().take(count).map(|event| Line::from(event_text(event))).collect();
    let block = Block::new().borders(Borders::TOP).title("events, newest first");
    frame.render_widget(Paragraph::new(lines).block(block), events);
}

fn heading(wall: &Wall) -> Line<'static> {
    let rows = wall.sorted();
    let problems = rows.iter().filter(|row| row.condition < Condition::Starting).count();
    let order = match wall.order {
        WallOrder::Problems => "problems first",
        WallOrder::Name => "by name",
    };
    let mut spans = vec![
        Span::styled("genred ", Modifier::BOLD),
        Span::raw(format!("{} sources, {problems} with problems, {order}   ", rows.len())),
        Span::styled("↑↓ scroll · s order · q quit", Modifier::DIM),
    ];
    if let Some(reason) = &wall.lost {
        let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        spans.push(Span::styled(format!("   connection lost, trying again: {reason}"), style));
    }
    Line::from(spans)
}

fn source_row(row: &WallRow, now: Timestamp) -> Row<'static> {
    let (mark, color) = match row.condition {
        Condition::Failed => ("✗", Color::Red),
        Condition::Impaired => ("!", Color::Yellow),
        Condition::Starting => ("…", Color::DarkGray),
        Condition::Healthy => ("●", Color::Green),
    };
    let confidence = row.confidence.map(|confidence| format!("{:3.0} %", confidence * 100.0));
    let loudness = row.lufs_m.map(|lufs| format!("{lufs:5.1}"));
    let lasted = row.since.map(|since| duration(now.duration_since(since).as_secs().max(0)));
    let name = if row.display_name.is_empty() { &row.name } else { &row.display_name };
    Row::new([
        Cell::from(mark).style(color),
        Cell::from(name.clone()),
        Cell::from(row.genre.clone()).style(Modifier::BOLD),
        Cell::from(confidence.unwrap_or_default()),
        Cell::from(level(row.lufs_m)),
        Cell::from(loudness.unwrap_or_default()),
        Cell::from(lasted.unwrap_or_default()),
        Cell::from(row.health.clone()).style(color),
        Cell::from(row.title.clone()),
    ])
}

/// Loudness as a bar.
fn level(lufs: Option<f64>) -> String {
    let Some(lufs) = lufs else { return String::new() };
    let (empty, full) = SCALE_LUFS;
    let filled = ((lufs - empty) / (full - empty) * LEVEL_WIDTH as f64).round() as usize;
    let filled = filled.min(LEVEL_WIDTH);
    "█".repeat(filled) + &"·".repeat(LEVEL_WIDTH - filled)
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn event_text(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let time = text("ts").get(11..19).unwrap_or_default().to_owned();
    let kind = text("event_type").replace('_', " ");
    let detail = match (event["to"].as_str(), event["reason"].as_str()) {
        (Some(to), _) => format!("{} → {to}", text("from")),
        (None, Some(reason)) => reason.to_owned(),
        (None, None) => String::new(),
    };
    format!("{time}  {}  {kind}  {detail}", text("source"))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;
    use crate::cli::top::client::WallMessage;

    fn source(name: &str, health: &str, genre: &str) -> Value {
        json!({
            "name": name, "source_name": name, "health": health, "health_reason": null,
            "state": {"genre": genre, "confidence": 0.83, "since": Timestamp::now().to_string(), "dead_air": "OFF", "lufs_m": -30.0},
            "attributes": {"title": "A song"},
        })
    }

    fn screen(wall: &Wall) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(100, 12)).unwrap();
        terminal.draw(|frame| draw(frame, wall)).unwrap();
        let cells = &terminal.backend().buffer().content;
        cells.chunks(100).map(|line| line.iter().map(|cell| cell.symbol()).collect()).collect()
    }

    #[test]
    fn problems_come_first() {
        let mut wall = Wall::new(vec![source("a", "healthy", "jazz"), source("b", "failed", "lost")]);
        let lines = screen(&wall);
        assert!(lines[0].contains("2 sources, 1 with problems"), "{lines:?}");
        assert!(lines[2].contains("✗ b") && lines[3].contains("● a"), "{lines:?}");
        assert!(lines[3].contains("jazz") && lines[3].contains("83 %") && lines[3].contains("██████······"));
        wall.change_order();
        assert!(screen(&wall)[2].contains("● a"));
    }

    #[test]
    fn messages_change_the_screen() {
        let mut wall = Wall::new(vec![source("a", "healthy", "jazz")]);
        wall.take(WallMessage::State(source("a", "healthy", "rock")));
        wall.take(WallMessage::Levels(json!({"t": 0, "levels": {"a": [-12.5, -13.0, null]}})));
        wall.take(WallMessage::Event(json!({
            "source": "a", "ts": "2026-11-03T14:03:07.000Z", "event_type": "genre_changed", "from": "jazz", "to": "rock"
        })));
        wall.take(WallMessage::Lost("no route".into()));
        let text = screen(&wall).join("\n");
        for expected in ["rock", "-12.5", "14:03:07  a  genre changed  jazz → rock", "connection lost"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn an_empty_answer_is_drawn() {
        screen(&Wall::new(vec![json!({}), json!({"name": 7, "state": []})]));
        screen(&Wall::new(Vec::new()));
    }
}
