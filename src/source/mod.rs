//! Layer 2: audio input.
//!
//! A [`Source`] yields blocks at its native sample rate and channel count. It neither resamples nor
//! analyses. One thread owns it. This file is the vocabulary; [`open`] is the factory.

mod address;
mod address_policy;
mod clock;
mod config;
mod decode;
#[cfg(feature = "device")]
mod device;
mod device_hint;
pub mod devices;
mod ffmpeg_hint;
mod file;
pub mod folder;
#[cfg(all(feature = "fuzzing", feature = "net"))]
pub mod fuzz_api;
#[cfg(feature = "net")]
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub, reason = "re-exported by `fuzz_api`"))]
mod http;
pub mod open;
mod pacer;
mod pcm_format;
pub mod playlist;
mod process;
mod resume_point;
mod stdin;
mod text;
mod threaded_decoder;
mod titles;
mod uri;
mod uri_error;

use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, redact};
#[cfg(feature = "web")]
pub(crate) use address_policy::AddressPolicy;
pub use config::{Pacing, SourceConfig};
pub(crate) use ffmpeg_hint::NEEDS_COMMAND;
pub use pcm_format::{PcmEncoding, PcmFormat};
pub use resume_point::ResumePoint;
pub use uri::{Program, Uri};
pub use uri_error::UriError;

use crate::audio::Block;

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

    /// Length that the container of a finite source states, in seconds; `None` if it states none.
    fn stated_length(&self) -> Option<f64> {
        None
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
    /// Do not retry: the [`AddressPolicy`] of the request does not allow the address.
    #[error("{0}")]
    Refused(String),
}

/// Policy for re-opening a source after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopen {
    /// After a pause that doubles with each failure.
    AfterBackoff,
    /// After the longest configured pause.
    AtLongestPause,
    /// Not at all.
    Never,
}

impl SourceError {
    /// Re-open policy that applies after this failure.
    pub fn reopen(&self) -> Reopen {
        match self {
            Self::Transient(_) => Reopen::AfterBackoff,
            Self::Unlikely(_) => Reopen::AtLongestPause,
            Self::Permanent(_) | Self::Refused(_) => Reopen::Never,
        }
    }

    /// Returns true if re-opening the source later may help.
    pub fn is_transient(&self) -> bool {
        self.reopen() != Reopen::Never
    }
}
