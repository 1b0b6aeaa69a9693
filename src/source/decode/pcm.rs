//! Demuxers of uncompressed audio, with lenient headers.
//!
//! Sizes in these headers are hints: writers to pipes do not know them, and writers that were
//! killed or still run have not written them yet. Audio extends to the end stated by the header,
//! and beyond it unless a chunk or a tag begins there. Where ffmpeg and the stated size agree, this
//! does too.

mod aiff;
mod au;
mod bursts;
mod caf;
mod chunks;
mod layout;
pub(super) mod quicktime;
mod reader;
mod riff;
mod single;
mod tags;
mod wave64;
mod wave_format;

use symphonia::core::formats::FormatReader;
use symphonia::core::io::MediaSourceStream;

use super::detect::PcmContainer;
use super::refusal::{DecodeRefusal, failed};

/// Opens `stream`, which holds a `container` after `tags` bytes of tags.
///
/// # Errors
/// Its encoding is not decoded, or its header is damaged.
pub(super) fn open(
    container: PcmContainer,
    mut stream: MediaSourceStream<'static>,
    tags: u64,
) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    use symphonia::core::io::ReadBytes;
    stream.ignore_bytes(tags).map_err(failed)?;
    match container {
        PcmContainer::Wave => riff::open(stream),
        PcmContainer::Aiff => aiff::open(stream),
        PcmContainer::Au => au::open(stream),
        PcmContainer::Caf => caf::open(stream),
        PcmContainer::Wave64 => wave64::open(stream),
    }
}

#[cfg(test)]
mod tests;
