//! Sun and NeXT audio (`.au`, `.snd`), and its little-endian variant by DEC.

use symphonia::core::formats::{FORMAT_ID_NULL, FormatInfo, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadBytes};

use super::super::refusal::{DecodeRefusal, Unsupported, failed, malformed};
use super::super::stream_start::peek;
use super::chunks::ChunkLayout;
use super::layout::{ByteOrder, PcmLayout, SampleValues};
use super::reader::{AudioCoding, AudioFormat, ExtentReader, demuxer};
use super::single::SingleChunk;

const INFO: FormatInfo = FormatInfo { format: FORMAT_ID_NULL, short_name: "au", long_name: "Sun audio" };

/// The format has no chunks, but tags may be appended.
const LAYOUT: ChunkLayout = ChunkLayout { order: ByteOrder::Big, wide: false, padded: false, known: &[] };

/// Minimum length of the header, in bytes.
const LEAST_HEAD: u64 = 24;

/// Opens a Sun audio file.
///
/// # Errors
/// The codec is not decoded, or the header is truncated.
pub(super) fn open(mut stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    let head = peek(&mut stream, LEAST_HEAD as usize).map_err(failed)?;
    if head.len() < LEAST_HEAD as usize {
        return Err(malformed("its header is cut short"));
    }
    let order = if head.starts_with(b"dns.") { ByteOrder::Little } else { ByteOrder::Big };
    let [offset, size, encoding, rate, channels] = [4, 8, 12, 16, 20].map(|at| order.u32(&head, at));
    let channels = u16::try_from(channels).ok().filter(|count| *count > 0);
    let channels = channels.ok_or(malformed("its number of channels is not valid"))?;
    let coding = coding(encoding, order)?;
    stream.ignore_bytes(u64::from(offset).max(LEAST_HEAD)).map_err(failed)?;
    let stated = Some(size).filter(|size| *size != u32::MAX).map(u64::from);
    let body = ExtentReader::new(stream, SingleChunk::new(LAYOUT, stated, None, true));
    Ok(demuxer(body, AudioFormat { coding, rate, channels }, 0, INFO, None)?)
}

/// Encoding by the numbers of Sun's `audio_filehdr.h` and NeXT's `soundstruct.h`.
fn coding(encoding: u32, order: ByteOrder) -> Result<AudioCoding, DecodeRefusal> {
    let (values, width) = match encoding {
        1 => (SampleValues::MuLaw, 1),
        2 => (SampleValues::Signed, 1),
        3 => (SampleValues::Signed, 2),
        4 => (SampleValues::Signed, 3),
        5 => (SampleValues::Signed, 4),
        6 => (SampleValues::Float, 4),
        7 => (SampleValues::Float, 8),
        27 => (SampleValues::ALaw, 1),
        23..=26 => return Err(Unsupported::audio("ADPCM (G.721 to G.723) in AU").into()),
        _ => return Err(Unsupported::audio("AU with an unknown codec").into()),
    };
    let layout = PcmLayout::new(values, order, width);
    layout.map(AudioCoding::Pcm).ok_or(malformed("its encoding is not PCM"))
}

#[cfg(test)]
mod tests;
