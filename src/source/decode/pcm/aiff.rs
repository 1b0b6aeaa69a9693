//! AIFF and AIFF-C (Apple, Audio Interchange File Format, version 1.3, and AIFF-C draft 8/26/91).

use std::io::{Seek, SeekFrom};

use symphonia::core::codecs::audio::well_known::CODEC_ID_ADPCM_IMA_QT;
use symphonia::core::formats::well_known::FORMAT_ID_AIFF;
use symphonia::core::formats::{FormatInfo, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};

use super::super::codec_names;
use super::super::refusal::{DecodeRefusal, failed, malformed};
use super::super::stream_start::peek;
use super::chunks::{ChunkHeader, ChunkLayout};
use super::layout::{ByteOrder, PcmLayout, SampleValues};
use super::reader::{AdpcmBlocks, AudioCoding, AudioFormat, ExtentReader, demuxer};
use super::single::SingleChunk;
use super::tags;

const INFO: FormatInfo =
    FormatInfo { format: FORMAT_ID_AIFF, short_name: "aiff", long_name: "Audio Interchange File Format" };

const LAYOUT: ChunkLayout = ChunkLayout {
    order: ByteOrder::Big,
    wide: false,
    padded: true,
    known: &[
        b"COMM", b"SSND", b"FVER", b"MARK", b"COMT", b"INST", b"MIDI", b"AESD", b"APPL", b"NAME", b"AUTH",
        b"(c) ", b"ANNO", b"CHAN", b"PEAK", b"SAXL", b"ID3 ", b"id3 ", b"FLLR", b"basc", b"trns", b"cate",
        b"LGWV", b"ResU", b"FORM",
    ],
};

/// Bytes before the audio in an `SSND` chunk: offset and block size.
const SOUND_HEAD: u64 = 8;

/// Maximum number of bytes read from a chunk's content.
const LONGEST_CONTENT: usize = 1024;

/// Opens an AIFF or AIFF-C file.
///
/// # Errors
/// The codec is not decoded, or the description or the audio is missing.
pub(super) fn open(mut stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    let begin = stream.pos();
    let head = peek(&mut stream, 12).map_err(failed)?;
    stream.ignore_bytes(12).map_err(failed)?;
    let is_compressed = head.ends_with(b"AIFC");
    let size = u64::from(ByteOrder::Big.u32(&head, 4));
    let end = (size >= 4).then(|| begin.saturating_add(8).saturating_add(size));
    let (mut format, mut artist, mut title) = (None, None, None);
    let mut audio: Option<(u64, ChunkHeader)> = None;
    while let Some(chunk) = LAYOUT.next(&mut stream).map_err(failed)? {
        match &chunk.id {
            b"COMM" => {
                let content = LAYOUT.read(&mut stream, chunk, LONGEST_CONTENT).map_err(failed)?;
                format = Some(common(&content, is_compressed)?);
                if audio.is_some() {
                    break;
                }
            }
            b"SSND" if format.is_some() || !stream.is_seekable() => {
                audio = Some((stream.pos(), chunk));
                break;
            }
            b"SSND" => {
                audio = audio.or(Some((stream.pos(), chunk)));
                LAYOUT.skip(&mut stream, chunk.size, chunk.size % 2 == 1).map_err(failed)?;
            }
            b"AUTH" => artist = Some(LAYOUT.read(&mut stream, chunk, LONGEST_CONTENT).map_err(failed)?),
            b"NAME" => title = Some(LAYOUT.read(&mut stream, chunk, LONGEST_CONTENT).map_err(failed)?),
            _ => LAYOUT.skip(&mut stream, chunk.size, chunk.size % 2 == 1).map_err(failed)?,
        }
    }
    let (at, chunk) = audio.ok_or(malformed("its header is not followed by audio"))?;
    let format: AudioFormat = format.ok_or(malformed("its header does not describe the audio"))?;
    if stream.pos() != at {
        stream.seek(SeekFrom::Start(at)).map_err(failed)?;
    }
    let offset = u64::from(ByteOrder::Big.u32(&peek(&mut stream, 4).map_err(failed)?, 0));
    // The offset aligns blocks; one beyond the chunk is invalid.
    let offset = if offset < chunk.size { offset } else { 0 };
    stream.ignore_bytes(SOUND_HEAD.saturating_add(offset)).map_err(failed)?;
    let tags = tags::of_texts(artist.as_deref(), title.as_deref());
    let stated = chunk.size.saturating_sub(SOUND_HEAD).saturating_sub(offset);
    let settled = end.is_some_and(|end| end.abs_diff(stream.pos().saturating_add(stated)) <= 1);
    let sound = SingleChunk::new(LAYOUT, Some(stated), end, settled);
    Ok(demuxer(ExtentReader::new(stream, sound), format, 0, INFO, tags)?)
}

/// Parses the content of a `COMM` chunk.
fn common(content: &[u8], is_compressed: bool) -> Result<AudioFormat, DecodeRefusal> {
    if content.len() < 18 {
        return Err(malformed("its `COMM` chunk is cut short"));
    }
    let channels = ByteOrder::Big.u16(content, 0);
    let bits = ByteOrder::Big.u16(content, 6);
    if channels == 0 {
        return Err(malformed("it states no channels"));
    }
    let kind = match is_compressed {
        true => content.get(18..22).and_then(|kind| kind.first_chunk::<4>()).copied().unwrap_or(*b"NONE"),
        false => *b"NONE",
    };
    let coding = coding(&kind, bits, channels)?;
    Ok(AudioFormat { coding, rate: extended(&content[8..18]), channels })
}

/// Encoding by compression type. Integers fill whole bytes, aligned to the most significant bit.
fn coding(kind: &[u8; 4], bits: u16, channels: u16) -> Result<AudioCoding, DecodeRefusal> {
    use ByteOrder::{Big, Little};
    let bytes = usize::from(bits.div_ceil(8));
    let (values, order, width) = match kind {
        b"NONE" | b"twos" => (SampleValues::Signed, Big, bytes),
        b"sowt" => (SampleValues::Signed, Little, bytes),
        b"in16" => (SampleValues::Signed, Big, 2),
        b"in24" => (SampleValues::Signed, Big, 3),
        b"in32" => (SampleValues::Signed, Big, 4),
        b"42ni" => (SampleValues::Signed, Little, 3),
        b"23ni" => (SampleValues::Signed, Little, 4),
        b"raw " => (SampleValues::Unsigned, Big, bytes),
        b"fl32" | b"FL32" => (SampleValues::Float, Big, 4),
        b"fl64" | b"FL64" => (SampleValues::Float, Big, 8),
        b"ulaw" | b"ULAW" => (SampleValues::MuLaw, Big, 1),
        b"alaw" | b"ALAW" => (SampleValues::ALaw, Big, 1),
        b"ima4" if channels <= 2 => {
            let bytes = 34 * usize::from(channels);
            return Ok(AudioCoding::Adpcm(AdpcmBlocks { codec: CODEC_ID_ADPCM_IMA_QT, bytes, samples: 64 }));
        }
        _ => return Err(codec_names::of_aiff(kind).into()),
    };
    PcmLayout::new(values, order, width)
        .map(AudioCoding::Pcm)
        .ok_or(malformed("its sample size is not valid for PCM"))
}

/// Rounds an 80-bit floating-point number; 0 if it is not a rate.
fn extended(bytes: &[u8]) -> u32 {
    let exponent = i32::from(ByteOrder::Big.u16(bytes, 0)) - 16_383;
    let mantissa = ByteOrder::Big.u64(bytes, 2);
    if !(0..32).contains(&exponent) {
        return 0;
    }
    let shift = 63 - exponent as u32;
    u32::try_from((mantissa >> (shift - 1)).div_ceil(2)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
