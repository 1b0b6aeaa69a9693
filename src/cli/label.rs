//! `genred label`: stores corrections by listeners.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::daemon::{self, DaemonLines, LineHeader, NextLine};
use super::signals;
use crate::config::DaemonLocation;
use crate::limits::{ArgumentError, Limit};
use crate::sink::corrections::{self, Summary};
use crate::sink::payload::LabelledPayload;
use crate::sink::trace::client_command::{ClientCommand, ClientCommandKind};
use crate::thread::Stop;

/// Longest wait for the answer: the daemon waits for its disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// Store what a source has just played, with its right genre; embeddings alone, no audio.
///
/// `genred train --corrections` trains a better head from them; docs/guide/corrections.md is the
/// guide.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  genred label radio jazz                  the last 30 seconds of `radio` were jazz
  genred label radio klezmer --last 60s    a genre that the head does not have yet
  genred label --list
  genred label --undo")]
pub(crate) struct LabelArgs {
    /// Source, by its name in topics or in the configuration
    #[arg(value_name = "SOURCE", required_unless_present_any = ["list", "undo"])]
    source: Option<String>,
    /// The genre that is right
    #[arg(value_name = "GENRE", required_unless_present_any = ["list", "undo"])]
    genre: Option<String>,
    /// Time before now that is of that genre: 3 to 60 seconds
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_seconds)]
    last: f64,
    /// List the stored corrections
    #[arg(long, conflicts_with_all = ["source", "genre", "undo"])]
    list: bool,
    /// Delete the newest correction
    #[arg(long, conflicts_with_all = ["source", "genre"])]
    undo: bool,
    /// Configuration file of the daemon [default: as for `run`]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of the daemon [default: as configured, else the one that runs]
    #[arg(long)]
    node: Option<String>,
    /// File of corrections, for --list and --undo [default: as configured]
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// One JSON object for each correction
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &LabelArgs) -> anyhow::Result<ExitCode> {
    match (&args.source, &args.genre) {
        (Some(source), Some(genre)) => label(args, source, genre)?,
        _ if args.undo => undo(args)?,
        _ => list(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Span that a label may cover, in seconds.
const LAST_S: Limit = Limit::new("--last", 3.0, 60.0, "seconds");

/// Parses a span such as `30s`, `30` or `1m`.
fn parse_seconds(text: &str) -> Result<f64, ArgumentError> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60.0),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let number: f64 = number.trim().parse().map_err(|_| ArgumentError::new("seconds, such as `30s`"))?;
    match LAST_S.contains(number * unit) {
        true => Ok(number * unit),
        false => Err(ArgumentError::new(LAST_S.to_string())),
    }
}

fn label(args: &LabelArgs, source: &str, genre: &str) -> anyhow::Result<()> {
    let stop = Stop::new().context("the system refused a pipe")?;
    signals::stop_on_signal(&stop).context("signals cannot be handled")?;
    let place = daemon::place(args.config.as_deref())?;
    let mut lines = DaemonLines::new(daemon::connect(&place, args.node.as_deref(), "label")?, stop);
    let hello = lines.hello()?.context("interrupted")?;
    let source = daemon::source(&hello, Some(source))?.context("no source is named")?;
    let command = ClientCommand {
        ask: ClientCommandKind::Label,
        source: source.name.to_string(),
        message: json!({ "genre": genre, "last_s": args.last }),
    };
    lines.send(&serde_json::to_string(&command)?)?;
    let line = answer(&mut lines)?;
    if args.json {
        writeln!(std::io::stdout().lock(), "{line}")?;
        return Ok(());
    }
    let stored: LabelledPayload = serde_json::from_str(&line).context("the daemon is of another version")?;
    writeln!(std::io::stdout().lock(), "{}", confirmation(&source.name, &stored))?;
    for note in notes(&stored, &hello.node) {
        super::say(note);
    }
    Ok(())
}

/// The line that says what was stored.
fn answer(lines: &mut DaemonLines) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Refused {
        message: String,
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let line = match lines.next(Some(deadline.saturating_duration_since(Instant::now())))? {
            NextLine::Line(line) => line,
            NextLine::TimedOut => {
                bail!("the daemon does not answer; is it of another version, or its disk busy?")
            }
            NextLine::Ended => bail!("the daemon ended as it was asked"),
            NextLine::Stopped => {
                bail!("interrupted; the correction may have been stored (`genred label --list`)")
            }
        };
        match serde_json::from_str::<LineHeader>(&line)?.kind.as_str() {
            "labelled" => return Ok(line),
            "refused" => bail!("{}", serde_json::from_str::<Refused>(&line)?.message),
            _ => {}
        }
    }
}

fn confirmation(source: &str, stored: &LabelledPayload) -> String {
    let LabelledPayload { id, genre, patches, start, end, published, .. } = stored;
    let (start, end) = (start.strftime("%H:%M:%S"), end.strftime("%H:%M:%SZ"));
    format!("{id}: {patches} patches of {source}, {start} to {end}, are {genre} (published: {published})")
}

/// Further hints.
fn notes(stored: &LabelledPayload, node: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let LabelledPayload { genre, quiet, contradicts, evicted, .. } = stored;
    if !stored.known {
        let hint =
            stored.nearest.as_ref().map(|near| format!("; did you mean `{near}`? `--undo` takes it back"));
        notes.push(format!(
            "`{node}` has no genre `{genre}` yet: training adds it{}",
            hint.unwrap_or_default()
        ));
    }
    if *quiet > 0 {
        notes.push(format!("{quiet} patches are too quiet to learn from, and left out"));
    }
    if *contradicts > 0 {
        notes.push(format!(
            "{contradicts} earlier corrections of the same time name another genre: this one counts"
        ));
    }
    if *evicted > 0 {
        notes.push(format!("the {evicted} oldest corrections were deleted (`corrections.max_mb`)"));
    }
    notes
}

/// The file: as it was typed, else as configured.
fn file(args: &LabelArgs) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.db {
        return Ok(path.clone());
    }
    let place = DaemonLocation::load(args.config.as_deref())
        .context("`--db` names a file without a configuration")?;
    let node = args.node.clone().or(place.node.clone());
    Ok(DaemonLocation { node, ..place }.corrections()?)
}

fn list(args: &LabelArgs) -> anyhow::Result<()> {
    let all = corrections::list(&file(args)?)?;
    let mut stdout = std::io::stdout().lock();
    let width =
        |of: fn(&Summary) -> &String| all.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (sources, genres) = (width(|row| &row.source), width(|row| &row.genre));
    for row in &all {
        if args.json {
            writeln!(stdout, "{}", as_json(row))?;
            continue;
        }
        let Summary { id, source, genre, patches, published, .. } = row;
        writeln!(
            stdout,
            "{id:>5}  {}  {source:sources$}  {genre:genres$}  {patches:>3} patches  published {published}",
            time(row.ts_ms).strftime("%Y-%m-%d %H:%M:%SZ")
        )?;
    }
    stdout.flush()?;
    Ok(())
}

fn undo(args: &LabelArgs) -> anyhow::Result<()> {
    let path = file(args)?;
    let Some(row) = corrections::undo(&path)? else { bail!("`{}` holds no correction", path.display()) };
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", as_json(&row))?;
    } else {
        let Summary { id, source, genre, patches, .. } = &row;
        writeln!(stdout, "{id}: deleted ({patches} patches of {source}, {genre})")?;
    }
    Ok(())
}

fn as_json(row: &Summary) -> serde_json::Value {
    let stamp = |ms| format!("{:.3}", time(ms));
    json!({
        "id": row.id,
        "ts": stamp(row.ts_ms),
        "source": row.source,
        "genre": row.genre,
        "published": row.published,
        "confidence": row.confidence,
        "model": row.model,
        "head": row.head,
        "embedding_id": row.embedding_id,
        "start": stamp(row.start_ms),
        "end": stamp(row.end_ms),
        "patches": row.patches,
    })
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    #[test]
    fn spans_are_seconds_or_minutes() {
        for (text, seconds) in [("30s", 30.0), ("30", 30.0), ("1m", 60.0), ("4.5s", 4.5), ("0.5m", 30.0)] {
            assert_eq!(parse_seconds(text), Ok(seconds), "{text}");
        }
        for text in ["", "s", "2s", "61", "2m", "-30s", "nan", "30 min", "inf"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_stored_is_told() {
        let stored = LabelledPayload::from(&samples::stored_correction());
        let expected = "12: 28 patches of fm1, 14:02:37 to 14:03:07Z, are jazz (published: rock)";
        assert_eq!(confirmation("fm1", &stored), expected);
        assert_eq!(notes(&stored, "den"), Vec::<String>::new());
        let stored = LabelledPayload {
            genre: "jaz".into(),
            known: false,
            nearest: Some("jazz".into()),
            quiet: 3,
            contradicts: 2,
            evicted: 1,
            ..stored
        };
        let notes = notes(&stored, "den");
        assert_eq!(notes.len(), 4);
        assert!(notes[0].contains("did you mean `jazz`?"), "{}", notes[0]);
    }
}
