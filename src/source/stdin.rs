//! Standard input and named pipes: raw PCM, or a container that decodes without seeking.
//!
//! Audio is returned as it arrives. The pipe applies back-pressure to a writer that is faster than
//! the reader, so nothing is lost and nothing needs pacing.

mod container;
mod pipe;

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

pub(super) use self::pipe::NOTHING_CAME;
use self::pipe::{PIPE_HINT, nothing_came, read, unreadable};
use super::clock::{self, Clock};
use super::pcm_format::{PcmEncoding, PcmFormat};
use super::{Read, Source, SourceError};
use crate::audio::{Block, Span};
use crate::permits::Permits;
use crate::thread::Stop;

/// Time without input after which a read returns [`Read::Idle`].
const PATIENCE: Duration = Duration::from_millis(250);

/// Longest block of raw PCM, in seconds.
const BLOCK_SECONDS: f64 = 0.04;

/// Opens `descriptor`, called `name` in messages; `format` is `None` for containers.
///
/// # Errors
/// Permanent if `descriptor` is a terminal; transient if the system refuses a thread. Faults of the
/// audio itself are reported by the first read, so that a slow writer does not block this call.
pub(super) fn open(
    name: &str,
    descriptor: OwnedFd,
    format: Option<PcmFormat>,
    start: Option<jiff::Timestamp>,
    permits: Option<&Permits>,
    stop: &Stop,
) -> Result<Box<dyn Source>, SourceError> {
    if descriptor.is_terminal() {
        return Err(SourceError::Permanent(format!("`{name}` is a terminal; {PIPE_HINT}")));
    }
    let clock = start.map_or_else(Clock::live, Clock::recorded);
    Ok(match format {
        Some(format) => Box::new(PcmSource::new(name, descriptor, format, clock, stop)),
        None => Box::new(container::start(name, descriptor, clock, permits, stop)?),
    })
}

/// Raw PCM from a descriptor.
struct PcmSource {
    name: String,
    descriptor: OwnedFd,
    stop: Stop,
    format: PcmFormat,
    /// Bytes of one block, of which `filled` have arrived.
    bytes: Vec<u8>,
    filled: usize,
    position: u64,
    clock: Clock,
    waited: Duration,
}

impl PcmSource {
    fn new(name: &str, descriptor: OwnedFd, format: PcmFormat, clock: Clock, stop: &Stop) -> Self {
        let frame = format.encoding.bytes() * usize::from(format.channels);
        let samples = format.rate.samples(BLOCK_SECONDS).max(1) as usize;
        Self {
            name: name.into(),
            descriptor,
            stop: stop.clone(),
            format,
            bytes: vec![0; samples * frame],
            filled: 0,
            position: 0,
            clock,
            waited: Duration::ZERO,
        }
    }

    /// Fills `bytes`, for at most 250 ms.
    fn fill(&mut self) -> io::Result<FillResult> {
        let deadline = Instant::now() + PATIENCE;
        while self.filled < self.bytes.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut readable = self.stop.wait_readable(self.descriptor.as_fd(), Duration::ZERO)?;
            if readable == Some(false) {
                let started = Instant::now();
                readable = self.stop.wait_readable(self.descriptor.as_fd(), left)?;
                self.waited += started.elapsed();
            }
            match readable {
                None => return Ok(FillResult::Stopped),
                Some(false) => return Ok(FillResult::Late),
                Some(true) => match read(&self.descriptor, &mut self.bytes[self.filled..])? {
                    Some(0) => return Ok(FillResult::Ended),
                    count => self.filled += count.unwrap_or(0),
                },
            }
        }
        Ok(FillResult::Full)
    }
}

enum FillResult {
    Full,
    Late,
    Ended,
    Stopped,
}

impl Source for PcmSource {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let filled = self.fill().map_err(|error| unreadable(&self.name, &error))?;
        let channels = usize::from(self.format.channels);
        let width = self.format.encoding.bytes();
        // A partial sample waits for its rest; at the end it is dropped.
        let whole = self.filled - self.filled % (width * channels);
        match filled {
            FillResult::Stopped => return Ok(Read::End),
            FillResult::Ended if whole == 0 && self.position == 0 => return Err(nothing_came(&self.name)),
            FillResult::Ended if whole == 0 => return Ok(Read::End),
            FillResult::Late if whole == 0 => {
                self.clock.renew();
                return Ok(Read::Idle);
            }
            _ => {}
        }
        block.interleaved.clear();
        convert(self.format.encoding, &self.bytes[..whole], &mut block.interleaved);
        self.bytes.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        block.channels = self.format.channels;
        block.rate = self.format.rate;
        block.gap = false;
        block.span = Span { start: self.position, end: self.position + (whole / width / channels) as u64 };
        self.position = block.span.end;
        self.clock.stamp(block, clock::length(block));
        Ok(Read::Audio)
    }

    fn waited(&self) -> Duration {
        self.waited
    }
}

/// Appends the values in `bytes` to `samples`, scaled to −1 to 1.
fn convert(encoding: PcmEncoding, bytes: &[u8], samples: &mut Vec<f32>) {
    /// Two to the power of −31.
    const SCALE: f32 = 1.0 / 2_147_483_648.0;
    match encoding {
        PcmEncoding::S16 => samples.extend(
            bytes.as_chunks::<2>().0.iter().map(|value| f32::from(i16::from_le_bytes(*value)) / 32_768.0),
        ),
        PcmEncoding::S24 => samples.extend(
            bytes
                .as_chunks::<3>()
                .0
                .iter()
                .map(|&[low, middle, high]| i32::from_le_bytes([0, low, middle, high]) as f32 * SCALE),
        ),
        PcmEncoding::S32 => samples
            .extend(bytes.as_chunks::<4>().0.iter().map(|value| i32::from_le_bytes(*value) as f32 * SCALE)),
        PcmEncoding::F32 => {
            samples.extend(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_spans_minus_one_to_one() {
        let check = |encoding, bytes: &[u8], expected: &[f32]| {
            let mut samples = Vec::new();
            convert(encoding, bytes, &mut samples);
            assert_eq!(samples, expected, "{encoding:?}");
        };
        check(PcmEncoding::S16, &[0x00, 0x80, 0x00, 0x40, 0xff], &[-1.0, 0.5]);
        check(PcmEncoding::S24, &[0, 0, 0x80, 0, 0, 0x40, 1, 2], &[-1.0, 0.5]);
        check(PcmEncoding::S32, &[0, 0, 0, 0x80, 0, 0, 0, 0x40], &[-1.0, 0.5]);
        check(PcmEncoding::F32, &0.25_f32.to_le_bytes(), &[0.25]);
    }
}
