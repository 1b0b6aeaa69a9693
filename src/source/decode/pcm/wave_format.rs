//! Parser of the `fmt ` chunk of WAVE files (Microsoft Multimedia Standards Update, revision 3.0).

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS};
use symphonia::core::errors::Error;

use super::super::codec_names;
use super::super::refusal::{DecodeRefusal, Unsupported};
use super::layout::{ByteOrder, PcmLayout, SampleValues};
use super::reader::{AdpcmBlocks, AudioCoding, AudioFormat};

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
pub(super) fn parse(content: &[u8], order: ByteOrder) -> Result<AudioFormat, DecodeRefusal> {
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
        1 => AudioCoding::Pcm(integers(bits, align, channels, order)?),
        3 => AudioCoding::Pcm(floats(bits, align, channels, order)?),
        6 => AudioCoding::Pcm(logarithmic(SampleValues::ALaw, order)?),
        7 => AudioCoding::Pcm(logarithmic(SampleValues::MuLaw, order)?),
        2 => AudioCoding::Adpcm(blocks(CODEC_ID_ADPCM_MS, 7, 2, align, channels)?),
        0x11 => AudioCoding::Adpcm(blocks(CODEC_ID_ADPCM_IMA_WAV, 4, 1, align, channels)?),
        0x50 | 0x55 => AudioCoding::Mpeg,
        0x1600 => AudioCoding::Adts,
        tag => return Err(codec_names::of_wave(tag).into()),
    };
    Ok(AudioFormat { coding, rate, channels })
}

/// Format tag, or that of the sub-format.
fn codec_tag(content: &[u8], order: ByteOrder) -> Result<u16, DecodeRefusal> {
    match order.u16(content, 0) {
        EXTENSIBLE => match content.get(24..40) {
            Some(guid) if guid[2..] == SUBTYPE || guid[2..] == AMBISONIC => Ok(order.u16(guid, 0)),
            Some(_) => Err(Unsupported::audio("WAV with an unknown sub-format").into()),
            // A truncated header; most describe integers.
            None => Ok(1),
        },
        tag => Ok(tag),
    }
}

/// Integers: unsigned up to 8 bits, signed above. Values narrower than their bytes are aligned to
/// the most significant bit.
fn integers(bits: usize, align: usize, channels: u16, order: ByteOrder) -> Result<PcmLayout, DecodeRefusal> {
    let channels = usize::from(channels);
    let width = match bits {
        0 if align.is_multiple_of(channels) => align / channels,
        17..=31 if align == 4 * channels => 4,
        _ => bits.div_ceil(8),
    };
    let values = if width == 1 { SampleValues::Unsigned } else { SampleValues::Signed };
    PcmLayout::new(values, order, width)
        .ok_or(Error::DecodeError("its sample size is not valid for PCM").into())
}

fn floats(bits: usize, align: usize, channels: u16, order: ByteOrder) -> Result<PcmLayout, DecodeRefusal> {
    let width = match (bits, align / usize::from(channels)) {
        (64, _) => 8,
        (16, 2) => 2,
        (32, _) => 4,
        (_, 8) => 8,
        _ => 4,
    };
    PcmLayout::new(SampleValues::Float, order, width)
        .ok_or(Unsupported::audio("WAV with floats of 16 bits").into())
}

fn logarithmic(values: SampleValues, order: ByteOrder) -> Result<PcmLayout, DecodeRefusal> {
    PcmLayout::new(values, order, 1)
        .ok_or(Error::DecodeError("its sample size is not valid for G.711").into())
}

/// Blocks of `align` bytes: per channel, `head` bytes and `samples` samples precede codes of 4
/// bits.
fn blocks(
    codec: AudioCodecId,
    head: usize,
    samples: usize,
    align: usize,
    channels: u16,
) -> Result<AdpcmBlocks, DecodeRefusal> {
    let channels = usize::from(channels);
    if channels > 2 {
        return Err(Unsupported::audio("ADPCM of more than two channels in WAV").into());
    }
    let codes = align.checked_sub(head * channels).filter(|bytes| bytes / channels > 0);
    let codes = codes.ok_or(Error::DecodeError("its blocks are too short"))?;
    // IMA codes come in words of four bytes per channel.
    let codes = if codec == CODEC_ID_ADPCM_IMA_WAV { codes / channels / 4 * 4 } else { codes / channels };
    Ok(AdpcmBlocks { codec, bytes: align, samples: (codes * 2 + samples) as u64 })
}
