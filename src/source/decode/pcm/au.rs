//! Sun and NeXT audio (`.au`, `.snd`), and its little-endian variant by DEC.

use symphonia::core::formats::{FORMAT_ID_NULL, FormatInfo, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadBytes};

use super::super::refusal::Unsupported;
use super::super::start::peek;
use super::chunks::Dialect;
use super::layout::{Layout, Order, Values};
use super::reader::{Body, Coding, Format, demuxer};
use super::single::Single;
use super::{Refusal, failed, malformed};

const INFO: FormatInfo = FormatInfo { format: FORMAT_ID_NULL, short_name: "au", long_name: "Sun audio" };

/// The format has no chunks, but tags may be appended.
const DIALECT: Dialect = Dialect { order: Order::Big, wide: false, padded: false, known: &[] };

/// Minimum length of the header, in bytes.
const LEAST_HEAD: u64 = 24;

/// Opens a Sun audio file.
///
/// # Errors
/// The codec is not decoded, or the header is truncated.
pub(super) fn open(mut stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, Refusal> {
    let head = peek(&mut stream, LEAST_HEAD as usize).map_err(failed)?;
    if head.len() < LEAST_HEAD as usize {
        return Err(malformed("its header is cut short"));
    }
    let order = if head.starts_with(b"dns.") { Order::Little } else { Order::Big };
    let [offset, size, encoding, rate, channels] = [4, 8, 12, 16, 20].map(|at| order.u32(&head, at));
    let channels = u16::try_from(channels).ok().filter(|count| *count > 0);
    let channels = channels.ok_or(malformed("it states no number of channels that can be"))?;
    let coding = coding(encoding, order)?;
    stream.ignore_bytes(u64::from(offset).max(LEAST_HEAD)).map_err(failed)?;
    let stated = Some(size).filter(|size| *size != u32::MAX).map(u64::from);
    let body = Body::new(stream, Single::new(DIALECT, stated, None, true));
    Ok(demuxer(body, Format { coding, rate, channels }, 0, INFO, None)?)
}

/// Encoding by the numbers of Sun's `audio_filehdr.h` and NeXT's `soundstruct.h`.
fn coding(encoding: u32, order: Order) -> Result<Coding, Refusal> {
    let (values, width) = match encoding {
        1 => (Values::MuLaw, 1),
        2 => (Values::Signed, 1),
        3 => (Values::Signed, 2),
        4 => (Values::Signed, 3),
        5 => (Values::Signed, 4),
        6 => (Values::Float, 4),
        7 => (Values::Float, 8),
        27 => (Values::ALaw, 1),
        23..=26 => return Err(Unsupported::audio("ADPCM (G.721 to G.723) in AU").into()),
        _ => return Err(Unsupported::audio("AU with a codec that is not known here").into()),
    };
    let layout = Layout::new(values, order, width);
    layout.map(Coding::Pcm).ok_or(malformed("its encoding is none of PCM"))
}

#[cfg(test)]
mod tests;
