//! `genred check`: tests a configuration, its model and its sources without running them.

mod source;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{Config, Overrides, standard_paths};
use crate::decision::FormatMonitor;
use crate::model::{Model, ModelError};

/// Options of `genred check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Configuration file [default: as for `run`]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
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
                    let location = location(&config, &format!("source.{index}.format"));
                    super::say(format_args!("{location}source `{}`: {what}", entry.source.name));
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
            // The message refers to the key that caused the error.
            let key = if matches!(error, ModelError::Head { .. }) { "model.head" } else { "model.bundle" };
            super::say(format_args!("{}{error}", location(&config, key)));
        }
    }
    #[cfg(feature = "mqtt")]
    writeln!(stdout, "mqtt      {}", describe_mqtt(&config.mqtt))?;
    let mut devices = source::DeviceList::default();
    for (index, entry) in config.sources.iter().enumerate() {
        let source = &entry.source;
        let shown = match source.display_name == source.name {
            true => source.name.clone(),
            false => format!("{} \"{}\"", source.name, source.display_name),
        };
        let note = match source::check(&source.uri, &mut devices) {
            source::Presence::Present => String::new(),
            source::Presence::Unknown(note) => format!(" ({note})"),
            source::Presence::Missing(note) => {
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

/// Returns the prefix of a message about `key`: its file and line; empty where it is not set.
fn location(config: &Config, key: &str) -> String {
    match (&config.file, config.line(key)) {
        (Some(file), Some(line)) => format!("{}: line {line}: ", file.display()),
        _ => String::new(),
    }
}

fn origin(file: Option<&Path>) -> String {
    match file {
        Some(file) => file.display().to_string(),
        None => {
            let searched: Vec<String> =
                standard_paths().iter().map(|path| path.display().to_string()).collect();
            format!("the defaults (no file at {}; `-c FILE` names one)", searched.join(" or "))
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
