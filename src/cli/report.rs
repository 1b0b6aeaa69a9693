//! `genred report`: reports of the as-run log.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::asrun::period::{self, DayEdge, PeriodLength};
use crate::asrun::{AsRunReport, html, render, tally};
use crate::config::{DaemonLocation, SYSTEM_STATE_DIR};
use crate::sink::asrun::LogReader;

/// Report from the as-run log: shares of genres, speech, silence and outages.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Times: 2026-11-03T14:00:00Z, 2026-11-03 (all of that day), now, today, yesterday, or 90m, 12h, 7d, 2w ago.

Examples:
  genred report --from yesterday --to yesterday --by hour
  genred report --from 2026-11-01 --to 2026-11-30 --by week --format html > november.html
  genred report --from 7d --source radio --segments --format csv > segments.csv"
)]
pub(crate) struct ReportArgs {
    /// Configuration file of the daemon [default: as for `run`]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log file [default: as configured]
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    db: Option<PathBuf>,
    /// Start
    #[arg(long, value_name = "TIME", default_value = "today", allow_hyphen_values = true)]
    from: String,
    /// End; a date is part of the report
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Only these sources
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Length of the periods
    #[arg(long, value_enum, default_value_t = PeriodLength::Day)]
    by: PeriodLength,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,
    /// Segments of the log, as CSV or JSON lines
    #[arg(long)]
    segments: bool,
    /// Use UTC instead of the local time zone
    #[arg(long)]
    utc: bool,
}

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// For people
    Table,
    /// For spreadsheets
    Csv,
    /// For programs
    Json,
    /// One page with charts, without external resources
    Html,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    if args.segments && args.format == ReportFormat::Html {
        bail!("`--segments` requires `--format csv` or `--format json`");
    }
    let zone = if args.utc { TimeZone::UTC } else { TimeZone::system() };
    let now = Timestamp::now();
    let local = now.to_zoned(zone.clone());
    let typed = |text: &str, edge| period::parse(text, edge, &local);
    let (from, to) = (typed(&args.from, DayEdge::First)?, typed(&args.to, DayEdge::Last)?.min(now));
    let cut = |to| period::cut(from, to, args.by, &zone);
    cut(to)?;
    let reader = LogReader::open(&file(args)?)?;
    // The last seconds are not written yet, which is no gap.
    let written = Timestamp::from_millisecond(reader.written_to(now.as_millisecond())?)?;
    let to = if from < written { to.min(written) } else { to };
    let periods = cut(to)?;
    let sources = reader.sources(&args.source)?;
    let (from, to, now) = (from.as_millisecond(), to.as_millisecond(), now.as_millisecond());
    let mut out = BufWriter::new(std::io::stdout().lock());
    if args.segments {
        let json = args.format == ReportFormat::Json;
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
        // One source at a time, to limit the memory for a year of hundreds of sources.
        parts.push(tally::source(&reader.record((source, name), from, to, now)?, &periods));
    }
    let report = AsRunReport { from, to, sources: parts };
    match args.format {
        ReportFormat::Table => out.write_all(render::table(&report, args.by, &zone).as_bytes())?,
        ReportFormat::Csv => out.write_all(render::csv(&report, &zone).as_bytes())?,
        ReportFormat::Json => writeln!(out, "{:#}", render::json(&report, args.by, &zone))?,
        ReportFormat::Html => out.write_all(html::page(&report, args.by, &zone).as_bytes())?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Path of the log: from the command line, from the configuration, or that of the system service.
fn file(args: &ReportArgs) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.db {
        return Ok(path.clone());
    }
    let place = DaemonLocation::load(args.config.as_deref())
        .context("use `--db` to read a log without a configuration")?;
    let path = place.log(None)?;
    let is_configured = place.log.path.is_some() || place.state_dir.is_some();
    let system = place.log(Some(Path::new(SYSTEM_STATE_DIR)))?;
    Ok(if !path.exists() && !is_configured && system.exists() { system } else { path })
}
