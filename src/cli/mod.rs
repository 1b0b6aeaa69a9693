//! Layer 6: command line, one module per subcommand.

mod bench;
mod check;
mod classify;
mod daemon;
mod devices;
mod embed;
mod eval;
mod eval_stream;
mod features;
#[cfg(feature = "web")]
mod health;
mod inputs;
#[cfg(feature = "corrections")]
mod label;
mod model_args;
#[cfg(feature = "web")]
mod page_client;
mod progress;
#[cfg(feature = "log")]
mod report;
mod rounding;
mod run;
mod signals;
mod stderr;
#[cfg(feature = "mqtt")]
mod test_mqtt;
#[cfg(feature = "top")]
mod top;
mod train;
mod why;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use model_args::{HopArgs, ModelArgs, parse_hop};
pub use stderr::say;

/// Real-time music-genre classifier with MQTT output.
#[derive(Debug, Parser)]
#[command(
    name = "genred",
    version,
    after_help = "Examples:
  genred run song.mp3                           Classify a file in real time
  genred run -c genred.toml                     Run the daemon with a configuration
  ffmpeg -i URL -f wav - | genred run -         Classify any input that ffmpeg can open
  genred classify --json album/*.flac           Classify whole files

Without a configuration, `genred run` classifies the default input device and starts an
MQTT broker on 127.0.0.1:1883; `mosquitto_sub -t 'genred/#' -v` shows the messages."
)]
pub struct Cli {
    /// Increase log verbosity (-v: info, -vv: debug)
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = LAST)]
    verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = LAST + 1)]
    quiet: bool,
    #[command(subcommand)]
    command: CliCommand,
}

/// Display order of global options: after those of the subcommand.
const LAST: usize = 900;

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the daemon: classify sources in real time and publish the results
    Run(run::RunArgs),
    /// Classify whole files, without smoothing over time
    Classify(classify::ClassifyArgs),
    /// List capture devices
    Devices(devices::DevicesArgs),
    /// Check a configuration, its model, files, programs and devices
    Check(check::CheckArgs),
    /// Test the connection to the MQTT broker, stage by stage
    #[cfg(feature = "mqtt")]
    TestMqtt(test_mqtt::TestMqttArgs),
    /// Ask a running daemon for its health, as container probes do
    #[cfg(feature = "web")]
    Health(health::HealthArgs),
    /// Compute the log-mel frames or the audio descriptors of a file
    Features(features::FeaturesArgs),
    /// Compute the embeddings of files
    Embed(embed::EmbedArgs),
    /// Evaluate a head on labelled recordings that it was not trained on
    Eval(eval::EvalArgs),
    /// Train a custom genre head
    Train(train::TrainArgs),
    /// Show all sources of a running daemon in the terminal
    #[cfg(feature = "top")]
    Top(top::TopArgs),
    /// Explain the current decisions of a running daemon
    Why(why::WhyArgs),
    /// Correct the genre of a running daemon's source, for `train --corrections`
    #[cfg(feature = "corrections")]
    Label(label::LabelArgs),
    /// Print a report of the as-run log
    #[cfg(feature = "log")]
    Report(report::ReportArgs),
    /// Measure the performance on this machine
    Bench(bench::BenchArgs),
}

/// Runs the command. The exit code is 1 if a part of it failed, such as one of several files.
///
/// # Errors
/// The command failed as a whole.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let level = match (cli.quiet, cli.verbose, matches!(cli.command, CliCommand::Run(_))) {
        (true, ..) => "error",
        (false, 0, true) => "info",
        (false, 0, false) => "warn",
        (false, 1, _) => "info",
        (false, ..) => "debug",
    };
    start_logging(level);
    let result = match cli.command {
        CliCommand::Run(args) => run::run(&args),
        CliCommand::Classify(args) => classify::run(&args),
        CliCommand::Devices(args) => devices::run(&args),
        CliCommand::Check(args) => check::run(&args),
        #[cfg(feature = "mqtt")]
        CliCommand::TestMqtt(args) => test_mqtt::run(&args),
        #[cfg(feature = "web")]
        CliCommand::Health(args) => health::run(&args),
        CliCommand::Features(args) => features::run(&args),
        CliCommand::Embed(args) => embed::run(&args),
        CliCommand::Eval(args) => eval::run(&args),
        CliCommand::Train(args) => train::run(&args),
        #[cfg(feature = "top")]
        CliCommand::Top(args) => top::run(&args),
        CliCommand::Why(args) => why::run(&args),
        #[cfg(feature = "corrections")]
        CliCommand::Label(args) => label::run(&args),
        #[cfg(feature = "log")]
        CliCommand::Report(args) => report::run(&args),
        CliCommand::Bench(args) => bench::run(&args),
    };
    match result {
        // A closed pipe is no error, as in `genred classify … | head`.
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// Starts logging to standard error. `GENRED_LOG` takes `tracing` filter directives.
fn start_logging(level: &str) {
    // The daemon's own messages cover the errors of these crates. `pulseaudio` (used by cpal) logs
    // an error for every connection that is closed on purpose.
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
        // `tracing` prints its errors on standard error, and panics where that fails.
        .log_internal_errors(false);
    // Under systemd the journal adds the time.
    let result = if std::env::var_os("JOURNAL_STREAM").is_some() {
        subscriber.without_time().with_target(false).try_init()
    } else {
        subscriber.with_target(false).try_init()
    };
    if let Err(error) = result {
        say(format_args!("logging cannot be started: {error}"));
    }
}
