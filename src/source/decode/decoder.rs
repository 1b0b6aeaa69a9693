//! Decoder of one container.

mod packet;
mod skip;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use symphonia::core::errors::Error;
use symphonia::core::io::ReadOnlySource;
use symphonia::core::packet::Packet;

use super::detect::DetectedFormat;
use super::guard::PANICKED;
use super::limits::ANY_RATE;
use super::matroska::PaddingTable;
use super::open::{OpenedContainer, SharedSections, open};
use super::packet_reader::PacketReader;
use super::refusal::{DecodeRefusal, KNOWN, unreadable};
use super::stoppable_file::StoppableFile;
use super::track::{ContainerFacts, SelectedTrack};
use super::{adts, detect, open, titles};
use crate::audio::{Block, SampleRate, Span};
use crate::permits::Permits;
use crate::source::SourceError;
use crate::thread::Stop;

/// Block length in seconds: short enough for pacing, long enough for low overhead.
const BLOCK_SECONDS: f64 = 0.04;

/// Number of consecutive failures after which a stream counts as ended.
const MAX_FAULTS: u32 = 64;

/// Decoder of the default audio track of one container, from front to back.
pub(in crate::source) struct Decoder {
    name: String,
    packets: PacketReader,
    facts: ContainerFacts,
    track: SelectedTrack,
    /// Remaining sections of an AAC stream, whose parameters may change.
    sections: Option<SharedSections>,
    /// Interleaved samples of the current packet, of which `taken` have been returned.
    packet: Vec<f32>,
    taken: usize,
    rate: SampleRate,
    channels: u16,
    /// Index of the next sample to return.
    position: u64,
    /// True if the next sample follows a discontinuity.
    gap: bool,
    /// Number of undecodable packets.
    corrupt: u64,
    faults: u32,
    ended: bool,
    /// True once metadata of the container has been read.
    described: bool,
    /// Number of packets that may fail after a skip, because codecs depend on earlier packets.
    pre_roll: u32,
    /// Permits for decoding; `None` decodes without.
    permits: Option<Permits>,
}

impl Decoder {
    /// Opens a regular file, whose reads fail once `stop` is set.
    ///
    /// # Errors
    /// Permanent, with the path: the file holds no decodable audio.
    pub(in crate::source) fn from_file(
        name: String,
        file: File,
        extension: Option<&str>,
        stop: Option<&Stop>,
    ) -> Result<Self, SourceError> {
        let mut file = StoppableFile::new(file, stop);
        let mut again = file.try_clone().map_err(|error| unreadable(&name, &error))?;
        file.rewind().map_err(|error| unreadable(&name, &error))?;
        Self::new(name.clone(), open(file, extension)).or_else(|error| {
            // Containers with an index behind the audio reject a truncated file; without seeking
            // they do not look for it.
            again.rewind().map_err(|error| unreadable(&name, &error))?;
            Self::new(name, open(ReadOnlySource::new(again), extension)).map_err(|_| error)
        })
    }

    /// Opens a stream that cannot be seeked. Blocks until the first packet has been decoded.
    ///
    /// # Errors
    /// See [`Decoder::from_file`].
    pub(in crate::source) fn from_stream(
        name: String,
        stream: impl Read + Send + Sync + 'static,
    ) -> Result<Self, SourceError> {
        Self::new(name, open(ReadOnlySource::new(stream), None))
    }

    fn new(name: String, opened: Result<OpenedContainer, DecodeRefusal>) -> Result<Self, SourceError> {
        let OpenedContainer { format, facts, paddings, sections } =
            opened.map_err(|refusal| refusal.of(&name))?;
        let track = SelectedTrack::new(&*format, &facts).map_err(|refusal| refusal.of(&name))?;
        let mut decoder = Self {
            name,
            packets: PacketReader::new(format, paddings),
            facts,
            track,
            sections,
            packet: Vec::new(),
            taken: 0,
            rate: ANY_RATE,
            channels: 1,
            position: 0,
            gap: false,
            corrupt: 0,
            faults: 0,
            ended: false,
            described: false,
            pre_roll: 0,
            permits: None,
        };
        if !decoder.decode_next()? {
            return Err(SourceError::Permanent(match decoder.corrupt {
                0 => format!("`{}` holds no audio: its track has no samples", decoder.name),
                count => format!(
                    "nothing in `{}` could be decoded ({count} corrupt packets); is it damaged? {KNOWN}",
                    decoder.name
                ),
            }));
        }
        Ok(decoder)
    }

    /// Refills `block` with the next 40 ms (less before a gap, a change of parameters and the end).
    /// Returns false at the end.
    ///
    /// A changed sample rate renumbers the samples, so that `span.start` divided by `rate` stays
    /// the time.
    ///
    /// # Errors
    /// Read errors, as permanent errors.
    pub(in crate::source) fn next(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        block.interleaved.clear();
        block.anchor = None;
        loop {
            if self.taken == self.packet.len() {
                if self.decode_next()? {
                    continue;
                }
                return Ok(!block.interleaved.is_empty());
            }
            if block.interleaved.is_empty() {
                block.rate = self.rate;
                block.channels = self.channels;
                block.gap = std::mem::take(&mut self.gap);
                block.span = Span { start: self.position, end: self.position };
            } else if self.gap || block.rate != self.rate || block.channels != self.channels {
                return Ok(true);
            }
            let channels = usize::from(self.channels);
            let target = self.rate.samples(BLOCK_SECONDS).max(1) as usize * channels;
            let left = &self.packet[self.taken..];
            let count = left.len().min(target - block.interleaved.len());
            block.interleaved.extend_from_slice(&left[..count]);
            self.taken += count;
            self.position += (count / channels) as u64;
            block.span.end = self.position;
            if block.interleaved.len() == target {
                return Ok(true);
            }
        }
    }

    /// Length of the track in seconds, as the container states it; `None` if it states none.
    pub(in crate::source) fn stated_length(&self) -> Option<f64> {
        let track = self.packets.format.tracks().iter().find(|track| track.id == self.track.id)?;
        let rate = f64::from(self.track.rate());
        track.num_frames.map(|frames| frames as f64 / rate).filter(|seconds| seconds.is_normal())
    }

    /// Number of undecodable packets so far.
    pub(in crate::source) fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// Title stated by the container since the last call.
    pub(in crate::source) fn new_title(&mut self) -> Option<String> {
        titles::newest(&mut *self.packets.format, &mut self.described)
    }

    /// Decodes packets until one yields samples. Returns false at the end.
    fn decode_next(&mut self) -> Result<bool, SourceError> {
        self.packet.clear();
        self.taken = 0;
        while let Some(packet) = self.next_packet()? {
            if self.decode(packet) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next packet of the track; `None` at the end.
    fn next_packet(&mut self) -> Result<Option<Packet>, SourceError> {
        while !self.ended {
            match self.packets.next(self.track.id) {
                Ok(Some(packet)) => return Ok(Some(packet)),
                Ok(None) => self.ended = !self.begin_section(),
                Err(Error::ResetRequired) => match SelectedTrack::new(&*self.packets.format, &self.facts) {
                    Ok(track) => {
                        self.track = track;
                        self.gap = self.position > 0;
                    }
                    Err(error) => {
                        tracing::warn!(source = self.name, %error, "the stream continues with a track that cannot be decoded; ending it");
                        self.ended = true;
                    }
                },
                // Truncated containers that state their length end like this.
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.ended = !self.begin_section();
                }
                Err(Error::IoError(error)) => return Err(unreadable(&self.name, &error)),
                Err(error) => {
                    tracing::debug!(source = self.name, %error, "skipping damaged data");
                    self.corrupt += 1;
                    self.faults += 1;
                    self.gap = self.position > 0;
                    self.ended = self.faults > MAX_FAULTS || matches!(error, Error::Unsupported(PANICKED));
                }
            }
        }
        Ok(None)
    }

    /// Continues with the next decodable section of an AAC stream. Returns false if there is none.
    fn begin_section(&mut self) -> bool {
        let Some(sections) = self.sections.clone() else { return false };
        loop {
            // Skips the rest of an abandoned section.
            if io::copy(&mut adts::AdtsSection(sections.clone()), &mut io::sink()).is_err()
                || !adts::lock(&sections).begin()
            {
                return false;
            }
            let kind =
                adts::lock(&sections).current_parameters().map_or(DetectedFormat::Adts, detect::of_adts);
            let started = match kind {
                DetectedFormat::Unsupported(unsupported) => Err(unsupported.into()),
                _ => open::open_section(&sections)
                    .and_then(|format| Ok((SelectedTrack::new(&*format, &self.facts)?, format))),
            };
            match started {
                Ok((track, format)) => {
                    tracing::debug!(source = self.name, "the stream continues with other frame parameters");
                    (self.track, self.packets) = (track, PacketReader::new(format, PaddingTable::default()));
                    self.gap = self.position > 0;
                    return true;
                }
                Err(error) => {
                    tracing::warn!(source = self.name, %error, "skipping frames that cannot be decoded");
                    self.corrupt += 1;
                }
            }
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        if self.corrupt > 0 {
            tracing::warn!(source = self.name, packets = self.corrupt, "corrupt packets were skipped");
        }
    }
}

/// Extension of `path` in lower case, as a hint for probing.
pub(in crate::source) fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}
