//! Floor 2: where sound comes from.
//!
//! A source hands over blocks at its native rate and channel count; it neither
//! resamples nor analyses. One thread owns it.

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

/// A capture device, as `genred devices` lists it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    /// Sound system, such as `alsa` or `pulseaudio`.
    pub host: String,
    /// What goes into `device:HOST:ID`.
    pub id: String,
    /// Description for people.
    pub name: String,
    /// Whether `device:HOST:default` means this one.
    pub default: bool,
    /// Sample rate that it would be captured at, in hertz; absent where it cannot be opened now.
    pub rate: Option<u32>,
    /// Channels that would be captured.
    pub channels: Option<u16>,
}

/// Lists the capture devices of all sound systems that can be reached; none without the cargo feature `device`.
///
/// # Errors
/// Transient, when no sound system can be reached.
pub fn devices() -> Result<Vec<DeviceInfo>, SourceError> {
    #[cfg(feature = "device")]
    let found = device::list();
    #[cfg(not(feature = "device"))]
    let found = Ok(Vec::new());
    found
}

/// Looks for a capture device as [`open`] would, without opening it.
///
/// # Errors
/// [`SourceError`]: no such sound system or device; without the cargo feature `device`, always.
pub fn look_for_device(host: Option<&str>, name: &str) -> Result<(), SourceError> {
    #[cfg(feature = "device")]
    return device::look(host, name);
    #[cfg(not(feature = "device"))]
    {
        let _ = (host, name);
        Err(SourceError::Permanent("this build has no capture (cargo feature `device`)".into()))
    }
}

/// The parts of the capture path that tests reach into.
#[cfg(feature = "device")]
#[doc(hidden)]
pub mod capture {
    pub use super::device::callback::{Callback, Guard, Shared, set_guard};
    pub use super::device::ring::{Reader, Writer, ring};
}

/// Decodes what cannot be seeked until `each` has enough: the way in for the fuzz target and the test of its corpus.
///
/// # Errors
/// Permanent ones: it holds no audio that can be decoded, or cannot be read.
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

/// Opens a `stdin:` source on `descriptor` in place of standard input.
///
/// # Errors
/// As [`open`]. What is wrong with the sound itself is reported by the first read.
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

/// Opens a finite file for offline work: blocks come as fast as they decode, and nothing interrupts it.
///
/// # Errors
/// Permanent ones that name the file: it is missing, empty, a directory, or holds no audio that can be decoded.
pub fn open_file(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    match file::open_path(path)? {
        file::Opened::Regular(file) => Ok(Box::new(file::FileSource::offline(path, file)?)),
        file::Opened::Pipe(_) => Err(SourceError::Permanent(format!(
            "`{}` is a pipe, not a file; `genred run` reads pipes",
            path.display()
        ))),
    }
}

/// What a call to [`Source::read`] brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// The block holds at least one sample; or none, where its span was skipped (see [`Source::skip`]).
    Audio,
    /// Nothing arrived for a while (at most a quarter of a second): the caller looks at its own duties and calls again.
    Idle,
    /// The source is finite and has ended, or the stop token is set.
    End,
}

/// A stream of blocks.
///
/// The thread that opened it owns it: `read` may block for a quarter of a second and
/// returns at once when the stop token it was opened with is set.
pub trait Source: Send {
    /// Refills `block` from the start; its buffer is kept, so that a warm call need not allocate.
    ///
    /// # Errors
    /// [`SourceError`], after which the source is dropped; [`SourceError::is_transient`] says whether opening it anew may help.
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError>;

    /// Passes over what has arrived, without decoding it where the source can do so: `block` is left without samples, and its
    /// span says which ones they would have been. The next block of [`Source::read`] begins at a gap.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let read = self.read(block)?;
        block.interleaved.clear();
        Ok(read)
    }

    /// Time by which the last block came later than its source's clock; zero where the source has no clock of its own.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Times so far that samples were lost because they were not read in time (capture devices).
    fn xruns(&self) -> u64 {
        0
    }

    /// Packets so far that could not be decoded (files and streams).
    fn corrupt(&self) -> u64 {
        0
    }

    /// What the stream says is being played; absent while it says nothing.
    fn title(&self) -> Option<Arc<str>> {
        None
    }

    /// Time spent waiting for audio from outside so far; the time in which it was not read is no part of it.
    ///
    /// Zero where audio comes at a pace of its own, as from capture devices.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }

    /// What keeps sound from coming, in words; absent where nothing is known to.
    fn trouble(&self) -> Option<Arc<str>> {
        None
    }
}

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Trying again later may help: a device is unplugged, a server is away.
    #[error("{0}")]
    Transient(String),
    /// Trying again seldom helps, and is therefore done seldom: a server sends what is not audio.
    #[error("{0}")]
    Unlikely(String),
    /// It will not get better by itself: no such file, not audio.
    #[error("{0}")]
    Permanent(String),
}

impl SourceError {
    /// Whether opening the source anew, after a while, may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::Unlikely(_))
    }

    /// Whether it should be opened anew at the longest pause only.
    pub fn is_unlikely(&self) -> bool {
        matches!(self, Self::Unlikely(_))
    }
}
