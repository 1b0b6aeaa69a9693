//! Layer 2: audio input.
//!
//! A [`Source`] yields blocks at its native sample rate and channel count. It neither resamples nor
//! analyses. One thread owns it. This file is the vocabulary; [`open`] is the factory.

mod address;
mod bookmark;
mod clock;
mod config;
mod decode;
#[cfg(feature = "device")]
mod device;
mod device_hint;
mod file;
pub mod folder;
mod hint;
#[cfg(feature = "net")]
#[doc(hidden)]
pub mod http;
mod live;
pub mod playlist;
mod process;
mod pulled;
mod stdin;
mod text;
mod titles;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, redact};
pub use bookmark::Bookmark;
pub use config::{Pacing, PcmEncoding, PcmFormat, Process, SourceConfig, Uri, UriError};
#[cfg(feature = "net")]
use hint::dash_hint;
use hint::process_hint;
pub(crate) use process::NEEDS_COMMAND;

use crate::audio::Block;
use crate::thread::Stop;

/// Opens the source that `config` describes; it ends early when `stop` is set.
///
/// # Errors
/// [`SourceError`]: the file is not there or not audio, no such device, no sound server.
pub fn open(config: &SourceConfig, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    open_at(config, &Bookmark::default(), stop)
}

/// The same for a source that was open before: what `bookmark` says was had does not come again.
///
/// # Errors
/// As [`open`].
pub fn open_at(
    config: &SourceConfig,
    bookmark: &Bookmark,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    match &config.uri {
        Uri::File(path) => match file::open_path(path)? {
            file::Opened::Regular(file) => Ok(Box::new(file::FileSource::new(path, file, config, stop)?)),
            file::Opened::Pipe(pipe) => {
                stdin::open(&path.display().to_string(), pipe, None, config.start, stop)
            }
        },
        Uri::Stdin(_) => {
            let descriptor = std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| SourceError::Permanent(format!("standard input cannot be read: {error}")))?;
            open_stdin(config, descriptor, stop)
        }
        Uri::Device { host, name } => open_device(host.as_deref(), name, config, stop),
        Uri::Http(address) => open_http(address, config, bookmark, stop),
        Uri::Process(described) => {
            let process = process::open(described, config.start, stop)?;
            Ok(Box::new(live::Live::new(process, config.start.is_none(), stop)))
        }
    }
}

#[cfg(feature = "net")]
fn open_http(
    address: &Address,
    config: &SourceConfig,
    bookmark: &Bookmark,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    let stream = http::open(address, config.start, bookmark, stop)?;
    Ok(Box::new(live::Live::new(stream, config.start.is_none(), stop)))
}

#[cfg(not(feature = "net"))]
fn open_http(
    address: &Address,
    _: &SourceConfig,
    _: &Bookmark,
    _: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::Permanent(format!(
        "`{address}`: this build cannot open network streams (cargo feature `net`); pipe one in, as in `ffmpeg -i URL -f wav - | genred run -`"
    )))
}

#[cfg(feature = "device")]
fn open_device(
    host: Option<&str>,
    name: &str,
    config: &SourceConfig,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    let clock = config.start.map_or_else(clock::Clock::live, clock::Clock::recorded);
    Ok(Box::new(device::open(host, name, clock, stop, device::Stall::default())?))
}

#[cfg(not(feature = "device"))]
fn open_device(
    _: Option<&str>,
    name: &str,
    _: &SourceConfig,
    _: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::Permanent(format!(
        "`{name}`: this build cannot capture (cargo feature `device`); pipe sound in, as in `arecord -f cd | genred run -`"
    )))
}

/// Capture device, as `genred devices` lists it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    /// Sound system, such as `alsa` or `pulseaudio`.
    pub host: String,
    /// Identifier, used as `device:HOST:ID`.
    pub id: String,
    /// Human-readable description.
    pub name: String,
    /// True for the device that `device:HOST:default` selects.
    pub default: bool,
    /// Sample rate used for capture, in Hz; `None` if the device cannot be opened now.
    pub rate: Option<u32>,
    /// Number of captured channels; `None` if the device cannot be opened now.
    pub channels: Option<u16>,
}

/// Lists the capture devices of every reachable sound system; empty without the cargo feature
/// `device`.
///
/// # Errors
/// Transient if no sound system can be reached.
pub fn devices() -> Result<Vec<DeviceInfo>, SourceError> {
    #[cfg(feature = "device")]
    let found = device::list();
    #[cfg(not(feature = "device"))]
    let found = Ok(Vec::new());
    found
}

/// Looks up a capture device without opening it.
///
/// # Errors
/// [`SourceError`] if there is no such sound system or device; always without the cargo feature
/// `device`.
pub fn look_for_device(host: Option<&str>, name: &str) -> Result<(), SourceError> {
    #[cfg(feature = "device")]
    return device::look(host, name);
    #[cfg(not(feature = "device"))]
    {
        let _ = (host, name);
        Err(SourceError::Permanent("this build has no capture (cargo feature `device`)".into()))
    }
}

/// Parts of the capture path that integration tests use.
#[cfg(feature = "device")]
#[doc(hidden)]
pub mod capture {
    pub use super::device::callback::{Callback, Guard, Shared, set_guard};
    pub use super::device::ring::{Reader, Writer, ring};
}

/// Decodes a stream without seeking until `each` returns false. Entry point of the fuzz target and
/// of the corpus test.
///
/// # Errors
/// Permanent if the stream holds no decodable audio or cannot be read.
#[doc(hidden)]
pub fn decode_stream(
    stream: impl std::io::Read + Send + Sync + 'static,
    each: &mut dyn FnMut(&Block, Option<String>) -> bool,
) -> Result<(), SourceError> {
    let mut decoder = decode::Decoder::from_stream("stream".into(), stream)?;
    let mut block = Block::with_capacity(decode::ANY_RATE, 1, 0);
    while decoder.next(&mut block)? && each(&block, decoder.new_title()) {}
    Ok(())
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
    let format = match config.uri {
        Uri::Stdin(format) => format,
        _ => None,
    };
    stdin::open("standard input", descriptor, format, config.start, stop)
}

/// Opens a finite file for offline work: blocks are returned as fast as they decode, without a stop
/// token.
///
/// # Errors
/// Permanent, with the path: the file is missing, empty, a directory, or holds no decodable audio.
pub fn open_file(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    match file::open_path(path)? {
        file::Opened::Regular(file) => Ok(Box::new(file::FileSource::offline(path, file)?)),
        file::Opened::Pipe(_) => Err(SourceError::Permanent(format!(
            "`{}` is a pipe, not a file; `genred run` reads pipes",
            path.display()
        ))),
    }
}

/// Result of [`Source::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// The block holds at least one sample, or none after [`Source::skip`].
    Audio,
    /// Nothing arrived for up to 250 ms; the caller does its housekeeping and calls again.
    Idle,
    /// A finite source has ended, or the stop token is set.
    End,
}

/// Stream of blocks.
///
/// Owned by the thread that opened it. `read` blocks for at most 250 ms and returns at once when
/// the stop token is set.
pub trait Source: Send {
    /// Refills `block` from the start. Its buffer is reused, so that a warm call does not allocate.
    ///
    /// # Errors
    /// [`SourceError`]; the caller then drops the source. [`SourceError::reopen`] is the re-open
    /// policy.
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError>;

    /// Discards the audio that has arrived, without decoding it where possible. `block` is left
    /// without samples; its span covers the discarded ones. The next block of [`Source::read`] has
    /// `gap` set.
    ///
    /// # Errors
    /// See [`Source::read`].
    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let read = self.read(block)?;
        block.interleaved.clear();
        Ok(read)
    }

    /// Delay of the last block relative to the source's clock; zero for sources without a clock of
    /// their own.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Number of overruns so far: samples lost because they were not read in time (capture
    /// devices).
    fn xruns(&self) -> u64 {
        0
    }

    /// Number of packets so far that could not be decoded (files and streams).
    fn corrupt(&self) -> u64 {
        0
    }

    /// Current title according to the stream; `None` if it states none.
    fn title(&self) -> Option<Arc<str>> {
        None
    }

    /// Total time spent waiting for input. Excludes the time during which the source was not read.
    ///
    /// Zero for sources with a pace of their own, such as capture devices.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }

    /// Reason why no audio arrives, for users; `None` if unknown.
    fn trouble(&self) -> Option<Arc<str>> {
        None
    }
}

/// Failure of a source, classified by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Retry with back-off: a device is unplugged, a server is down.
    #[error("{0}")]
    Transient(String),
    /// Retry seldom: a server sends something other than audio.
    #[error("{0}")]
    Unlikely(String),
    /// Do not retry: the file does not exist or holds no audio.
    #[error("{0}")]
    Permanent(String),
}

impl SourceError {
    /// Returns true if re-opening the source later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::Unlikely(_))
    }

    /// Returns true if the source should be re-opened at the longest pause only.
    pub fn is_unlikely(&self) -> bool {
        matches!(self, Self::Unlikely(_))
    }
}
