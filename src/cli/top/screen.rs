//! The wall as text in cells.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table, Widget};

use super::source::{Urgency, WallSource};

/// Width of the level meter, in cells.
const METER_WIDTH: usize = 12;

/// Loudness at the left end of the meter, in LUFS; the right end is 0.
const METER_FLOOR: f64 = -60.0;

/// Width of the text that is printed without a terminal.
const TEXT_WIDTH: u16 = 120;

/// Content of the screen.
#[derive(Debug, Clone)]
pub(super) struct Wall {
    url: String,
    sources: Vec<WallSource>,
    /// Number of the first source on the screen.
    first: usize,
    /// Reason for which the sources are out of date.
    failure: Option<String>,
    now: Timestamp,
    colors: bool,
}

impl Wall {
    /// Wall of the daemon at `url`.
    pub(super) fn new(url: &str, sources: Vec<WallSource>) -> Self {
        let colors = std::env::var_os("NO_COLOR").is_none();
        Self { url: url.to_owned(), sources, first: 0, failure: None, now: Timestamp::now(), colors }
    }

    /// Takes in an answer of the daemon, or the reason why there is none.
    pub(super) fn update(&mut self, answer: Result<Vec<WallSource>, String>) {
        match answer {
            Ok(sources) => {
                (self.sources, self.failure, self.now) = (sources, None, Timestamp::now());
                self.scroll_down(0);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    pub(super) fn scroll_up(&mut self, lines: usize) {
        self.first = self.first.saturating_sub(lines);
    }

    pub(super) fn scroll_down(&mut self, lines: usize) {
        self.first = self.first.saturating_add(lines).min(self.sources.len().saturating_sub(1));
    }

    fn title(&self) -> String {
        let troubled = self.sources.iter().filter(|source| source.urgency() < Urgency::Starting).count();
        let trouble = match troubled {
            0 => "no trouble".to_owned(),
            count => format!("{count} in trouble"),
        };
        format!("genred at {} · {} sources, {trouble}", self.url, self.sources.len())
    }

    fn footer(&self) -> String {
        match &self.failure {
            Some(failure) => format!("out of date: {failure}; trying again"),
            None => "q quits · ↑ ↓ PgUp PgDn scroll".to_owned(),
        }
    }

    fn style(&self, color: Color) -> Style {
        match (&self.failure, self.colors) {
            (Some(_), _) => Style::new().add_modifier(Modifier::DIM),
            (None, true) => Style::new().fg(color),
            (None, false) => Style::new(),
        }
    }

    fn row(&self, source: &WallSource) -> Row<'_> {
        let (icon, color) = look(source.urgency());
        let state = source.state.as_ref();
        let genre = state.map_or("", |state| &state.genre).to_owned();
        let confidence = state.and_then(|state| state.confidence);
        let confidence =
            confidence.map_or(String::new(), |confidence| format!("{:3.0} %", 100.0 * confidence));
        let level = state.and_then(|state| state.lufs_m).filter(|_| source.online);
        Row::new([
            Cell::from(source.source_name.clone()),
            Cell::from(Line::styled(format!("{icon} {}", source.condition()), self.style(color))),
            Cell::from(duration(self.now.duration_since(source.since()).as_secs())),
            Cell::from(Line::styled(genre, Style::new().add_modifier(Modifier::BOLD))),
            Cell::from(confidence),
            Cell::from(level.map_or(String::new(), meter)),
            Cell::from(level.map_or(String::new(), |lufs| format!("{lufs:5.1}"))),
            Cell::from(source.remark().to_owned()),
        ])
    }
}

/// Icon and colour. Neither is the only sign: the condition is also named.
fn look(urgency: Urgency) -> (&'static str, Color) {
    match urgency {
        Urgency::Lost => ("✖", Color::Red),
        Urgency::DeadAir => ("■", Color::Magenta),
        Urgency::Impaired => ("▲", Color::Yellow),
        Urgency::Starting => ("…", Color::Cyan),
        Urgency::OnAir => ("●", Color::Green),
        Urgency::Paused => ("‖", Color::Blue),
    }
}

/// Bar of a loudness in LUFS.
fn meter(lufs: f64) -> String {
    let share = ((lufs - METER_FLOOR) / -METER_FLOOR).clamp(0.0, 1.0);
    let filled = (share * METER_WIDTH as f64).round() as usize;
    "█".repeat(filled) + &"·".repeat(METER_WIDTH - filled)
}

/// Duration in one or two units.
fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes}:{seconds:02} min"),
        (0, hours, minutes, _) => format!("{hours}:{minutes:02} h"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Draws the wall into `area`.
pub(super) fn render(wall: &Wall, area: Rect, buffer: &mut Buffer) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    Line::styled(wall.title(), Style::new().add_modifier(Modifier::BOLD)).render(top, buffer);
    let widths = [
        Constraint::Max(24),
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(14),
        Constraint::Length(5),
        Constraint::Length(METER_WIDTH as u16),
        Constraint::Length(5),
        Constraint::Min(10),
    ];
    let header = ["source", "", "since", "genre", "", "loudness", "LUFS", "title or reason"];
    let header = Row::new(header).style(Style::new().add_modifier(Modifier::DIM));
    let rows = wall.sources.iter().skip(wall.first).map(|source| wall.row(source));
    Widget::render(Table::new(rows, widths).header(header), middle, buffer);
    let color = if wall.failure.is_some() { Color::Red } else { Color::Reset };
    let style = if wall.colors { Style::new().fg(color) } else { Style::new() };
    Line::styled(wall.footer(), style).render(bottom, buffer);
}

/// The wall as lines of text, without colours and keys.
pub(super) fn text(wall: &Wall) -> String {
    let height = u16::try_from(wall.sources.len() + 3).unwrap_or(u16::MAX);
    let area = Rect::new(0, 0, TEXT_WIDTH, height);
    let mut buffer = Buffer::empty(area);
    render(wall, area, &mut buffer);
    let lines = (0..height - 1).map(|y| {
        let cells = (0..TEXT_WIDTH).filter_map(|x| buffer.cell((x, y)));
        let line: String = cells.map(|cell| cell.symbol()).collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::{parse, tests::answer};
    use super::*;

    fn wall() -> Wall {
        let mut wall = Wall::new("http://127.0.0.1:8480", parse(&answer()).unwrap());
        wall.now = "2026-11-03T14:02:05Z".parse().unwrap();
        wall
    }

    #[test]
    fn the_wall_is_readable_as_text() {
        insta::assert_snapshot!(text(&wall()));
    }

    #[test]
    fn a_daemon_that_does_not_answer_leaves_the_last_picture() {
        let mut wall = wall();
        wall.update(Err("no answer from `http://127.0.0.1:8480`".into()));
        assert_eq!(wall.sources.len(), 5);
        assert_eq!(wall.footer(), "out of date: no answer from `http://127.0.0.1:8480`; trying again");
        wall.update(Ok(Vec::new()));
        assert_eq!((wall.sources.len(), wall.failure), (0, None));
    }

    #[test]
    fn scrolling_stays_on_the_wall() {
        let mut wall = wall();
        wall.scroll_down(2);
        assert!(text(&wall).lines().nth(2).unwrap().starts_with("new"), "{}", text(&wall));
        wall.scroll_down(usize::MAX);
        assert_eq!(wall.first, 4);
        wall.update(Ok(Vec::new()));
        assert_eq!(wall.first, 0);
        wall.scroll_up(3);
        assert_eq!(wall.first, 0);
    }

    #[test]
    fn small_terminals_are_no_problem() {
        for (width, height) in [(0, 0), (1, 1), (10, 3), (40, 2)] {
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            render(&wall(), area, &mut buffer);
        }
    }

    #[test]
    fn meters_and_durations() {
        assert_eq!(meter(-30.0), "██████······");
        assert_eq!(meter(-70.0), "·".repeat(12));
        assert_eq!(meter(3.0), "█".repeat(12));
        for (seconds, expected) in
            [(-1, "0 s"), (59, "59 s"), (61, "1:01 min"), (7260, "2:01 h"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }
}
