//! `genred bench`: what this machine does.

mod front_end;
mod model;
#[cfg(feature = "broker")]
mod streams;

use std::process::ExitCode;

use clap::Subcommand;

/// Measure what the parts cost on this machine: the model and all before it, or one part.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    model: model::Args,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Log-mel frames from samples at the model's rate, beside the bare Fourier transforms; one thread
    FrontEnd(front_end::Args),
    /// The whole daemon with many sources that play as if live, to the broker's acknowledgements
    #[cfg(feature = "broker")]
    Streams(streams::Args),
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        None => model::run(&args.model),
        Some(What::FrontEnd(args)) => front_end::run(args),
        #[cfg(feature = "broker")]
        Some(What::Streams(args)) => streams::run(args),
    }
}

/// The median, the higher of the two middle ones of an even count; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// White noise at −14 dBFS from a linear congruential generator (Numerical Recipes' constants).
fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.35
    })
    .take(samples)
    .collect()
}
