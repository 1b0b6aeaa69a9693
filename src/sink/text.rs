//! One line per event or patch, for people.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::mpsc;
use unicode_width::UnicodeWidthStr;

use super::writer::{self, LineWriter};
use super::{Message, Sink, SinkFuture};
use crate::event::{DaemonInfo, Severity, SourceEvent, WindowResult};

/// Format of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextOptions {
    /// ANSI colours.
    pub(crate) colour: bool,
    /// Prints scored patches in addition to events.
    pub(crate) windows: bool,
}

impl TextOptions {
    /// Options for standard output: colours on a terminal, unless `NO_COLOR` or `TERM=dumb` is set.
    pub(crate) fn for_output(terminal: bool) -> Self {
        let objects = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: terminal && !objects, windows: true }
    }
}

/// Sink that writes aligned lines: time in the source, name of the source if there are several,
/// genre and confidence. A closed pipe ends it without an error.
#[derive(Debug)]
pub(crate) struct TextSink<W> {
    writer: W,
    options: TextOptions,
    /// Display name of each source.
    names: HashMap<Arc<str>, Arc<str>>,
    /// Width of the column of source names; 0 omits it.
    source_width: usize,
    genre_width: usize,
    /// End of each source's last window, in seconds.
    position: HashMap<Arc<str>, f64>,
    introduced: bool,
}

const BAR: usize = 10;

impl<W: Write + Send + 'static> TextSink<W> {
    /// Sink that writes to `writer`.
    pub(crate) fn new(writer: W, options: TextOptions) -> Self {
        Self {
            writer,
            options,
            names: HashMap::new(),
            source_width: 0,
            genre_width: 10,
            position: HashMap::new(),
            introduced: false,
        }
    }
}

impl<W: Write + Send + 'static> Sink for TextSink<W> {
    fn name(&self) -> &'static str {
        "text"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        writer::run("text", *self, inbox)
    }
}

impl<W: Write + Send + 'static> LineWriter for TextSink<W> {
    fn write(&mut self, message: &Message) -> io::Result<()> {
        let line = match message {
            Message::Info(info) => self.introduction(info),
            Message::Window { source, window, .. } => {
                self.position.insert(Arc::clone(source), window.span.end);
                self.options.windows.then(|| self.window(source, window))
            }
            Message::Event { source, event, .. } => Some(self.event(source, &event.event)),
            Message::Stats(_)
            | Message::State { .. }
            | Message::Attributes { .. }
            | Message::FinalSegment { .. }
            | Message::Settings { .. }
            | Message::Health { .. }
            | Message::Answer { .. }
            | Message::Explanation { .. }
            | Message::Availability { .. } => None,
        };
        let Some(mut line) = line else { return Ok(()) };
        line.truncate(line.trim_end().len());
        line.push('\n');
        self.writer.write_all(line.as_bytes())?;
        self.writer.flush()
    }
}

impl<W> TextSink<W> {
    fn introduction(&mut self, info: &DaemonInfo) -> Option<String> {
        self.names =
            info.sources.iter().map(|source| (source.name.clone(), source.display_name.clone())).collect();
        let names = info.sources.iter().map(|source| source.display_name.width());
        self.source_width = if info.sources.len() > 1 { names.max().unwrap_or(0) } else { 0 };
        self.genre_width =
            info.labels.iter().map(|label| label.chars().count()).chain([10]).max().unwrap_or(10);
        let first = !std::mem::replace(&mut self.introduced, true);
        first.then(|| {
            let DaemonInfo { model, head, execution_provider, hop_s, .. } = info;
            self.paint(
                "2",
                &format!("{model}, head {head}, on {execution_provider}, a window every {hop_s} s"),
            )
        })
    }

    fn window(&self, source: &Arc<str>, window: &WindowResult) -> String {
        let mut line = self.start(source);
        let width = self.genre_width;
        let _ = write!(line, "  {:width$}  ", window.verdict.genre);
        match window.verdict.confidence {
            Some(confidence) => {
                let _ = write!(line, "{:>3.0} % {}", confidence * 100.0, self.paint("36", &bar(confidence)));
            }
            None => line.push_str(&" ".repeat(6 + BAR)),
        }
        let _ = write!(line, "  {:>5.1} LUFS", window.level.lufs_s);
        line
    }

    fn event(&self, source: &Arc<str>, event: &SourceEvent) -> String {
        let (colour, mark) = match event.severity() {
            Severity::Notice => ("1;32", '▶'),
            Severity::Cleared => ("32", '✓'),
            Severity::Minor => ("33", '!'),
            Severity::Major => ("1;33", '!'),
            Severity::Critical => ("1;31", '!'),
        };
        format!("{}{}", self.start(source), self.paint(colour, &format!("{mark} {event}")))
    }

    /// Time and, if there are several, the source.
    fn start(&self, source: &Arc<str>) -> String {
        let seconds = self.position.get(source).copied().unwrap_or(0.0).max(0.0) as u64;
        let clock = match seconds / 3600 {
            0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
            hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
        };
        match self.source_width {
            0 => format!("{clock}  "),
            width => {
                let name = self.names.get(source).unwrap_or(source);
                // Chinese characters are two columns wide.
                let padding = " ".repeat(width.saturating_sub(name.width()));
                format!("{clock}  {name}{padding}  ")
            }
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.options.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Bar of ten characters with a resolution of an eighth of one.
fn bar(share: f32) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f32).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    let drawn = eighths.div_ceil(8);
    bar + &" ".repeat(BAR - drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DeadAirCause, NamedVerdict, SourceState};
    use crate::sink::samples;

    fn lines(colour: bool, sources: usize, messages: &[Message]) -> String {
        let mut sink = TextSink::new(Vec::new(), TextOptions { colour, windows: true });
        sink.write(&Message::Info(Arc::new(samples::info(sources)))).unwrap();
        for message in messages {
            sink.write(message).unwrap();
        }
        String::from_utf8(sink.writer).unwrap()
    }

    #[test]
    fn one_source() {
        let silence = samples::window_message(|window| {
            window.verdict = NamedVerdict::of_state(SourceState::Silence);
            window.level.lufs_s = -70.0;
            window.span.end = 3605.0;
        });
        let weak = samples::window_message(|window| {
            window.span.end = 9.9;
            window.verdict.genre = "rock".into();
            window.verdict.confidence = Some(0.07);
        });
        let back = SourceEvent::GenreChanged { from: "jazz".into(), to: "silence".into(), confidence: None };
        let messages = [
            weak,
            samples::window_message(|_| {}),
            samples::event_message(1, samples::to_jazz()),
            silence,
            samples::event_message(2, SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence }),
            samples::event_message(3, back),
            samples::event_message(4, SourceEvent::SourceLost { reason: None }),
            samples::event_message(5, SourceEvent::EventsDropped { count: Some(3) }),
            samples::state_message(),
        ];
        insta::assert_snapshot!(lines(false, 1, &messages), @r#"
musicnn-msd, head genres, on cpu, a window every 1 s
00:09    rock          7 % ▊           -14.2 LUFS
03:08    jazz         83 % ████████▎   -14.2 LUFS
03:08  ▶ jazz 0.71 (was rock)
1:00:05    silence                       -70.0 LUFS
1:00:05  ! dead air: silence
1:00:05  ▶ silence (was jazz)
1:00:05  ! source lost
1:00:05  ! 3 changes dropped
"#);
    }

    #[test]
    fn several_sources_have_a_column() {
        let mut messages = [samples::window_message(|_| {}), samples::event_message(1, samples::to_jazz())];
        if let Message::Window { source, .. } = &mut messages[0] {
            *source = "kitchen".into();
        }
        insta::assert_snapshot!(lines(false, 2, &messages), @r#"
musicnn-msd, head genres, on cpu, a window every 1 s
03:08  Kitchen    jazz         83 % ████████▎   -14.2 LUFS
00:00  FM 1     ▶ jazz 0.71 (was rock)
"#);
    }

    #[test]
    fn colours_are_for_terminals_alone() {
        let messages = [samples::event_message(1, samples::to_jazz())];
        assert!(!lines(false, 1, &messages).contains('\x1b'));
        assert!(lines(true, 1, &messages).contains("\x1b[1;32m▶ jazz 0.71 (was rock)\x1b[0m"));
        assert!(!TextOptions::for_output(false).colour);
    }

    #[test]
    fn bars_are_all_equally_wide() {
        for percent in 0..=100 {
            assert_eq!(bar(percent as f32 / 100.0).chars().count(), BAR);
        }
        assert_eq!((bar(f32::NAN).trim(), bar(0.5).trim(), bar(1.0).trim()), ("", "█████", "██████████"));
    }
}
