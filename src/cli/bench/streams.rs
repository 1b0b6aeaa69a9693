//! `genred bench streams`: the whole daemon with many simulated live sources.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::audio::Block;
use crate::config::{Config, Overrides};
use crate::counters::Histogram;
use crate::engine::{self, RunOutcome, Services};
use crate::sink::mqtt::broker;
use crate::source::{self, Read};
use crate::thread::{Stop, spawn};
use crate::usage::Usage;

/// Twelve seconds of synthetic music, MP3 at 44.1 kHz stereo and 128 kbit/s, made by
/// `benches/python_loop.py`.
const LOOP: &[u8] = include_bytes!("../../../benches/loop.mp3");

/// Options of `genred bench streams`.
#[derive(Debug, clap::Args)]
pub(crate) struct StreamsBenchArgs {
    /// Number of concurrent sources
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sources: u32,
    /// Codec of the built-in audio
    #[arg(long, value_enum, default_value_t = LoopCodec::Mp3)]
    codec: LoopCodec,
    /// Duration, in seconds
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// File to play in a loop instead of the built-in audio
    #[arg(long, value_name = "FILE", conflicts_with = "codec")]
    input: Option<PathBuf>,
    /// Broker to use instead of the embedded one, `mqtt://HOST:PORT`
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Interval between patches, in seconds, 0.25 to 3
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = super::super::parse_hop)]
    hop: f64,
    /// Name or path of the model bundle
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd")]
    model: String,
    /// Number of threads per inference run
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Maximum number of jobs per inference run [default: as for `run`]
    #[arg(long, value_name = "N")]
    max_batch: Option<usize>,
    /// Write the as-run log of all sources
    #[arg(long)]
    log: bool,
    /// Serve the page at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    page: Option<String>,
    /// Keep the newest audio of all sources for clips
    #[arg(long, value_name = "FORMAT", value_parser = ["opus", "flac"])]
    clips: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LoopCodec {
    Wav,
    Mp3,
}

/// Sums over all sources.
#[derive(Debug, Serialize)]
struct DaemonFigures {
    sources: u32,
    produced: u64,
    scored: u64,
    dropped: u64,
    /// Audio skipped because of overload, in seconds.
    skipped_s: f64,
    /// Scored patches of the source with the fewest.
    scored_least: u64,
    /// Median time from the last sample of a patch to the broker's acknowledgement.
    latency_ms_p50: Option<f64>,
    latency_ms_p99: Option<f64>,
    /// Resident memory of the process, including the embedded broker, at the end.
    rss_mb: Option<f64>,
    rss_mb_half_way: Option<f64>,
    cpu_cores: Option<f64>,
    broker: String,
    /// Patches in the as-run log, if it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    logged: Option<u64>,
}

pub(crate) fn run(args: &StreamsBenchArgs) -> anyhow::Result<ExitCode> {
    let folder = BenchFolder::new()?;
    let input = match &args.input {
        Some(input) => fs::canonicalize(input).with_context(|| format!("`{}`", input.display()))?,
        None => folder.write_loop(args.codec)?,
    };
    let (broker, url) = match &args.broker {
        Some(url) => (url.clone(), url.clone()),
        None => ("embedded".to_owned(), format!("mqtt://{}", broker::start(0)?)),
    };
    let config =
        Config::from_toml(&settings(args, &folder, &input, &url), "the bench", &Overrides::default())?;
    let mut figures = measure(args, config, broker)?;
    if args.log {
        figures.logged = Some(logged(&folder.log())?);
    }
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&figures)?)?;
    } else {
        let DaemonFigures { sources, produced, scored, dropped, scored_least, .. } = figures;
        let or_none = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
        writeln!(stdout, "sources     {sources:>9}, broker {}", figures.broker)?;
        writeln!(stdout, "patches     {produced:>9}: {scored} scored, {dropped} dropped")?;
        writeln!(stdout, "            {scored_least:>9} scored of the source with the fewest")?;
        if let Some(logged) = figures.logged {
            writeln!(stdout, "            {logged:>9} in the as-run log")?;
        }
        writeln!(stdout, "latency     {:>9} ms median", or_none(figures.latency_ms_p50))?;
        writeln!(stdout, "            {:>9} ms, 99 %", or_none(figures.latency_ms_p99))?;
        writeln!(stdout, "memory      {:>9} MiB", or_none(figures.rss_mb))?;
        writeln!(stdout, "processor   {:>9} cores", figures.cpu_cores.map_or("-".into(), |c| c.to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the configuration of the daemon, without discovery and with its files in `folder`.
fn settings(args: &StreamsBenchArgs, folder: &BenchFolder, input: &Path, broker: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let max_batch = args.max_batch.map(|size| format!("max_batch = {size}\n")).unwrap_or_default();
    let mut text = format!(
        "node = 'bench'\nstate_dir = {own}\nruntime_dir = {own}\nhop_s = {:?}\n[model]\nbundle = {}\nthreads = {}\n{max_batch}\
         [mqtt]\nurl = {}\npublish_patches = true\npatch_qos = 1\ndiscovery = 'off'\n",
        args.hop,
        quoted(&args.model),
        args.threads,
        quoted(broker),
        own = quoted(&folder.0.display().to_string()),
    );
    if cfg!(feature = "log") {
        let path = quoted(&folder.log().display().to_string());
        text += &format!("[log]\nenabled = {}\npath = {path}\n", args.log);
    }
    if cfg!(feature = "web") {
        text += &match &args.page {
            Some(address) => format!("[web]\nbind = {}\n", quoted(address)),
            None => "[web]\nenabled = false\n".to_owned(),
        };
    }
    let uri = quoted(&format!("file:{}", input.display()));
    for number in 0..args.sources {
        text += &format!("[[source]]\nname = 's{number}'\nuri = {uri}\nrepeat = true\n");
        if let Some(format) = &args.clips {
            text += &format!("[source.clip]\nenabled = true\nformat = '{format}'\n");
        }
    }
    text
}

fn measure(args: &StreamsBenchArgs, config: Config, broker: String) -> anyhow::Result<DaemonFigures> {
    let stop = Stop::new().context("the system refused a pipe")?;
    super::super::signals::stop_on_signal(&stop).context("signals cannot be handled")?;
    let daemon = {
        let stop = stop.clone();
        spawn("bench-daemon", move || engine::run(&config, Services::default(), &stop))?
    };
    // Includes the time to load the model, which is short compared with the measurement.
    let mut usage = Usage::begin();
    let half = Duration::from_secs(args.seconds.into()) / 2;
    let (mut memory, mut half_way) = (None, None);
    for _ in 0..2 {
        if stop.wait(half) || daemon.is_finished() {
            break;
        }
        (half_way, memory) = (memory, usage.rss_mb());
    }
    let cpu_cores = usage.cpu_cores();
    stop.set();
    let outcome = match daemon.join() {
        Ok(outcome) => outcome?,
        Err(_) => bail!("the daemon ended unexpectedly; see the lines above"),
    };
    figures(args, outcome, broker, (memory, half_way, cpu_cores))
}

fn figures(
    args: &StreamsBenchArgs,
    outcome: RunOutcome,
    broker: String,
    (rss_mb, rss_mb_half_way, cpu_cores): (Option<f64>, Option<f64>, Option<f64>),
) -> anyhow::Result<DaemonFigures> {
    if let Some((source, reason)) = outcome.failed.first() {
        bail!("source `{source}` failed: {reason}");
    }
    let counters = &outcome.counters;
    ensure!(counters.iter().any(|counters| counters.scored.get() > 0), "nothing was scored; play longer");
    let latency = |q| Histogram::quantile_ms_of(counters.iter().map(|counters| &counters.latency), q);
    Ok(DaemonFigures {
        sources: args.sources,
        produced: counters.iter().map(|counters| counters.produced.get()).sum(),
        scored: counters.iter().map(|counters| counters.scored.get()).sum(),
        dropped: counters.iter().map(|counters| counters.dropped.get()).sum(),
        skipped_s: counters.iter().map(|counters| counters.skipped_ms.get()).sum::<u64>() as f64 / 1000.0,
        scored_least: counters.iter().map(|counters| counters.scored.get()).min().unwrap_or_default(),
        latency_ms_p50: latency(0.5),
        latency_ms_p99: latency(0.99),
        rss_mb,
        rss_mb_half_way,
        cpu_cores,
        broker,
        logged: None,
    })
}

/// Returns the number of scored patches in the log at `path`.
#[cfg(feature = "log")]
fn logged(path: &Path) -> anyhow::Result<u64> {
    let reader = crate::sink::asrun::LogReader::open(path)?;
    let mut scored = 0;
    for (source, name) in reader.sources(&[])? {
        let record = reader.record((&source, &name), 0, i64::MAX, i64::MAX)?;
        scored += record.levels.iter().map(|level| level.scored).sum::<u64>();
    }
    Ok(scored)
}

/// Fails, since this build has no as-run log.
#[cfg(not(feature = "log"))]
fn logged(_: &Path) -> anyhow::Result<u64> {
    bail!("this build has no as-run log; build with the feature `log`")
}

/// Temporary folder, removed on drop.
struct BenchFolder(PathBuf);

impl BenchFolder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("genred-bench-{}", std::process::id()));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("`{}`", path.display()))?;
        Ok(Self(path))
    }

    /// Path of the as-run log.
    fn log(&self) -> PathBuf {
        self.0.join("asrun.sqlite")
    }

    /// Writes the built-in audio in `codec` and returns its path.
    fn write_loop(&self, codec: LoopCodec) -> anyhow::Result<PathBuf> {
        let mp3 = self.0.join("loop.mp3");
        fs::write(&mp3, LOOP)?;
        match codec {
            LoopCodec::Mp3 => Ok(mp3),
            LoopCodec::Wav => {
                let wav = self.0.join("loop.wav");
                fs::write(&wav, to_wav(&mp3)?)?;
                Ok(wav)
            }
        }
    }
}

impl Drop for BenchFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Converts a file to a 16-bit WAV file.
fn to_wav(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut source = source::open::open_file(file)?;
    let mut block = Block::with_capacity(crate::audio::SampleRate::HZ_48000, 2, 8192);
    let mut data: Vec<u8> = Vec::new();
    loop {
        match source.read(&mut block)? {
            Read::Audio => data.extend(
                block.interleaved.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()),
            ),
            Read::Idle => {}
            Read::End => break,
        }
    }
    let (rate, channels) = (block.rate.hertz(), u32::from(block.channels));
    let mut wav = Vec::with_capacity(44 + data.len());
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    wav.extend_from_slice(&(channels as u16).to_le_bytes());
    wav.extend_from_slice(&rate.to_le_bytes());
    wav.extend_from_slice(&(rate * channels * 2).to_le_bytes());
    wav.extend_from_slice(&((channels * 2) as u16).to_le_bytes());
    wav.extend_from_slice(b"\x10\0data");
    wav.extend_from_slice(&(data.len() as u32).to_le_bytes());
    wav.extend_from_slice(&data);
    Ok(wav)
}
