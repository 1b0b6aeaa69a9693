//! `genred check`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;

use crate::config::Config;
use crate::decision::Watch;
use crate::model::Model;
use crate::source::Uri;

/// Check a configuration and its model, and say what would run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration file [default: where `run` looks]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), &[])?;
    let model = Model::load(&config.model)?;
    for entry in &config.sources {
        Watch::new(model.head().labels(), &entry.watch)
            .map_err(|what| anyhow!("source `{}`: {what}", entry.source.name))?;
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "node      {}", config.node)?;
    writeln!(
        stdout,
        "model     {} · head {} ({} labels) · {} ({})",
        model.bundle().manifest.name,
        model.head().name(),
        model.head().labels().len(),
        model.provider(),
        model.provider_reason()
    )?;
    #[cfg(feature = "mqtt")]
    writeln!(stdout, "mqtt      {}", describe_mqtt(&config.mqtt))?;
    let mut missing = 0;
    for entry in &config.sources {
        let note = match &entry.source.uri {
            Uri::File(path) if !path.exists() => {
                missing += 1;
                " (no such file)"
            }
            _ => "",
        };
        writeln!(stdout, "source    {} · {}{note}", entry.source.name, entry.source.uri)?;
    }
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(feature = "mqtt")]
fn describe_mqtt(mqtt: &crate::sink::mqtt::MqttConfig) -> String {
    match (mqtt.enabled, mqtt.embedded) {
        (false, _) => "off".into(),
        (true, true) => format!("embedded broker on {}", mqtt.server),
        (true, false) => format!("broker {}", mqtt.server),
    }
}
