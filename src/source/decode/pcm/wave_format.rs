//! Parser of the `fmt ` chunk of WAVE files (Microsoft Multimedia Standards Update, revision 3.0).

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS};
use symphonia::core::errors::Error;

use super::super::codec_names;
use super::super::refusal::{Refusal, Unsupported};
use super::layout::{Layout, Order, Values};
use super::reader::{Blocks, Coding, Format};

const EXTENSIBLE: u16 = 0xfffe;

/// `KSDATAFORMAT_SUBTYPE_*` after the format tag.
const SUBTYPE: [u8; 14] =
    [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71];

/// `SUBTYPE_AMBISONIC_B_FORMAT_*` after the format tag.
const AMBISONIC: [u8; 14] =
    [0x00, 0x00, 0x21, 0x07, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0x00, 0x00, 0x00];

/// Parses the content of a `fmt ` chunk.
///
/// # Errors
/// The codec is not decoded, or none is described.
pub(super) fn parse(content: &[u8], order: Order) -> Result<Format, Refusal> {
    if content.len() < 14 {
        return Err(Error::DecodeError("its `fmt ` chunk is cut short").into());
    }
    let channels = order.u16(content, 2);
    let rate = order.u32(content, 4);
    let align = usize::from(order.u16(content, 12));
    let bits = usize::from(order.u16(content, 14));
    if channels == 0 {
        return Err(Error::DecodeError("it states no channels").into());
    }
    let coding = match codec_tag(content, order)? {
        1 => Coding::Pcm(integers(bits, align, channels, order)?),
        3 => Coding::Pcm(floats(bits, align, channels, order)?),
        6 => Coding::Pcm(logarithmic(Values::ALaw, order)?),
        7 => Coding::Pcm(logarithmic(Values::MuLaw, order)?),
        2 => Coding::Adpcm(blocks(CODEC_ID_ADPCM_MS, 7, 2, align, channels)?),
        0x11 => Coding::Adpcm(blocks(CODEC_ID_ADPCM_IMA_WAV, 4, 1, align, channels)?),
        0x50 | 0x55 => Coding::Mpeg,
        0x1600 => Coding::Adts,
        tag => return Err(codec_names::of_wave(tag).into()),
    };
    Ok(Format { coding, rate, channels })
}

/// Format tag, or that of the sub-format.
fn codec_tag(content: &[u8], order: Order) -> Result<u16, Refusal> {
    match order.u16(content, 0) {
        EXTENSIBLE => match content.get(24..40) {
            Some(guid) if guid[2..] == SUBTYPE || guid[2..] == AMBISONIC => Ok(order.u16(guid, 0)),
            Some(_) => Err(Unsupported::audio("WAV with a sub-format that is not known here").into()),
            // A truncated header; most describe integers.
            None => Ok(1),
        },
        tag => Ok(tag),
    }
}

/// Integers: unsigned up to 8 bits, signed above. Values narrower than their bytes are aligned to
/// the most significant bit.
fn integers(bits: usize, align: usize, channels: u16, order: Order) -> Result<Layout, Refusal> {
    let channels = usize::from(channels);
    let width = match bits {
        0 if align.is_multiple_of(channels) => align / channels,
        17..=31 if align == 4 * channels => 4,
        _ => bits.div_ceil(8),
    };
    let values = if width == 1 { Values::Unsigned } else { Values::Signed };
    Layout::new(values, order, width).ok_or(Error::DecodeError("its sample size is none of PCM").into())
}

fn floats(bits: usize, align: usize, channels: u16, order: Order) -> Result<Layout, Refusal> {
    let width = match (bits, align / usize::from(channels)) {
        (64, _) => 8,
        (16, 2) => 2,
        (32, _) => 4,
        (_, 8) => 8,
        _ => 4,
    };
    Layout::new(Values::Float, order, width).ok_or(Unsupported::audio("WAV with floats of 16 bits").into())
}

fn logarithmic(values: Values, order: Order) -> Result<Layout, Refusal> {
    Layout::new(values, order, 1).ok_or(Error::DecodeError("its sample size is none of G.711").into())
}

/// Blocks of `align` bytes: per channel, `head` bytes and `samples` samples precede codes of 4
/// bits.
fn blocks(
    codec: AudioCodecId,
    head: usize,
    samples: usize,
    align: usize,
    channels: u16,
) -> Result<Blocks, Refusal> {
    let channels = usize::from(channels);
    if channels > 2 {
        return Err(Unsupported::audio("ADPCM of more than two channels in WAV").into());
    }
    let codes = align.checked_sub(head * channels).filter(|bytes| bytes / channels > 0);
    let codes = codes.ok_or(Error::DecodeError("its blocks are too short"))?;
    // IMA codes come in words of four bytes per channel.
    let codes = if codec == CODEC_ID_ADPCM_IMA_WAV { codes / channels / 4 * 4 } else { codes / channels };
    Ok(Blocks { codec, bytes: align, samples: (codes * 2 + samples) as u64 })
}
