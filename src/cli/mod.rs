//! The command line: one file a subcommand.

mod bench;
mod check;
mod classify;
mod daemon;
mod devices;
mod embed;
mod eval;
mod eval_stream;
mod features;
mod inputs;
#[cfg(feature = "corrections")]
mod label;
mod progress;
#[cfg(feature = "log")]
mod report;
mod run;
mod signals;
#[cfg(feature = "mqtt")]
mod test_mqtt;
mod train;
mod why;

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::model::{Bundle, Model, ModelConfig, ModelError, Provider, TrunkKind};

/// Listens to music and says its genre, over MQTT.
#[derive(Debug, Parser)]
#[command(
    name = "genred",
    version,
    after_help = "Examples:
  genred run song.mp3                           follow a file as it plays
  genred run -c genred.toml                     the daemon, as configured
  ffmpeg -i URL -f wav - | genred run -         anything that ffmpeg can open
  genred classify --json album/*.flac           verdicts on whole files

Without a configuration `genred run` listens to the default input device and starts an
MQTT broker on 127.0.0.1:1883; `mosquitto_sub -t 'genred/#' -v` shows what it publishes."
)]
pub struct Cli {
    /// Say more on standard error (-v: what happens, -vv: why)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Say only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow sources and publish what plays
    Run(run::Args),
    /// Classify whole files
    Classify(classify::Args),
    /// List capture devices
    Devices(devices::Args),
    /// Check a configuration without running it
    Check(check::Args),
    /// Find out what is wrong with the connection to the MQTT broker
    #[cfg(feature = "mqtt")]
    TestMqtt(test_mqtt::Args),
    /// Write the log-mel frames of a file
    Features(features::Args),
    /// Write the embeddings of files
    Embed(embed::Args),
    /// Judge a head on labelled recordings that it was not trained on
    Eval(eval::Args),
    /// Teach genres of your own
    Train(train::Args),
    /// Show why a running daemon says what it says
    Why(why::Args),
    /// Correct what a running daemon says, for `train --corrections`
    #[cfg(feature = "corrections")]
    Label(label::Args),
    /// Say what was on air, from the as-run log
    #[cfg(feature = "log")]
    Report(report::Args),
    /// Measure what the parts cost on this machine
    Bench(bench::Args),
}

/// Runs what was asked for; the exit code is 1 where some of it failed.
///
/// # Errors
/// What keeps all of it from being done.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let level = match (cli.quiet, cli.verbose, matches!(cli.command, Command::Run(_))) {
        (true, ..) => "error",
        (false, 0, true) => "info",
        (false, 0, false) => "warn",
        (false, 1, _) => "info",
        (false, ..) => "debug",
    };
    start_logging(level);
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "mqtt")]
        Command::TestMqtt(args) => test_mqtt::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Why(args) => why::run(&args),
        #[cfg(feature = "corrections")]
        Command::Label(args) => label::run(&args),
        #[cfg(feature = "log")]
        Command::Report(args) => report::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        // Whoever closed our standard output has seen enough, as in `genred classify … | head`.
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

/// Tells people something on standard error, where nobody may be listening any more: `eprintln!` would panic then.
pub fn say(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "genred: {what}");
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// Logs go to standard error; `GENRED_LOG` takes tracing's filter directives.
fn start_logging(level: &str) {
    // What these report, our own messages say in the user's terms. To `pulseaudio` (of cpal) each connection that is
    // closed as intended is an error.
    let default = format!(
        "warn,genred={level},ort=error,rumqttc=off,mqtt5=off,mqtt5_protocol=off,symphonia=off,pulseaudio=off"
    );
    let filter = EnvFilter::try_from_env("GENRED_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let color =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        // They would be printed on the standard error that failed, and a thread that cannot print there panics.
        .log_internal_errors(false);
    // Under systemd the journal stamps the lines.
    let result = if std::env::var_os("JOURNAL_STREAM").is_some() {
        subscriber.without_time().with_target(false).try_init()
    } else {
        subscriber.with_target(false).try_init()
    };
    if let Err(error) = result {
        say(format_args!("logging does not start: {error}"));
    }
}

/// Which model, for the commands that work offline.
#[derive(Debug, clap::Args)]
struct ModelArgs {
    /// Model bundle: a name or a path
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd")]
    model: String,
    /// Trunk of the bundle [default: streamed, or the only one]
    #[arg(long, value_name = "streamed|windowed")]
    trunk: Option<TrunkKind>,
    /// Threads of one inference
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl ModelArgs {
    /// For embeddings alone, which a bundle without trained genres has too: any of its heads does.
    fn load_for_embedding(&self) -> Result<Model, ModelError> {
        let heads = Bundle::open(&self.model)?.heads();
        let usual = ModelConfig::default().head;
        self.load(heads.iter().find(|head| **head == usual).or(heads.first()).map(String::as_str))
    }

    fn load(&self, head: Option<&str>) -> Result<Model, ModelError> {
        self.load_on(head, None)
    }

    /// On `provider`, or as the daemon decides.
    fn load_on(&self, head: Option<&str>, provider: Option<Provider>) -> Result<Model, ModelError> {
        let defaults = ModelConfig::default();
        Model::load(&ModelConfig {
            bundle: self.model.clone(),
            head: head.map_or(defaults.head, str::to_owned),
            trunk: self.trunk,
            threads: self.threads.max(1),
            execution_providers: provider.map(|provider| vec![provider]),
            ..ModelConfig::default()
        })
    }
}

/// Seconds between patches.
#[derive(Debug, clap::Args)]
struct HopArgs {
    /// Seconds between patches, 0.25 to 3
    #[arg(long, default_value_t = 1.0, value_parser = parse_hop)]
    hop: f64,
}

fn parse_hop(text: &str) -> Result<f64, String> {
    let hop: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.25..=3.0).contains(&hop) { Ok(hop) } else { Err("not 0.25 to 3 seconds".into()) }
}
