//! `genred devices`: lists the capture devices.

use std::io::Write;
use std::process::ExitCode;

/// Options of `genred devices`.
#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {
    /// Print one JSON object per device
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DevicesArgs) -> anyhow::Result<ExitCode> {
    let devices = crate::source::devices::list()?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        for device in &devices {
            writeln!(stdout, "{}", serde_json::to_string(device)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut usable = 0;
    for device in &devices {
        // Sound systems also list plugins and absent cards.
        let (Some(rate), Some(channels)) = (device.rate, device.channels) else { continue };
        usable += 1;
        let mark = if device.default { '*' } else { ' ' };
        let address = format!("device:{}:{}", device.host, device.id);
        writeln!(stdout, "{mark} {address:<36} {rate:>6} Hz {channels:>2} ch  {}", device.name)?;
    }
    if usable == 0 {
        super::say(
            "no capture device can be opened; a file (`genred run song.mp3`) or a pipe (`… | genred run -`) works without one",
        );
    } else if usable < devices.len() {
        super::say(format_args!("{} more cannot be opened now; `--json` lists them", devices.len() - usable));
    }
    Ok(ExitCode::SUCCESS)
}
