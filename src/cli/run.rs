//! `genred run`: the daemon.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::signals;
use crate::config::{Config, Output, Overrides};
use crate::engine::{self, Services};
use crate::thread::Stop;

/// Options of `genred run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Configuration file [default: $GENRED_CONFIG, ~/.config/genred/genred.toml,
    /// /etc/genred/genred.toml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sources that replace the configured ones: a file, `-`, `device:NAME`,
    /// `stdin:?format=…&rate=…&channels=…`
    #[arg(value_name = "URI")]
    uris: Vec<String>,
    /// Results on standard output [default: as configured; else text on a terminal, none
    /// elsewhere]; JSON lines include every patch
    #[arg(long, value_enum)]
    output: Option<Output>,
    /// Read files as fast as they can be scored
    #[arg(long)]
    fast: bool,
    /// Interval between patches, in seconds, 0.25 to 3
    #[arg(long, value_name = "SECONDS", value_parser = super::parse_hop)]
    hop: Option<f64>,
    /// Name or path of the model bundle
    #[arg(long, value_name = "NAME|PATH")]
    model: Option<String>,
    /// Name of the head, or path of its TOML file
    #[arg(long, value_name = "NAME|PATH")]
    head: Option<String>,
    /// Disable MQTT
    #[arg(long)]
    no_mqtt: bool,
    /// Disable the page
    #[arg(long)]
    no_web: bool,
}

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let stop = Stop::new().context("the system refused a pipe")?;
    signals::stop_on_signal(&stop).context("signals cannot be handled")?;
    let config = Config::load(args.config.as_deref(), &overrides(args))?;
    if let Some(file) = &config.file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let outcome = engine::run(&config, services(&config, &stop), &stop)?;
    for (source, reason) in &outcome.failed {
        super::say(format_args!("source `{source}` failed: {reason}"));
    }
    Ok(if outcome.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Services that the page needs from higher layers.
#[cfg(feature = "web")]
fn services(config: &Config, stop: &Stop) -> Services {
    use crate::decision::SilenceConfig;
    use crate::sink::web::services::WebServices;
    use crate::study::classify_service::ClassifyService;

    let classifier = ClassifyService::shared(&config.model, &SilenceConfig::default(), stop.clone());
    Services { web: WebServices { classifier: config.web.enabled.then_some(classifier) } }
}

/// Services that the engine needs from higher layers: none without the page.
#[cfg(not(feature = "web"))]
fn services(_: &Config, _: &Stop) -> Services {
    Services::default()
}

/// Returns the options as overrides of the configuration file.
fn overrides(args: &RunArgs) -> Overrides {
    let on_terminal = std::io::stdout().is_terminal();
    Overrides {
        uris: args.uris.clone(),
        hop_s: args.hop,
        bundle: args.model.clone(),
        head: args.head.clone(),
        fast: args.fast,
        no_mqtt: args.no_mqtt,
        no_web: args.no_web,
        output: args.output,
        default_output: if on_terminal { Output::Text } else { Output::None },
    }
}
