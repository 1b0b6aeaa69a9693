//! Uncompressed audio in QuickTime and MP4 files, fragmented or not.
//!
//! The sample description states the byte order (QuickTime File Format Specification, "Sound Sample
//! Descriptions"; ISO/IEC 23003-5). Each audio frame is a sample of its own, so whole chunks are
//! read at once.

mod entry;
mod fragments;
mod tables;

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatInfo, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes};

use super::super::boxes::{self, BoxHeader};
use super::super::refusal::DecodeRefusal;
use super::super::stream_start::peek;
use super::reader::{AudioExtent, AudioExtents, AudioFormat, ExtentReader, demuxer};
use entry::SampleEntry;
use fragments::FragmentDefaults;

const INFO: FormatInfo =
    FormatInfo { format: FORMAT_ID_ISOMP4, short_name: "isomp4", long_name: "ISO base media file" };

/// Maximum number of bytes read from a fragment's index.
const LARGEST_MOOF: u64 = 16 << 20;

/// Result of opening a QuickTime or MP4 file.
pub(in crate::source::decode) enum QuickTimeStream {
    /// The audio is demuxed here.
    Here(Box<dyn FormatReader>),
    /// Another demuxer is needed.
    Elsewhere(MediaSourceStream<'static>),
}

/// Opens `stream`, a file at its start, if the first decodable audio track is uncompressed. `moov`
/// is the content of its index.
///
/// # Errors
/// No audio track can be decoded.
pub(in crate::source::decode) fn open(
    stream: MediaSourceStream<'static>,
    moov: Option<&[u8]>,
) -> Result<QuickTimeStream, DecodeRefusal> {
    let Some(PcmTrack { track, format, extents, defaults }) = moov.map(audio_track).transpose()?.flatten()
    else {
        return Ok(QuickTimeStream::Elsewhere(stream));
    };
    let audio = TrackAudio { extents: extents.into(), defaults, ends: None };
    Ok(QuickTimeStream::Here(demuxer(ExtentReader::new(stream, audio), format, track, INFO, None)?))
}

/// Uncompressed track.
struct PcmTrack {
    track: u32,
    format: AudioFormat,
    /// Positions and lengths of its audio.
    extents: Vec<(u64, u64)>,
    /// Fragment defaults; `None` without fragments.
    defaults: Option<FragmentDefaults>,
}

/// First decodable audio track, if it is uncompressed.
fn audio_track(moov: &[u8]) -> Result<Option<PcmTrack>, DecodeRefusal> {
    let mut refused = None;
    for (_, trak) in boxes::all(moov).filter(|(kind, _)| kind == b"trak") {
        let Some(media) = boxes::find(trak, &[b"mdia"]) else { continue };
        let is_audio = boxes::find(media, &[b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)) == Some(b"soun");
        let table = boxes::find(media, &[b"minf", b"stbl"]);
        let (true, Some(table)) = (is_audio, table) else { continue };
        match boxes::find(table, &[b"stsd"]).map(entry::parse) {
            Some(SampleEntry::Pcm(format, frame)) => {
                let Some(track) = boxes::track_id(trak) else { continue };
                let extents = tables::extents(table, frame);
                let defaults =
                    boxes::find(moov, &[b"mvex"]).map(|mvex| FragmentDefaults::of(mvex, track, frame));
                return Ok(Some(PcmTrack { track, format, extents, defaults }));
            }
            Some(SampleEntry::Unsupported(unsupported)) => refused = refused.or(Some(unsupported)),
            Some(SampleEntry::Other) => return Ok(None),
            None => {}
        }
    }
    refused.map_or(Ok(None), |unsupported| Err(unsupported.into()))
}

/// Audio of one track.
struct TrackAudio {
    /// Positions and lengths yet to be read.
    extents: VecDeque<(u64, u64)>,
    /// Set if fragments follow.
    defaults: Option<FragmentDefaults>,
    /// End of the box that holds them.
    ends: Option<u64>,
}

impl AudioExtents for TrackAudio {
    fn next(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<AudioExtent>> {
        loop {
            if let Some((at, bytes)) = self.extents.pop_front() {
                return Ok(go_to(stream, at)?.then_some(AudioExtent { bytes: Some(bytes), joined: true }));
            }
            let Some(defaults) = &self.defaults else { return Ok(None) };
            if let Some(end) = self.ends.take()
                && !go_to(stream, end)?
            {
                return Ok(None);
            }
            let begin = stream.pos();
            let Some(BoxHeader { kind, size: Some(size), length }) = boxes::head(&peek(stream, 16)?) else {
                return Ok(None);
            };
            self.ends = Some(begin.saturating_add(size));
            if &kind == b"moof" {
                let mut moof = Vec::new();
                stream.by_ref().take(size.min(LARGEST_MOOF)).read_to_end(&mut moof)?;
                let content = moof.get(length as usize..).unwrap_or_default();
                self.extents = defaults.extents(content, begin).into();
                // They lie in the next box.
                if let Some(BoxHeader { size, .. }) = boxes::head(&peek(stream, 16)?) {
                    self.ends = size.map(|size| stream.pos().saturating_add(size));
                }
            }
        }
    }
}

/// Moves `stream` to position `to`. Returns false if that is impossible.
fn go_to(stream: &mut MediaSourceStream<'_>, to: u64) -> io::Result<bool> {
    let at = stream.pos();
    if stream.byte_len().is_some_and(|length| to > length) {
        return Ok(false);
    }
    if to < at {
        return Ok(stream.is_seekable() && stream.seek(SeekFrom::Start(to)).is_ok());
    }
    match stream.ignore_bytes(to - at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        done => done.map(|()| true),
    }
}

#[cfg(test)]
mod tests;
