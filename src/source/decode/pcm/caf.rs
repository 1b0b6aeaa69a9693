//! Apple's Core Audio Format (Apple, Core Audio Format Specification 1.0).

mod packets;

use std::io::{Read, Seek, SeekFrom};

use symphonia::core::codecs::audio::well_known::CODEC_ID_ADPCM_IMA_QT;
use symphonia::core::formats::FormatReader;
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};

use super::super::codec_names;
use super::super::refusal::{DecodeRefusal, Unsupported, failed, malformed};
use super::chunks::{ChunkHeader, ChunkLayout};
use super::layout::{ByteOrder, PcmLayout, SampleValues};
use super::reader::{AdpcmBlocks, AudioCoding, AudioFormat, ExtentReader, demuxer};
use super::single::SingleChunk;
use packets::{CompressedFormat, INFO};

const LAYOUT: ChunkLayout = ChunkLayout {
    order: ByteOrder::Big,
    wide: true,
    padded: false,
    known: &[
        b"desc", b"data", b"pakt", b"chan", b"kuki", b"free", b"info", b"strg", b"mark", b"regn", b"inst",
        b"midi", b"ovvw", b"peak", b"edct", b"umid", b"uuid",
    ],
};

/// Maximum length of a magic cookie, in bytes.
const LONGEST_COOKIE: usize = 1024;

/// Maximum length of a packet table, in bytes: some days of audio.
const LONGEST_TABLE: u64 = 16 << 20;

/// Bytes before the audio in a `data` chunk: the edit count.
const DATA_HEAD: u64 = 4;

/// Opens a CAF file.
///
/// # Errors
/// The codec is not decoded, or the description or the audio is missing.
pub(super) fn open(mut stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    stream.ignore_bytes(8).map_err(failed)?;
    let (mut described, mut table, mut cookie) = (None, None, Vec::new());
    let mut audio: Option<(u64, ChunkHeader)> = None;
    while let Some(chunk) = LAYOUT.next(&mut stream).map_err(failed)? {
        match &chunk.id {
            b"desc" => {
                let content = LAYOUT.read(&mut stream, chunk, 32).map_err(failed)?;
                described = Some(description(&content)?);
            }
            b"kuki" => cookie = LAYOUT.read(&mut stream, chunk, LONGEST_COOKIE).map_err(failed)?,
            b"pakt" if chunk.size <= LONGEST_TABLE => {
                let mut content = Vec::new();
                stream.by_ref().take(chunk.size).read_to_end(&mut content).map_err(failed)?;
                table = Some(content);
            }
            b"data" => {
                audio = audio.or(Some((stream.pos(), chunk)));
                let is_enough = match &described {
                    Some(CafDescription::Plain(_)) => true,
                    Some(CafDescription::CompressedFormat(_)) => table.is_some(),
                    None => false,
                };
                if is_enough || !stream.is_seekable() {
                    break;
                }
                LAYOUT.skip(&mut stream, chunk.size, false).map_err(failed)?;
            }
            _ => LAYOUT.skip(&mut stream, chunk.size, false).map_err(failed)?,
        }
    }
    let (at, chunk) = audio.ok_or(malformed("its header is not followed by audio"))?;
    let described = described.ok_or(malformed("its header does not describe the audio"))?;
    if stream.pos() != at {
        stream.seek(SeekFrom::Start(at)).map_err(failed)?;
    }
    stream.ignore_bytes(DATA_HEAD).map_err(failed)?;
    let format = match (described, table) {
        (CafDescription::Plain(format), _) => format,
        (CafDescription::CompressedFormat(format), Some(table)) => {
            return Ok(packets::demuxer(stream, format, table, &cookie));
        }
        (CafDescription::CompressedFormat(_), None) => {
            let format = Unsupported::audio("compressed CAF whose packet table does not come first");
            return Err(format.into());
        }
    };
    // A size of −1 extends to the end.
    let stated = (chunk.size <= u64::MAX / 2).then(|| chunk.size.saturating_sub(DATA_HEAD));
    Ok(demuxer(
        ExtentReader::new(stream, SingleChunk::new(LAYOUT, stated, None, true)),
        format,
        0,
        INFO,
        None,
    )?)
}

/// Content of a file.
enum CafDescription {
    Plain(AudioFormat),
    CompressedFormat(CompressedFormat),
}

/// Parses the content of a `desc` chunk.
fn description(content: &[u8]) -> Result<CafDescription, DecodeRefusal> {
    const IS_FLOAT: u32 = 1;
    const IS_LITTLE_ENDIAN: u32 = 2;
    if content.len() < 32 {
        return Err(malformed("its `desc` chunk is cut short"));
    }
    let rate = f64::from_bits(ByteOrder::Big.u64(content, 0));
    let [flags, packet, samples, channels, bits] =
        [12, 16, 20, 24, 28].map(|at| ByteOrder::Big.u32(content, at));
    let channels = u16::try_from(channels).ok().filter(|count| *count > 0);
    let channels = channels.ok_or(malformed("its number of channels is not valid"))?;
    let order = if flags & IS_LITTLE_ENDIAN != 0 { ByteOrder::Little } else { ByteOrder::Big };
    let values = if flags & IS_FLOAT != 0 { SampleValues::Float } else { SampleValues::Signed };
    let pcm = |values, width| {
        PcmLayout::new(values, order, width)
            .map(AudioCoding::Pcm)
            .ok_or(malformed("its sample size is not valid for PCM"))
    };
    // Rates are integers in practice; implausible ones are rejected with the codec.
    let rate = rate.round() as u32;
    if let Some(codec) = packets::codec(&content[8..12]) {
        let format = CompressedFormat { codec, rate, channels, bytes: packet, samples };
        return Ok(CafDescription::CompressedFormat(format));
    }
    let coding = match &content[8..12] {
        b"lpcm" => {
            let frame = packet as usize / samples.max(1) as usize;
            let is_whole = frame > 0 && frame.is_multiple_of(usize::from(channels));
            let width = if is_whole { frame / usize::from(channels) } else { bits.div_ceil(8) as usize };
            pcm(values, width)?
        }
        b"ulaw" => pcm(SampleValues::MuLaw, 1)?,
        b"alaw" => pcm(SampleValues::ALaw, 1)?,
        b"ima4" if channels <= 2 => AudioCoding::Adpcm(AdpcmBlocks {
            codec: CODEC_ID_ADPCM_IMA_QT,
            bytes: 34 * usize::from(channels),
            samples: 64,
        }),
        b".mp1" | b".mp2" | b".mp3" => AudioCoding::Mpeg,
        kind => return Err(codec_names::of_caf(kind).into()),
    };
    Ok(CafDescription::Plain(AudioFormat { coding, rate, channels }))
}

#[cfg(test)]
mod tests;
