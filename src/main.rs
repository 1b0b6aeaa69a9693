//! Layer 7: `genred`. Parses arguments, runs the command, reports errors.

use std::process::ExitCode;

use clap::Parser;
use genred::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            cli::say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
