//! A clip while it is being written: a file under a temporary name, which is renamed once it is
//! complete.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk::{ClipPacket, ClipStream, GAP_S};
use super::container::ClipContainer;
use super::ring::ClipRing;
use super::tags::ClipTags;
use crate::event::ClipFileName;

/// Suffix of files that are not complete.
pub(super) const PART_SUFFIX: &str = ".part";

/// Tolerance of times, in seconds: less than a sample.
const ROUNDING_S: f64 = 1e-6;

/// Packets of Opus that precede the clip: the decoder needs 80 ms to converge.
const CONVERGENCE_PACKETS: usize = 4;

/// Clip that is being written. Times are in seconds of the source.
pub(super) struct OpenClip {
    pub(super) file: ClipFileName,
    tags: ClipTags,
    from_s: f64,
    event_s: f64,
    /// End, as far as it is known.
    until_s: f64,
    /// Set once no further event will extend it.
    is_closing: bool,
    output: Option<ClipOutput>,
}

/// Progress of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClipProgress {
    /// More audio, or a decision about its end, is to come.
    Open,
    /// All audio has been written.
    Complete,
}

impl OpenClip {
    /// Clip from `from_s` to `until_s` around an event at `event_s`.
    pub(super) fn new(file: ClipFileName, tags: ClipTags, from_s: f64, event_s: f64, until_s: f64) -> Self {
        Self { file, tags, from_s, event_s, until_s, is_closing: false, output: None }
    }

    /// Lengthens the clip.
    pub(super) fn extend(&mut self, until_s: f64) {
        self.until_s = self.until_s.max(until_s);
    }

    /// Ends the clip at its present end.
    pub(super) fn close(&mut self) {
        self.is_closing = true;
    }

    /// Writes the audio of `ring` that is new, to a file in `folder`.
    ///
    /// # Errors
    /// The file cannot be written. It is to be discarded.
    pub(super) fn write(&mut self, ring: &ClipRing, folder: &Path) -> io::Result<ClipProgress> {
        if self.output.is_none() {
            self.output = self.begin(ring, folder)?;
        }
        let Some(output) = &mut self.output else {
            return Ok(if self.is_closing { ClipProgress::Complete } else { ClipProgress::Open });
        };
        let stream = output.stream.clone();
        // Decoded audio is late by the delay of the encoder.
        let end_s = self.until_s + f64::from(stream.delay) / f64::from(stream.rate) - ROUNDING_S;
        let mut reached = ring.newest_stream().is_some_and(|newest| **newest != *stream);
        for (packet, bytes) in ring.packets_after(&stream, output.end_s + ROUNDING_S) {
            if packet.start_s >= end_s {
                reached = true;
                break;
            }
            output.add(&packet, bytes, self.event_s)?;
        }
        output.write_out()?;
        reached |= output.end_s >= end_s;
        Ok(if reached && self.is_closing { ClipProgress::Complete } else { ClipProgress::Open })
    }

    /// Completes the file and gives it its final name. Returns `false` if there was no audio.
    ///
    /// # Errors
    /// The file cannot be written; nothing is left of it.
    pub(super) fn finish(self, syncs: bool) -> io::Result<bool> {
        let Some(mut output) = self.output else { return Ok(false) };
        output.finish(&self.tags, self.event_s, syncs).map(|()| true).inspect_err(|_| output.discard())
    }

    /// Deletes the file.
    pub(super) fn discard(self) {
        if let Some(output) = self.output {
            output.discard();
        }
    }

    /// Creates the file, if the ring holds audio for it.
    fn begin(&self, ring: &ClipRing, folder: &Path) -> io::Result<Option<ClipOutput>> {
        let Some(stream) = ring.stream_at(self.event_s) else { return Ok(None) };
        let packets: Vec<_> = ring.packets_after(stream, f64::NEG_INFINITY).collect();
        let is_inside = |packet: &ClipPacket| packet.end_s(stream.rate) > self.from_s + ROUNDING_S;
        let Some(first) = packets.iter().position(|(packet, _)| is_inside(packet)) else { return Ok(None) };
        if packets[first].0.start_s >= self.until_s {
            return Ok(None);
        }
        let lead = ClipContainer::lead_in(stream, CONVERGENCE_PACKETS);
        let mut start = first;
        while start > 0 && first - start < lead && follows(stream, &packets[start - 1].0, &packets[start].0) {
            start -= 1;
        }
        let start_s = self.from_s.max(packets[first].0.start_s);
        let skipped = (start_s - packets[start].0.start_s) * f64::from(stream.rate);
        let container = ClipContainer::new(stream, skipped.round() as u32)?;
        let start_s = if container.is_exact() { start_s } else { packets[first].0.start_s };
        let mut output = ClipOutput::create(folder, &self.file, stream.clone(), container, start_s)?;
        output.write_header(&self.tags, self.event_s)?;
        for (packet, bytes) in &packets[start..first] {
            output.container.add(packet, bytes, &mut output.buffer)?;
        }
        Ok(Some(output))
    }
}

/// Returns true if no gap lies between two packets.
fn follows(stream: &ClipStream, packet: &ClipPacket, next: &ClipPacket) -> bool {
    (next.start_s - packet.end_s(stream.rate)).abs() <= GAP_S
}

/// File of a clip.
struct ClipOutput {
    file: File,
    part: PathBuf,
    target: PathBuf,
    container: ClipContainer,
    stream: Arc<ClipStream>,
    /// Length of the header, in bytes.
    header: usize,
    /// Bytes to write.
    buffer: Vec<u8>,
    /// Position in the file, in bytes.
    position: u64,
    start_s: f64,
    /// Time after the last sample.
    end_s: f64,
    /// Missing audio in total, and before the event, in seconds.
    omitted_s: f64,
    omitted_before_s: f64,
}

impl ClipOutput {
    fn create(
        folder: &Path,
        name: &ClipFileName,
        stream: Arc<ClipStream>,
        container: ClipContainer,
        start_s: f64,
    ) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let part = folder.join(format!("{name}{PART_SUFFIX}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        Ok(Self {
            file,
            part,
            target: folder.join(name.as_str()),
            container,
            stream,
            header: 0,
            buffer: Vec::new(),
            position: 0,
            start_s,
            end_s: start_s,
            omitted_s: 0.0,
            omitted_before_s: 0.0,
        })
    }

    fn write_header(&mut self, tags: &ClipTags, event_s: f64) -> io::Result<()> {
        let header = self.encode_header(tags, event_s)?;
        self.file.write_all_at(&header, 0)?;
        self.header = header.len();
        self.position = self.position.max(header.len() as u64);
        Ok(())
    }

    fn encode_header(&self, tags: &ClipTags, event_s: f64) -> io::Result<Vec<u8>> {
        let offset_s = event_s - self.start_s - self.omitted_before_s;
        self.container.header(&tags.encode(offset_s, self.omitted_s))
    }

    /// Adds a packet and accounts for a gap before it.
    fn add(&mut self, packet: &ClipPacket, bytes: &[u8], event_s: f64) -> io::Result<()> {
        let gap_s = packet.start_s - self.end_s;
        if gap_s > GAP_S {
            self.omitted_s += gap_s;
            self.omitted_before_s += (event_s.min(packet.start_s) - self.end_s).max(0.0);
        }
        self.end_s = packet.end_s(self.stream.rate);
        self.container.add(packet, bytes, &mut self.buffer)
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.container.take_finished(&mut self.buffer);
        self.file.write_all_at(&self.buffer, self.position)?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(&mut self, tags: &ClipTags, event_s: f64, syncs: bool) -> io::Result<()> {
        self.container.finish()?;
        self.write_out()?;
        let length = self.header;
        self.write_header(tags, event_s)?;
        debug_assert_eq!(self.header, length, "audio follows the header");
        if syncs {
            self.file.sync_data()?;
        }
        fs::rename(&self.part, &self.target)
    }

    fn discard(&self) {
        if let Err(error) = fs::remove_file(&self.part) {
            tracing::debug!(%error, "`{}` is left behind until the next start", self.part.display());
        }
    }
}
