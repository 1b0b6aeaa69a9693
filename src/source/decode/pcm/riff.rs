//! WAVE in RIFF, RIFX (big-endian), RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088).

use std::io::{self, Seek, SeekFrom};

use symphonia::core::formats::well_known::FORMAT_ID_WAVE;
use symphonia::core::formats::{FormatInfo, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};
use symphonia::core::meta::MetadataRevision;

use super::super::refusal::{DecodeRefusal, failed, malformed};
use super::super::stream_start::peek;
use super::chunks::{AfterAudio, ChunkHeader, ChunkLayout};
use super::layout::ByteOrder;
use super::reader::{AudioExtent, AudioExtents, AudioFormat, ExtentReader, demuxer};
use super::{bursts, tags, wave_format};

pub(super) const INFO: FormatInfo =
    FormatInfo { format: FORMAT_ID_WAVE, short_name: "wave", long_name: "Waveform Audio File Format" };

/// Chunks of WAVE files.
const KNOWN: &[&[u8; 4]] = &[
    b"fmt ", b"data", b"fact", b"LIST", b"ds64", b"JUNK", b"junk", b"PAD ", b"FLLR", b"bext", b"iXML",
    b"axml", b"chna", b"cue ", b"smpl", b"inst", b"plst", b"labl", b"note", b"ltxt", b"PEAK", b"id3 ",
    b"ID3 ", b"DISP", b"afsp", b"acid", b"strc", b"cart", b"levl", b"link", b"umid", b"_PMX", b"minf",
    b"elm1", b"regn", b"DGDA", b"LGWV", b"r64m", b"slnt", b"wavl", b"RIFF",
];

/// Maximum number of bytes read from a chunk's content.
const LONGEST_CONTENT: usize = 16 * 1024;

/// Placeholder for an unknown size.
const UNKNOWN: u64 = u32::MAX as u64;

/// Header of a file, up to its audio.
struct WaveHeader {
    layout: ChunkLayout,
    format: AudioFormat,
    /// Stated length of the audio in bytes; `None` if unknown.
    data: Option<u64>,
    /// Stated end of the file.
    end: Option<u64>,
    tags: Option<MetadataRevision>,
}

/// Opens a WAVE file.
///
/// # Errors
/// The codec is not decoded, or the description or the audio is missing.
pub(super) fn open(mut stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    let header = header(&mut stream)?;
    bursts::refuse(&mut stream, &header.format)?;
    let format = header.format.clone();
    let tags = header.tags.clone();
    let chunks = DataChunks { header, begin: 0, first: true };
    Ok(demuxer(ExtentReader::new(stream, chunks), format, 0, INFO, tags)?)
}

/// Reads chunks up to the audio.
fn header(stream: &mut MediaSourceStream<'_>) -> Result<WaveHeader, DecodeRefusal> {
    let begin = stream.pos();
    let head = peek(stream, 12).map_err(failed)?;
    let order = if head.starts_with(b"RIFX") { ByteOrder::Big } else { ByteOrder::Little };
    let layout = ChunkLayout { order, wide: false, padded: true, known: KNOWN };
    let is_wide = head.starts_with(b"RF64") || head.starts_with(b"BW64");
    stream.ignore_bytes(12).map_err(failed)?;
    let mut size = Some(u64::from(order.u32(&head, 4))).filter(|size| (4..UNKNOWN).contains(size));
    let (mut format, mut wide_data, mut info) = (None, None, None);
    // Position and header of audio that precedes its description.
    let mut audio: Option<(u64, ChunkHeader)> = None;
    while let Some(chunk) = layout.next(stream).map_err(failed)? {
        match &chunk.id {
            b"fmt " => {
                let content = format_content(&layout, stream, chunk)?;
                format = Some(wave_format::parse(&content, order)?);
                if audio.is_some() {
                    break;
                }
            }
            b"ds64" if is_wide => {
                let content = layout.read(stream, chunk, 28).map_err(failed)?;
                let stated =
                    |at| Some(order.u64(&content, at)).filter(|size| (1..u64::MAX / 2).contains(size));
                (size, wide_data) = (stated(0), stated(8));
            }
            b"LIST" => {
                let content = layout.read(stream, chunk, LONGEST_CONTENT).map_err(failed)?;
                info = info.or_else(|| tags::of_info_list(&content, order));
            }
            b"data" if format.is_some() || !stream.is_seekable() => {
                audio = Some((stream.pos(), chunk));
                break;
            }
            b"data" => {
                audio = audio.or(Some((stream.pos(), chunk)));
                layout.skip(stream, chunk.size, chunk.size % 2 == 1).map_err(failed)?;
            }
            _ => layout.skip(stream, chunk.size, chunk.size % 2 == 1).map_err(failed)?,
        }
    }
    let (at, chunk) = audio.ok_or(malformed("its header is not followed by audio"))?;
    let format = format.ok_or(malformed("its header does not describe the audio"))?;
    if stream.pos() != at {
        stream.seek(SeekFrom::Start(at)).map_err(failed)?;
    }
    let data = match (chunk.size, is_wide) {
        (UNKNOWN, true) => wide_data,
        (UNKNOWN, false) => None,
        (size, _) => Some(size),
    };
    let end = size.map(|size| begin.saturating_add(8).saturating_add(size));
    Ok(WaveHeader { layout, format, data, end, tags: info })
}

/// Content of the `fmt ` chunk. A size that includes the next chunk is corrected.
fn format_content(
    layout: &ChunkLayout,
    stream: &mut MediaSourceStream<'_>,
    chunk: ChunkHeader,
) -> Result<Vec<u8>, DecodeRefusal> {
    let next = peek(stream, 64).map_err(failed)?;
    let begins =
        |at: usize| next.get(at..at + 4).is_some_and(|id| KNOWN.iter().any(|known| known[..] == *id));
    let size = [14, 16, 18, 40].into_iter().find(|at| begins(*at)).map_or(chunk.size, |at| {
        // Beyond 16 bytes, a shorter size is either content that resembles a chunk, or correct.
        chunk.size.min(at as u64).max(14)
    });
    layout.read(stream, ChunkHeader { size, ..chunk }, 64).map_err(failed)
}

/// `data` chunks of a file.
struct DataChunks {
    header: WaveHeader,
    /// Start of the current extent.
    begin: u64,
    first: bool,
}

impl DataChunks {
    fn extent(&mut self, stream: &MediaSourceStream<'_>, bytes: Option<u64>) -> Option<AudioExtent> {
        self.begin = stream.pos();
        self.header.data = bytes;
        Some(AudioExtent { bytes, joined: false })
    }

    /// Next `data` chunk, from `chunk` on.
    fn search(
        &mut self,
        stream: &mut MediaSourceStream<'static>,
        mut chunk: ChunkHeader,
    ) -> io::Result<Option<AudioExtent>> {
        loop {
            match &chunk.id {
                b"data" => {
                    let bytes = Some(chunk.size).filter(|size| *size != UNKNOWN);
                    return Ok(self.extent(stream, bytes));
                }
                // Programs that record for hours start a new file before a size overflows.
                b"RIFF" if !stream.is_seekable() => return self.restart(stream),
                _ => {}
            }
            if stream.ignore_bytes(chunk.size.saturating_add(chunk.size % 2)).is_err() {
                return Ok(None);
            }
            match self.header.layout.next(stream)? {
                Some(next) => chunk = next,
                None => return Ok(None),
            }
        }
    }

    /// Continues with another file that follows, if its audio has the same format.
    fn restart(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<AudioExtent>> {
        use symphonia::core::io::SeekBuffered;
        stream.seek_buffered_rel(-8);
        match header(stream) {
            Ok(header) if header.format == self.header.format => {
                let bytes = header.data;
                self.header = header;
                Ok(self.extent(stream, bytes))
            }
            _ => Ok(None),
        }
    }
}

impl AudioExtents for DataChunks {
    fn next(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<AudioExtent>> {
        let stated = self.header.data;
        if std::mem::take(&mut self.first) {
            return Ok(self.extent(stream, stated));
        }
        let Some(stated) = stated else { return Ok(None) };
        let end = self.begin.saturating_add(stated);
        let settled = stated > 0 && self.header.end.is_some_and(|whole| whole.abs_diff(end) <= 1);
        let odd = stated % 2 == 1;
        match self.header.layout.follows(stream, odd, self.header.end, settled)? {
            AfterAudio::End => Ok(None),
            AfterAudio::Chunk(chunk) => self.search(stream, chunk),
            AfterAudio::Audio => {
                self.header.data = None;
                Ok(Some(AudioExtent { bytes: None, joined: true }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
