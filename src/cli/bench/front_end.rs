//! `genred bench front-end`

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use realfft::RealFftPlanner;
use serde::Serialize;

use super::measurement::{median, noise};
use crate::dsp::{LogMel, LogMelParams};
use crate::model::Bundle;

/// Options of `genred bench front-end`.
#[derive(Debug, clap::Args)]
pub(crate) struct FrontEndBenchArgs {
    /// Audio per round, in seconds, 1 to 3600
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Name or path of the model bundle that defines the front end
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd")]
    model: String,
}

/// Seconds of audio per second of computation.
#[derive(Debug, Serialize)]
struct FrontEndFigures {
    front_end_x_realtime: f64,
    fft_only_x_realtime: f64,
}

pub(crate) fn run(args: &FrontEndBenchArgs) -> anyhow::Result<ExitCode> {
    let front_end = Bundle::open(&args.model)?.front_end;
    let figures = figures(&front_end, args.seconds)?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&figures)?)?;
    } else {
        let FrontEndFigures { front_end_x_realtime, fft_only_x_realtime } = figures;
        writeln!(stdout, "log-mel frames    {front_end_x_realtime:>10.0} × real time")?;
        writeln!(stdout, "transforms alone  {fft_only_x_realtime:>10.0} × real time")?;
        writeln!(stdout, "ratio             {:>10.2}", fft_only_x_realtime / front_end_x_realtime)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Number of rounds; the median counts. Both measurements alternate, so that other load on the
/// machine affects both.
const ROUNDS: usize = 7;

fn figures(params: &LogMelParams, seconds: u32) -> anyhow::Result<FrontEndFigures> {
    let samples = noise(params.sample_rate.hertz() as usize * seconds as usize);
    let mut log_mel = LogMel::new(params)?;
    let mut rows = Vec::with_capacity((params.frames(samples.len() as u64) as usize + 1) * params.bands);
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(params.fft_size);
    let (mut input, mut output) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    let (mut front_end_s, mut fft_s) = (Vec::new(), Vec::new());
    // The first round warms up caches and clock frequency and is not counted.
    for round in 0..=ROUNDS {
        let began = Instant::now();
        rows.clear();
        log_mel.push(&samples, &mut rows);
        log_mel.finish(&mut rows);
        std::hint::black_box(&rows);
        let middle = Instant::now();
        for frame in samples.windows(params.fft_size).step_by(params.hop_length) {
            input.copy_from_slice(frame);
            fft.process_with_scratch(&mut input, &mut output, &mut scratch)
                .context("the transform failed")?;
            std::hint::black_box(&output);
        }
        if round > 0 {
            front_end_s.push((middle - began).as_secs_f64());
            fft_s.push(middle.elapsed().as_secs_f64());
        }
    }
    let times_realtime = |spent: Vec<f64>| (f64::from(seconds) / median(spent) * 10.0).round() / 10.0;
    Ok(FrontEndFigures {
        front_end_x_realtime: times_realtime(front_end_s),
        fft_only_x_realtime: times_realtime(fft_s),
    })
}
