//! Demuxers of uncompressed audio, which read headers leniently.
//!
//! Sizes in these headers are hints: writers to pipes cannot know them, and writers that were
//! killed or still run have not stated them yet. What follows the header is audio up to the end
//! that the header states, and beyond it unless a chunk or a tag begins there. Where ffmpeg and
//! the stated size agree, so does this.

mod aiff;
mod au;
mod bursts;
mod caf;
mod chunks;
mod layout;
mod quicktime;
mod reader;
mod riff;
mod single;
mod tags;
mod wave64;
mod wave_format;

use std::io;

use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::io::MediaSourceStream;

use super::refusal::Refusal;
use super::start::Start;

/// What became of a stream whose container was recognised.
pub(super) enum Opened {
    /// Its audio is demuxed here.
    Here(Box<dyn FormatReader>),
    /// It is for another demuxer, and at its start again.
    Elsewhere(MediaSourceStream<'static>),
}

/// Opens `stream`, which begins with `start`, if it is in one of the containers of this module.
///
/// # Errors
/// It is in one, and its audio is encoded in a way that is not decoded, or its header holds none.
pub(super) fn open(mut stream: MediaSourceStream<'static>, start: &Start) -> Result<Opened, Refusal> {
    let form = start.content.get(8..12).unwrap_or_default();
    let open: fn(MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, Refusal> = match start
        .content
        .first_chunk::<4>()
    {
        Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64") if form == b"WAVE" => riff::open,
        Some(b"FORM") if form == b"AIFF" || form == b"AIFC" => aiff::open,
        Some(b".snd" | b"dns.") => au::open,
        Some(b"caff") => caf::open,
        Some(_) if start.content.starts_with(&wave64::RIFF) => wave64::open,
        Some(_) if start.tags == 0 && quicktime::begins(&start.content) => return quicktime::open(stream),
        _ => return Ok(Opened::Elsewhere(stream)),
    };
    skip(&mut stream, start.tags)?;
    open(stream).map(Opened::Here)
}

/// Passes over `count` bytes.
fn skip(stream: &mut MediaSourceStream<'_>, count: u64) -> Result<(), Refusal> {
    use symphonia::core::io::ReadBytes;
    stream.ignore_bytes(count).map_err(failed)
}

fn failed(error: io::Error) -> Refusal {
    Refusal::Format(Error::IoError(error))
}

fn malformed(what: &'static str) -> Refusal {
    Refusal::Format(Error::DecodeError(what))
}

#[cfg(test)]
mod tests;
