//! `genred health`

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;

use super::page_client::{DEFAULT_URL, PageClient};

/// Ask a running daemon for its health; the exit code is 0 only if it is well
#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// Ask for readiness: model, MQTT, log and each required source
    #[arg(long)]
    ready: bool,
    /// Address of the daemon's page
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    url: String,
}

pub(crate) fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let client = PageClient::new(&args.url)?;
    let (status, body) = client.get(if args.ready { "ready" } else { "health" })?;
    writeln!(std::io::stdout(), "{}", body.trim_end())?;
    match status {
        200 => Ok(ExitCode::SUCCESS),
        503 => Ok(ExitCode::FAILURE),
        _ => {
            bail!("`{}` answers with status {status}; give the address of genred with `--url`", client.url())
        }
    }
}
