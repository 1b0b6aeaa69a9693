//! Factory of sources.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::address::Address;
#[cfg(any(feature = "net", feature = "web"))]
use super::address_policy::AddressPolicy;
#[cfg(feature = "device")]
use super::clock::Clock;
use super::config::SourceConfig;
#[cfg(feature = "device")]
use super::device;
#[cfg(feature = "net")]
use super::http;
use super::pacer::Pacer;
use super::resume_point::ResumePoint;
use super::uri::Uri;
use super::{Source, SourceError, file, process, stdin};
use crate::permits::Permits;
use crate::thread::Stop;

/// Opens the source that `config` describes. It ends early when `stop` is set.
///
/// # Errors
/// [`SourceError`]: no such file or no audio in it, no such device, no sound server.
pub fn open(config: &SourceConfig, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    open_at(config, &ResumePoint::default(), None, stop)
}

/// Re-opens a source. Audio before `resume_point`, which an earlier opening has set, is not
/// repeated. With `permits`, audio is decoded only with a permit.
///
/// # Errors
/// See [`open`].
pub(crate) fn open_at(
    config: &SourceConfig,
    resume_point: &ResumePoint,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    match &config.uri {
        Uri::File(path) => match file::open_path(path)? {
            file::OpenedPath::Regular(file) => {
                Ok(Box::new(file::FileSource::new(path, file, config, permits, stop)?))
            }
            file::OpenedPath::Pipe(pipe) => {
                stdin::open(&path.display().to_string(), pipe, None, config.start, permits, stop)
            }
        },
        Uri::Stdin(_) => {
            let descriptor = std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| SourceError::Permanent(format!("standard input cannot be read: {error}")))?;
            open_descriptor(config, descriptor, permits, stop)
        }
        Uri::Device { host, name } => open_device(host.as_deref(), name, config, stop),
        Uri::Http(address) => open_http(address, config, resume_point, permits, stop),
        Uri::Process(program) => {
            let process = process::open(program, config.start, permits, stop)?;
            Ok(Box::new(Pacer::new(process, config.start.is_none(), stop)))
        }
    }
}

#[cfg(feature = "net")]
fn open_http(
    address: &Address,
    config: &SourceConfig,
    resume_point: &ResumePoint,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    let stream = http::open(address, AddressPolicy::Any, config.start, resume_point, permits, stop)?;
    Ok(Box::new(Pacer::new(stream, config.start.is_none(), stop)))
}

#[cfg(not(feature = "net"))]
fn open_http(
    address: &Address,
    _: &SourceConfig,
    _: &ResumePoint,
    _: Option<&Permits>,
    _: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    Err(without_network(address))
}

#[cfg(not(feature = "net"))]
fn without_network(address: &Address) -> SourceError {
    SourceError::Permanent(format!(
        "`{address}`: this build cannot open network streams (cargo feature `net`); pipe one in, as in `ffmpeg -i URL -f wav - | genred run -`"
    ))
}

#[cfg(feature = "device")]
fn open_device(
    host: Option<&str>,
    name: &str,
    config: &SourceConfig,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    let clock = config.start.map_or_else(Clock::live, Clock::recorded);
    Ok(Box::new(device::open(host, name, clock, stop, device::StallTimeouts::default())?))
}

#[cfg(not(feature = "device"))]
fn open_device(
    _: Option<&str>,
    name: &str,
    _: &SourceConfig,
    _: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::Permanent(format!(
        "`{name}`: this build cannot capture (cargo feature `device`); pipe audio in, as in `arecord -f cd | genred run -`"
    )))
}

/// Opens a `stdin:` source that reads `descriptor` instead of standard input.
///
/// # Errors
/// See [`open`]. Faults of the audio itself are reported by the first read.
pub fn open_stdin(
    config: &SourceConfig,
    descriptor: OwnedFd,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    open_descriptor(config, descriptor, None, stop)
}

fn open_descriptor(
    config: &SourceConfig,
    descriptor: OwnedFd,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    let format = match config.uri {
        Uri::Stdin(format) => format,
        _ => None,
    };
    stdin::open("standard input", descriptor, format, config.start, permits, stop)
}

/// Opens a finite file for offline work: blocks are returned as fast as they decode, without a stop
/// token.
///
/// # Errors
/// Permanent, with the path: the file is missing, empty, a directory, or holds no decodable audio.
pub fn open_file(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    open_offline(path, path, None)
}

/// Opens a finite file as [`open_file`] does. Messages and the hint of the extension come from
/// `name` instead of the path; reads fail once `stop` is set.
///
/// # Errors
/// See [`open_file`].
#[cfg(feature = "web")]
pub(crate) fn open_upload(path: &Path, name: &Path, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    open_offline(path, name, Some(stop))
}

fn open_offline(path: &Path, name: &Path, stop: Option<&Stop>) -> Result<Box<dyn Source>, SourceError> {
    match file::open_path_as(path, name)? {
        file::OpenedPath::Regular(file) => Ok(Box::new(file::FileSource::offline(name, file, stop)?)),
        file::OpenedPath::Pipe(_) => Err(SourceError::Permanent(format!(
            "`{}` is a pipe, not a file; `genred run` reads pipes",
            name.display()
        ))),
    }
}

/// Opens a network stream in real time, all of whose requests go to addresses that `policy` allows.
/// It ends early when `stop` is set.
///
/// # Errors
/// The system refuses a thread, or the address is invalid. Other faults are reported by the first
/// read.
#[cfg(feature = "web")]
pub(crate) fn open_stream(
    address: &Address,
    policy: AddressPolicy,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    #[cfg(feature = "net")]
    {
        let stream = http::open(address, policy, None, &ResumePoint::default(), None, stop)?;
        Ok(Box::new(Pacer::new(stream, true, stop)))
    }
    #[cfg(not(feature = "net"))]
    {
        let _ = (policy, stop);
        Err(without_network(address))
    }
}
