//! `genred bench`

mod front_end;
mod model;
#[cfg(feature = "broker")]
mod streams;

use std::process::ExitCode;

use clap::Subcommand;

/// Options of `genred bench`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    target: Option<BenchTarget>,
    #[command(flatten)]
    model: model::ModelBenchArgs,
}

#[derive(Debug, Subcommand)]
enum BenchTarget {
    /// Measure the log-mel front end against its Fourier transforms alone, on one thread
    FrontEnd(front_end::FrontEndBenchArgs),
    /// Measure the whole daemon with simulated live sources, up to the broker's acknowledgements
    #[cfg(feature = "broker")]
    Streams(streams::StreamsBenchArgs),
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.target {
        None => model::run(&args.model),
        Some(BenchTarget::FrontEnd(args)) => front_end::run(args),
        #[cfg(feature = "broker")]
        Some(BenchTarget::Streams(args)) => streams::run(args),
    }
}

/// Returns the median, the upper one of an even number of values; 0 without values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Returns white noise at −14 dBFS from a linear congruential generator (constants of Numerical
/// Recipes).
fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.35
    })
    .take(samples)
    .collect()
}
