//! `genred check`

mod source;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{Config, Overrides, standard_paths};
use crate::decision::FormatMonitor;
use crate::model::{Model, ModelError};

/// Check a configuration, its model, files, programs and devices, and say what would run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration file [default: where `run` looks]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), &Overrides::default())?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "config    {}", origin(config.file.as_deref()))?;
    writeln!(stdout, "node      {}", config.node)?;
    let mut faults = 0;
    match Model::load(&config.model) {
        Ok(model) => {
            writeln!(
                stdout,
                "model     {} · head {} ({} labels) · {} ({})",
                model.bundle().manifest.name,
                model.head().name(),
                model.head().labels().len(),
                model.provider(),
                model.provider_reason()
            )?;
            for (index, entry) in config.sources.iter().enumerate() {
                if let Err(what) = FormatMonitor::new(model.head().labels(), &entry.watch) {
                    faults += 1;
                    let place = place(&config, &format!("source.{index}.format"));
                    super::say(format_args!("{place}source `{}`: {what}", entry.source.name));
                }
            }
        }
        Err(error) => {
            faults += 1;
            writeln!(
                stdout,
                "model     {} · head {} (cannot be used)",
                config.model.bundle, config.model.head
            )?;
            // The head's file is named where the head is at fault.
            let key = if matches!(error, ModelError::Head { .. }) { "model.head" } else { "model.bundle" };
            super::say(format_args!("{}{error}", place(&config, key)));
        }
    }
    #[cfg(feature = "mqtt")]
    writeln!(stdout, "mqtt      {}", describe_mqtt(&config.mqtt))?;
    let mut devices = source::Devices::default();
    for (index, entry) in config.sources.iter().enumerate() {
        let source = &entry.source;
        let shown = match source.display_name == source.name {
            true => source.name.clone(),
            false => format!("{} \"{}\"", source.name, source.display_name),
        };
        let note = match source::look(&source.uri, &mut devices) {
            source::Found::Yes => String::new(),
            source::Found::Perhaps(note) => format!(" ({note})"),
            source::Found::No(note) => {
                faults += 1;
                let keys = ["command", "uri"].map(|key| format!("source.{index}.{key}"));
                let line = keys.iter().find_map(|key| config.line(key));
                format!(" ({note}){}", line.map(|line| format!(" · line {line}")).unwrap_or_default())
            }
        };
        writeln!(stdout, "source    {shown} · {}{note}", source.uri)?;
    }
    for warning in config.warnings() {
        super::say(format_args!("warning: {warning}"));
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// File and line of a key, as messages begin; empty where it is not there.
fn place(config: &Config, key: &str) -> String {
    match (&config.file, config.line(key)) {
        (Some(file), Some(line)) => format!("{}: line {line}: ", file.display()),
        _ => String::new(),
    }
}

fn origin(file: Option<&Path>) -> String {
    match file {
        Some(file) => file.display().to_string(),
        None => {
            let looked: Vec<String> =
                standard_paths().iter().map(|path| path.display().to_string()).collect();
            format!("the defaults (no file at {}; `-c FILE` names one)", looked.join(" or "))
        }
    }
}

#[cfg(feature = "mqtt")]
fn describe_mqtt(mqtt: &crate::sink::mqtt::MqttConfig) -> String {
    match (mqtt.enabled, mqtt.embedded) {
        (false, _) => "off".into(),
        (true, true) => format!("embedded broker on {}", mqtt.server),
        (true, false) => format!("broker {}", mqtt.server),
    }
}
