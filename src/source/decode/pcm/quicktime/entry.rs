//! Sample descriptions of audio.

use symphonia::core::codecs::audio::well_known::CODEC_ID_ADPCM_IMA_QT;

use super::super::super::boxes::{find, number, word};
use super::super::super::codec_names;
use super::super::super::refusal::Unsupported;
use super::super::layout::{ByteOrder, PcmLayout, SampleValues};
use super::super::reader::{AdpcmBlocks, AudioCoding, AudioFormat};

/// Content of a track.
pub(super) enum SampleEntry {
    /// Supported audio, and the bytes of one sample as the file counts them.
    Pcm(AudioFormat, u64),
    /// Audio that is not decoded.
    Unsupported(Unsupported),
    /// Audio for another demuxer, or no audio.
    Other,
}

/// Fields of a sample description.
struct EntryFields<'a> {
    kind: [u8; 4],
    channels: u32,
    bits: u32,
    rate: f64,
    /// Flags of linear PCM (version 2).
    flags: Option<u32>,
    /// Nested boxes.
    boxes: &'a [u8],
}

/// Parses the first description of an `stsd` box.
pub(super) fn parse(stsd: &[u8]) -> SampleEntry {
    let Some(fields) = fields(stsd) else { return SampleEntry::Other };
    let channels = u16::try_from(fields.channels).unwrap_or(0);
    let (coding, bytes) = match coding(&fields, channels) {
        Some(_) if channels == 0 => return SampleEntry::Other,
        Some(coding) => coding,
        None => {
            return codec_names::of_sample_entry(fields.kind)
                .map_or(SampleEntry::Other, SampleEntry::Unsupported);
        }
    };
    SampleEntry::Pcm(AudioFormat { coding, rate: fields.rate.round() as u32, channels }, bytes as u64)
}

fn fields(stsd: &[u8]) -> Option<EntryFields<'_>> {
    let size = word(stsd, 8)? as usize;
    let entry = stsd.get(8..8_usize.checked_add(size)?.min(stsd.len()))?;
    let kind = *entry.get(4..8)?.first_chunk::<4>()?;
    let short = |at: usize| number(entry.get(at..at + 2)?).map(|number| number as u32);
    let mut fields = EntryFields {
        kind,
        channels: short(24)?,
        bits: short(26)?,
        rate: f64::from(word(entry, 32)?) / 65_536.0,
        flags: None,
        boxes: &[],
    };
    let behind = match short(16)? {
        0 => 36,
        1 => 52,
        2 => {
            fields.rate = f64::from_bits(number(entry.get(40..48)?)?);
            fields.channels = word(entry, 48)?;
            fields.bits = word(entry, 56)?;
            fields.flags = word(entry, 60);
            72
        }
        _ => return None,
    };
    fields.boxes = entry.get(behind..).unwrap_or_default();
    Some(fields)
}

/// Encoding of uncompressed audio, and the bytes of one sample as the file counts them.
fn coding(fields: &EntryFields<'_>, channels: u16) -> Option<(AudioCoding, usize)> {
    let bytes = (fields.bits as usize).div_ceil(8);
    // `enda` is 1 for little-endian.
    let enda = find(fields.boxes, &[b"wave", b"enda"]).or_else(|| find(fields.boxes, &[b"enda"]));
    let stated = match enda.and_then(|enda| number(enda.get(..2)?)) {
        Some(1) => ByteOrder::Little,
        _ => ByteOrder::Big,
    };
    let (values, order, width) = match &fields.kind {
        b"twos" => (SampleValues::Signed, ByteOrder::Big, bytes),
        b"sowt" => (SampleValues::Signed, ByteOrder::Little, bytes),
        b"raw " | b"NONE" | [0, 0, 0, 0] if bytes <= 1 => (SampleValues::Unsigned, ByteOrder::Big, 1),
        b"raw " | b"NONE" | [0, 0, 0, 0] => (SampleValues::Signed, ByteOrder::Big, bytes),
        b"in24" => (SampleValues::Signed, stated, 3),
        b"in32" => (SampleValues::Signed, stated, 4),
        b"fl32" => (SampleValues::Float, stated, 4),
        b"fl64" => (SampleValues::Float, stated, 8),
        b"ulaw" => (SampleValues::MuLaw, ByteOrder::Big, 1),
        b"alaw" => (SampleValues::ALaw, ByteOrder::Big, 1),
        b"lpcm" => linear(fields.flags, bytes),
        b"ipcm" | b"fpcm" => {
            // ISO/IEC 23003-5, 5.1: bit 0 of the flags is little-endian.
            let config = find(fields.boxes, &[b"pcmC"])?;
            let order = if config.get(4)? & 1 != 0 { ByteOrder::Little } else { ByteOrder::Big };
            let values = if &fields.kind == b"fpcm" { SampleValues::Float } else { SampleValues::Signed };
            (values, order, usize::from(*config.get(5)?).div_ceil(8))
        }
        b"ima4" if channels <= 2 => {
            let bytes = 34 * usize::from(channels);
            let blocks = AdpcmBlocks { codec: CODEC_ID_ADPCM_IMA_QT, bytes, samples: 64 };
            return Some((AudioCoding::Adpcm(blocks), bytes));
        }
        _ => return None,
    };
    let layout = PcmLayout::new(values, order, width)?;
    let frame = layout.width * usize::from(channels);
    Some((AudioCoding::Pcm(layout), frame))
}

/// Linear PCM by the flags of version 2 (Core Audio, `kAudioFormatFlag…`).
fn linear(flags: Option<u32>, bytes: usize) -> (SampleValues, ByteOrder, usize) {
    const IS_FLOAT: u32 = 1;
    const IS_BIG_ENDIAN: u32 = 2;
    const IS_SIGNED: u32 = 4;
    let flags = flags.unwrap_or(IS_BIG_ENDIAN | IS_SIGNED);
    let order = if flags & IS_BIG_ENDIAN != 0 { ByteOrder::Big } else { ByteOrder::Little };
    let values = match flags {
        _ if flags & IS_FLOAT != 0 => SampleValues::Float,
        _ if flags & IS_SIGNED != 0 => SampleValues::Signed,
        _ => SampleValues::Unsigned,
    };
    (values, order, bytes)
}
