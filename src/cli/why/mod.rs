//! `genred why`: shows the decisions of a running daemon with their reasons.

mod screen;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::daemon::{self, DaemonLines, LineHeader, NextLine, nearest};
use super::signals;
use crate::event::{EventType, SourceState};
use crate::sink::payload::trace::{GenreChange, TraceHello, TracePayload, TracedSource};
use crate::sink::payload::words;
use crate::sink::text::TextOptions;
use crate::thread::Stop;
use screen::Screen;

/// Changes on a terminal.
const SHOWN_CHANGES: usize = 3;

/// Explain, patch by patch, why a genre is published for a source.
///
/// Reads the trace socket of a running daemon; docs/guide/why.md explains the numbers.
#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// Source, by its name in topics or in the configuration [default: the only one; lists several]
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// Configuration file of the daemon [default: as for `run`]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of the daemon [default: as configured, else the one that runs]
    #[arg(long)]
    node: Option<String>,
    /// Genre to explain, published or not; also `speech` or `noise`
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    genre: Option<String>,
    /// Print the lines of the daemon: one JSON object per patch and per event
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let stop = Stop::new().context("the system refused a pipe")?;
    signals::stop_on_signal(&stop).context("signals cannot be handled")?;
    let place = daemon::place(args.config.as_deref())?;
    let mut lines = DaemonLines::new(daemon::connect(&place, args.node.as_deref(), "why")?, stop);
    let Some(hello) = lines.hello()? else { return Ok(ExitCode::SUCCESS) };
    let Some(source) = daemon::source(&hello, args.source.as_deref())? else {
        list(&hello)?;
        return Ok(ExitCode::SUCCESS);
    };
    let ended =
        if args.json { copy_lines(&mut lines, &source.name)? } else { explain(&mut lines, source, args)? };
    if ended {
        super::say(format_args!("the daemon `{}` has ended", hello.node));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(hello: &TraceHello) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let width = hello.sources.iter().map(|source| source.name.len()).max().unwrap_or_default();
    for source in &hello.sources {
        writeln!(stdout, "{:width$}  {}", source.name, words::now(source))?;
    }
    stdout.flush()?;
    super::say(format_args!("`{}` has several sources; name one: `genred why NAME`", hello.node));
    Ok(())
}

/// Copies the lines of a source and those about lost lines. Returns true if the daemon ended.
fn copy_lines(lines: &mut DaemonLines, source: &str) -> anyhow::Result<bool> {
    let mut stdout = io::stdout().lock();
    loop {
        let line = match lines.next(None)? {
            NextLine::Line(line) => line,
            NextLine::Ended => return Ok(true),
            NextLine::Stopped | NextLine::TimedOut => return Ok(false),
        };
        let head: LineHeader = serde_json::from_str(&line).context("the daemon is of another version")?;
        if head.kind == "lost" || head.source.is_some_and(|of| *of == *source) {
            writeln!(stdout, "{line}")?;
            stdout.flush()?;
        }
    }
}

/// Explains in words. Returns true if the daemon ended.
fn explain(lines: &mut DaemonLines, source: &TracedSource, args: &WhyArgs) -> anyhow::Result<bool> {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let mut screen = Screen::new(stdout.lock(), terminal, TextOptions::for_output(terminal).colour);
    let mut changes = source.changes.clone();
    if terminal {
        screen.draw(&words::waiting(source))?;
    }
    loop {
        let line = match lines.next(None)? {
            NextLine::Line(line) => line,
            NextLine::Ended => return Ok(true),
            NextLine::Stopped | NextLine::TimedOut => return Ok(false),
        };
        let head: LineHeader = serde_json::from_str(&line).context("the daemon is of another version")?;
        match (head.kind.as_str(), head.source) {
            ("lost", _) => tracing::warn!("some lines were lost: this process was too slow"),
            ("trace", Some(of)) if of == source.name => {
                let trace: TracePayload =
                    serde_json::from_str(&line).context("the daemon is of another version")?;
                let mut block = words::block(&source.name, &trace);
                if terminal {
                    block.extend(changes.iter().rev().take(SHOWN_CHANGES).map(words::change));
                }
                if let Some(genre) = &args.genre {
                    block.push(about(genre, &trace)?);
                }
                block.push(words::because(&trace));
                screen.draw(&block)?;
            }
            ("event", Some(of)) if of == source.name => {
                let event: EventLine =
                    serde_json::from_str(&line).context("the daemon is of another version")?;
                if let Some(change) = event.change(&changes) {
                    if !terminal {
                        screen.draw(&[words::change(&change)])?;
                    }
                    changes.push(change);
                }
            }
            _ => {}
        }
    }
}

fn about(genre: &str, trace: &TracePayload) -> anyhow::Result<words::TextRow> {
    words::about(genre, trace).map_or_else(
        || {
            let known = trace.sound.states.iter().map(|state| &*state.state);
            bail!(words::unknown_genre(genre, nearest(genre, known), trace))
        },
        Ok,
    )
}

/// Fields of an `event` line that concern the published genre.
#[derive(Deserialize)]
struct EventLine {
    ts: jiff::Timestamp,
    event_type: String,
    from: Option<Arc<str>>,
    to: Option<Arc<str>>,
}

impl EventLine {
    fn change(self, before: &[GenreChange]) -> Option<GenreChange> {
        let (lost, uncertain) = (SourceState::Lost.as_str(), SourceState::Uncertain.as_str());
        let last = || before.last().map_or_else(|| uncertain.into(), |change| change.to.clone());
        let (from, to) = match EventType::named(&self.event_type)? {
            EventType::GenreChanged => (self.from?, self.to?),
            EventType::SourceLost => (last(), lost.into()),
            EventType::SourceRecovered => (lost.into(), uncertain.into()),
            _ => return None,
        };
        Some(GenreChange { ts: self.ts, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_changes_of_the_genre() {
        let event = |text: &str| serde_json::from_str::<EventLine>(text).unwrap();
        let ts = r#""ts":"2026-11-03T14:03:07.000Z""#;
        let to_jazz = event(&format!(r#"{{{ts},"event_type":"genre_changed","from":"rock","to":"jazz"}}"#));
        let jazz = to_jazz.change(&[]).unwrap();
        assert_eq!((&*jazz.from, &*jazz.to), ("rock", "jazz"));
        let lost = event(&format!(r#"{{{ts},"event_type":"source_lost"}}"#)).change(&[jazz]).unwrap();
        assert_eq!((&*lost.from, &*lost.to), ("jazz", "lost"));
        assert!(event(&format!(r#"{{{ts},"event_type":"dead_air_started"}}"#)).change(&[]).is_none());
    }
}
