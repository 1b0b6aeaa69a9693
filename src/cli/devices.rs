//! `genred devices`

use std::process::ExitCode;

/// List capture devices, with the address to put into `uri`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let devices = crate::source::devices()?;
    for device in &devices {
        if args.json {
            println!("{}", serde_json::to_string(device)?);
        } else {
            let mark = if device.default { '*' } else { ' ' };
            let format = match (device.rate, device.channels) {
                (Some(rate), Some(channels)) => format!("{rate} Hz, {channels} ch"),
                _ => "cannot be opened now".into(),
            };
            println!("{mark} device:{}:{:<24} {format:<22} {}", device.host, device.id, device.name);
        }
    }
    if devices.is_empty() && !args.json {
        eprintln!(
            "genred: no capture device; a file (`genred run song.mp3`) or a pipe (`… | genred run -`) works without one"
        );
    }
    Ok(ExitCode::SUCCESS)
}
