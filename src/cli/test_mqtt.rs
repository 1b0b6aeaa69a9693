//! `genred test-mqtt`: tests the connection to the broker.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;

use crate::config::{Config, Overrides};
use crate::model::Model;
use crate::sink::mqtt::check::{CheckContents, CheckStep, check};

/// Number of labels to assume if the head cannot be read.
const DEFAULT_LABEL_COUNT: usize = 50;

/// Check the configured MQTT broker step by step, with a remedy for each failure
#[derive(Debug, clap::Args)]
pub(crate) struct TestMqttArgs {
    /// Configuration file [default: as for `run`]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object per step
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &TestMqttArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), &Overrides::default())?;
    if !config.mqtt.enabled {
        bail!("MQTT is off: `mqtt.enabled` is false");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = format!("{:08x}", fastrand::u32(..));
    let sources = config.sources.iter().map(crate::engine::source_identity).collect();
    // Other commands report a model that cannot be read.
    let labels = Model::labels(&config.model).unwrap_or_else(|_| vec!["label".into(); DEFAULT_LABEL_COUNT]);
    let contents = CheckContents { labels, sources };
    let mut stdout = std::io::stdout().lock();
    let mut written = Ok(());
    let mut report = |step: &CheckStep| {
        if written.is_ok() {
            written = write_step(&mut stdout, step, args.json);
        }
    };
    let succeeded = runtime.block_on(check(&config.mqtt, &config.node, &run, contents, &mut report));
    written.context("standard output")?;
    if !succeeded && config.mqtt.embedded {
        super::say("no broker is configured: `genred run` starts one on this address while it runs");
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_step(out: &mut impl Write, step: &CheckStep, json: bool) -> std::io::Result<()> {
    let CheckStep { stage, outcome } = step;
    match (outcome, json) {
        (Ok(found), false) => writeln!(out, "ok      {stage:<13} {found}"),
        (Err(failure), false) => {
            writeln!(out, "failed  {stage:<13} {}", failure.reason)?;
            writeln!(out, "        {:<13} {}", "", failure.cure)
        }
        (Ok(found), true) => writeln!(out, "{}", json!({ "stage": stage, "ok": true, "found": found })),
        (Err(failure), true) => {
            let object =
                json!({ "stage": stage, "ok": false, "reason": failure.reason, "cure": failure.cure });
            writeln!(out, "{object}")
        }
    }
}
