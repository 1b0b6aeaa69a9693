//! `genred bench`: measures the performance on this machine.

mod front_end;
mod measurement;
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
