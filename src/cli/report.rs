//! `genred report`

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::asrun::period::{self, By, Edge};
use crate::asrun::{Report, html, render, tally};
use crate::config::{Place, SYSTEM_STATE_DIR};
use crate::sink::asrun::Reader;

/// What was on air: shares of genres, speech, silence and outages, from the as-run log.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Times: 2026-11-03T14:00:00Z, 2026-11-03 (all of that day), now, today, yesterday, or 90m, 12h, 7d, 2w ago.

Examples:
  genred report --from yesterday --to yesterday --by hour
  genred report --from 2026-11-01 --to 2026-11-30 --by week --format html > november.html
  genred report --from 7d --source radio --segments --format csv > segments.csv"
)]
pub struct Args {
    /// Configuration file of the daemon [default: as for `run`]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The log [default: as configured]
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    db: Option<PathBuf>,
    /// From when
    #[arg(long, value_name = "TIME", default_value = "today", allow_hyphen_values = true)]
    from: String,
    /// To when; a date is part of the report
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// These sources alone
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Length of a row's time
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The log's segments themselves, as CSV or JSON lines
    #[arg(long)]
    segments: bool,
    /// Days and hours of UTC, not of this machine's clock
    #[arg(long)]
    utc: bool,
}

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For spreadsheets
    Csv,
    /// For programs
    Json,
    /// A page with charts that needs nothing else
    Html,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.segments && args.format == Format::Html {
        bail!("`--segments` are printed with `--format csv` or `json`");
    }
    let zone = if args.utc { TimeZone::UTC } else { TimeZone::system() };
    let now = Timestamp::now();
    let local = now.to_zoned(zone.clone());
    let typed = |text: &str, edge| period::parse(text, edge, &local).map_err(anyhow::Error::msg);
    let (from, to) = (typed(&args.from, Edge::First)?, typed(&args.to, Edge::Last)?.min(now));
    let cut = |to| period::cut(from, to, args.by, &zone).map_err(anyhow::Error::msg);
    cut(to)?;
    let reader = Reader::open(&file(args)?)?;
    // The last seconds are not written yet: they are no hole.
    let written = Timestamp::from_millisecond(reader.written_to(now.as_millisecond())?)?;
    let to = if from < written { to.min(written) } else { to };
    let periods = cut(to)?;
    let sources = reader.sources(&args.source)?;
    let (from, to, now) = (from.as_millisecond(), to.as_millisecond(), now.as_millisecond());
    let mut out = BufWriter::new(std::io::stdout().lock());
    if args.segments {
        let json = args.format == Format::Json;
        if !json {
            out.write_all(render::segments_header().as_bytes())?;
        }
        for (source, _) in &sources {
            for segment in reader.segments(source, from, to)? {
                if json {
                    writeln!(out, "{}", render::segment_json(source, &segment, &zone))?;
                } else {
                    out.write_all(render::segment_csv(source, &segment, &zone).as_bytes())?;
                }
            }
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut parts = Vec::with_capacity(sources.len());
    for (source, name) in &sources {
        // One at a time: a year of hundreds of sources need not be held at once.
        parts.push(tally::source(&reader.record((source, name), from, to, now)?, &periods));
    }
    let report = Report { from, to, sources: parts };
    match args.format {
        Format::Table => out.write_all(render::table(&report, args.by, &zone).as_bytes())?,
        Format::Csv => out.write_all(render::csv(&report, &zone).as_bytes())?,
        Format::Json => writeln!(out, "{:#}", render::json(&report, args.by, &zone))?,
        Format::Html => out.write_all(html::page(&report, args.by, &zone).as_bytes())?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The log: as it was typed, as it is configured, else the system service's.
fn file(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.db {
        return Ok(path.clone());
    }
    let place = Place::load(args.config.as_deref()).context("`--db` names a log without a configuration")?;
    let path = place.log(None)?;
    let is_configured = place.log.path.is_some() || place.state_dir.is_some();
    let system = place.log(Some(Path::new(SYSTEM_STATE_DIR)))?;
    Ok(if !path.exists() && !is_configured && system.exists() { system } else { path })
}
