//! `genred bench`: the stages from samples to scores, measured separately.

use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use super::super::{HopArgs, ModelArgs};
use super::measurement::{median, noise};
use crate::audio::{Block, Patch, SampleRate, SourceId, Span};
use crate::dsp::{FrontEnd, LogMel, Loudness, PatchView, Resampler};
use crate::limits::ArgumentError;
use crate::model::{Classifier, Cutter, Model, Provider, Stretch};

/// Options of `genred bench` without a subcommand.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelBenchArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    hop: HopArgs,
    /// Name of the head, or path of its TOML file
    #[arg(long, value_name = "NAME|PATH")]
    head: Option<String>,
    /// Number of streams per inference run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Execution provider [default: as for `run`]
    #[arg(long, value_name = "cpu|cuda", value_parser = parse_provider)]
    provider: Option<Provider>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn parse_provider(text: &str) -> Result<Provider, ArgumentError> {
    let known = [Provider::Cpu, Provider::Cuda];
    let found = known.into_iter().find(|provider| provider.as_str() == text);
    found.ok_or_else(|| ArgumentError::new("`cpu` or `cuda`"))
}

/// Medians over rounds. Everything but the inference runs on one thread.
#[derive(Debug, Serialize)]
struct ModelFigures {
    model: String,
    execution_provider: &'static str,
    threads: usize,
    batch: u32,
    hop_s: f64,
    /// Seconds of audio per second of computation of log-mel frames.
    front_end_x_realtime: f64,
    /// Input gain, trunk and heads for one patch.
    score_ms_per_patch: f64,
    /// Front end and model for one second of audio.
    stream_second_ms: f64,
    /// Audio after the end of a patch that the model needs.
    lookahead_ms: f64,
    /// Resampling of one second of mono audio from 44.1 kHz to the model's rate.
    resample_ms: f64,
    /// Loudness of one second of stereo audio at 44.1 kHz.
    loudness_ms: f64,
    /// Number of streams that saturate one core with front end and model alone.
    streams_per_core: f64,
}

/// Number of rounds; the median counts.
const ROUNDS: usize = 15;
/// Audio per round, in seconds.
const SECONDS: usize = 20;
/// Sample rate of most broadcasts, in Hz.
const SOURCE_RATE: u32 = 44_100;

pub(crate) fn run(args: &ModelBenchArgs) -> anyhow::Result<ExitCode> {
    let mut model = args.model.load_on(args.head.as_deref(), args.provider)?;
    let figures = measure(&mut model, args)?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&figures)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(stdout, "front end          {:>9.0} × real time", figures.front_end_x_realtime)?;
    writeln!(stdout, "a patch            {:>9.3} ms, level, trunk and heads", figures.score_ms_per_patch)?;
    writeln!(stdout, "a second of sound  {:>9.3} ms, hop {} s", figures.stream_second_ms, figures.hop_s)?;
    writeln!(stdout, "  resampling       {:>9.3} ms more, from 44.1 kHz", figures.resample_ms)?;
    writeln!(stdout, "  loudness         {:>9.3} ms more, stereo", figures.loudness_ms)?;
    writeln!(stdout, "streams a core     {:>9.0}, nothing else counted", figures.streams_per_core)?;
    Ok(ExitCode::SUCCESS)
}

/// Durations per round, in seconds per second of audio or per patch.
#[derive(Default)]
struct Durations {
    front_end: Vec<f64>,
    score: Vec<f64>,
    resample: Vec<f64>,
    loudness: Vec<f64>,
}

fn measure(model: &mut Model, args: &ModelBenchArgs) -> anyhow::Result<ModelFigures> {
    let params = model.front_end().clone();
    // Quiet, so that the input gain is not 1.
    let samples: Vec<f32> =
        noise(params.sample_rate.hertz() as usize * SECONDS).iter().map(|sample| sample * 0.1).collect();
    let mut log_mel = LogMel::new(&params)?;
    let mut rows = Vec::new();
    let patches = cut(model, &samples, args.hop.hop)?;
    let batch = args.batch as usize;
    let count = (patches.len() - 1) * batch;
    let mut streams: Vec<(Cutter, Stretch)> =
        (0..batch).map(|source| (Cutter::new(model.feed(), source), Stretch::default())).collect();

    let rate = SampleRate::new(SOURCE_RATE).context("the rate is out of range")?;
    let source = noise(SOURCE_RATE as usize * 2 * SECONDS);
    let mono = &source[..SOURCE_RATE as usize * SECONDS];
    let mut resampler = Resampler::new(rate, params.sample_rate)?;
    let mut resampled = Vec::new();
    let mut loudness = Loudness::new(rate, 2, false)?;

    let mut durations = Durations::default();
    // The first round warms up caches and clock frequency and is not counted.
    for round in 0..=ROUNDS {
        let began = Instant::now();
        rows.clear();
        log_mel.push(&samples, &mut rows);
        black_box(&rows);
        let framed = Instant::now();
        let started = score(model, &mut streams, &patches)?;
        let scored = Instant::now();
        resampled.clear();
        resampler.push(mono, &mut resampled);
        black_box(&resampled);
        let converted = Instant::now();
        loudness.push(&source, mono);
        let metered = Instant::now();
        if round > 0 {
            durations.front_end.push((framed - began).as_secs_f64() / SECONDS as f64);
            durations.score.push((scored - started).as_secs_f64() / count as f64);
            durations.resample.push((converted - scored).as_secs_f64() / SECONDS as f64);
            durations.loudness.push((metered - converted).as_secs_f64() / SECONDS as f64);
        }
    }
    Ok(figures(model, args, durations))
}

/// Scores `patches` on all `streams`. Returns the time after the first patch, which is more
/// expensive because its run holds a whole patch.
fn score(
    model: &mut Model,
    streams: &mut [(Cutter, Stretch)],
    patches: &[OwnedPatch],
) -> anyhow::Result<Instant> {
    let bands = model.front_end().bands;
    let mut scores = Vec::new();
    model.forget();
    streams.iter_mut().for_each(|(cutter, _)| cutter.lost());
    let mut started = Instant::now();
    for (index, patch) in patches.iter().enumerate() {
        if index == 1 {
            started = Instant::now();
        }
        let view = patch.view(bands);
        let mut is_whole = false;
        streams.iter_mut().for_each(|(cutter, stretch)| is_whole = cutter.add(&view, stretch));
        if is_whole {
            scores.clear();
            model.score(&streams.iter().map(|(_, stretch)| stretch).collect::<Vec<_>>(), &mut scores)?;
            black_box(&scores);
            streams.iter_mut().for_each(|(_, stretch)| stretch.clear());
        }
    }
    Ok(started)
}

fn figures(model: &Model, args: &ModelBenchArgs, durations: Durations) -> ModelFigures {
    let Durations { front_end, score, resample, loudness } = durations;
    let [front_end_s, score_s, resample_s, loudness_s] = [front_end, score, resample, loudness].map(median);
    let threads = args.model.threads.max(1);
    let patches_per_second = 1.0 / args.hop.hop;
    let stream_second_ms = 1e3 * (front_end_s + score_s * patches_per_second);
    // An inference run on several threads occupies as many cores.
    let core_second_s = front_end_s + threads as f64 * score_s * patches_per_second;
    ModelFigures {
        model: model.bundle().manifest.name.clone(),
        execution_provider: model.provider().as_str(),
        threads,
        batch: args.batch,
        hop_s: args.hop.hop,
        front_end_x_realtime: rounded(1.0 / front_end_s),
        score_ms_per_patch: rounded(1e3 * score_s),
        stream_second_ms: rounded(stream_second_ms),
        lookahead_ms: model.lookahead_ms(),
        resample_ms: rounded(1e3 * resample_s),
        loudness_ms: rounded(1e3 * loudness_s),
        streams_per_core: rounded(1.0 / core_second_s),
    }
}

/// Owned copy of a [`PatchView`].
struct OwnedPatch {
    patch: Patch,
    segment: u64,
    start: u64,
    more: bool,
    lead: usize,
    log_mel: Vec<f32>,
    context: Vec<f32>,
}

impl OwnedPatch {
    fn view(&self, bands: usize) -> PatchView<'_> {
        let Self { patch, segment, start, more, lead, ref log_mel, ref context } = *self;
        PatchView {
            patch,
            segment,
            start,
            more,
            bands,
            log_mel,
            context,
            lead,
            received_to_s: patch.span.end,
        }
    }
}

/// Returns the patches of `samples`, mono at the model's rate.
fn cut(model: &Model, samples: &[f32], hop: f64) -> anyhow::Result<Vec<OwnedPatch>> {
    let params = model.front_end();
    let patches = model.feed().patches(hop);
    let mut front_end = FrontEnd::new(SourceId(0), params, &patches)?;
    let block = Block {
        interleaved: samples.to_vec(),
        channels: 1,
        rate: params.sample_rate,
        span: Span { start: 0, end: samples.len() as u64 },
        gap: false,
        anchor: None,
    };
    let mut cuts = Vec::new();
    front_end.push(&block, &mut |view| {
        let PatchView { patch, segment, start, more, lead, .. } = view;
        let (log_mel, context) = (view.log_mel.to_vec(), view.context.to_vec());
        cuts.push(OwnedPatch { patch, segment, start, more, lead, log_mel, context });
    })?;
    anyhow::ensure!(cuts.len() > 1, "too little sound for two patches");
    Ok(cuts)
}

/// Rounds to a thousandth.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
