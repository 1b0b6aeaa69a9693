//! Audio of an MPEG transport stream (ISO/IEC 13818-1): the elementary stream of the first track
//! that can be decoded.

use std::borrow::Cow;

use super::frames::FrameCodec;
use super::id3;
use super::psi::{self, ElementaryStream, PsiSections};

/// Packet length, in bytes.
pub(in crate::source) const PACKET: usize = 188;

/// First byte of every packet.
const SYNC: u8 = 0x47;

/// Maximum number of breaks per segment that start a new chunk; beyond it, the decoder
/// resynchronises by itself.
const MAX_BREAKS: usize = 4;

/// Maximum number of programme maps read.
const MAX_MAPS: usize = 8;

/// Maximum length of a timed metadata item, in bytes.
const MAX_METADATA: usize = 64 * 1024;

/// Chunk of one elementary stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AudioChunk {
    /// Complete frames, except for damage.
    pub bytes: Vec<u8>,
    /// True if it does not continue the chunk before.
    pub broken: bool,
}

/// Audio of a segment.
#[derive(Debug, Default)]
pub(in crate::source) struct DemuxedAudio {
    /// Chunks in order.
    pub(in crate::source) chunks: Vec<AudioChunk>,
    /// Title stated by timed metadata.
    pub(in crate::source) title: Option<String>,
    /// Number of missing or damaged packets.
    pub(in crate::source) lost: u64,
}

/// Demultiplexer of consecutive segments.
#[derive(Debug, Default)]
pub(in crate::source) struct TsDemuxer {
    associations: PsiSections,
    maps: Vec<(u16, PsiSections)>,
    sound: Option<ElementaryStream>,
    /// Programme map that lists the audio.
    map: u16,
    /// Identifier of the timed metadata stream.
    metadata_pid: Option<u16>,
    /// Name of the content if none can be decoded.
    foreign: Option<&'static str>,
    /// True if the audio is scrambled.
    is_scrambled: bool,
    frames: PesReader,
    metadata: PesReader,
    tag: Vec<u8>,
    /// True if the next audio does not continue the last.
    broken: bool,
    /// True until the next association table, which replaces all maps.
    renews: bool,
    renewed: bool,
    /// Start of a packet at the end of the previous bytes.
    partial: Vec<u8>,
}

impl TsDemuxer {
    /// Reads a segment, which may begin and end within a packet.
    pub(in crate::source) fn segment(&mut self, bytes: &[u8]) -> DemuxedAudio {
        let mut found = DemuxedAudio::default();
        // Many servers restart the counter with every segment.
        self.frames.counter = None;
        self.metadata.counter = None;
        if !self.partial.is_empty() && is_transport(bytes) {
            self.partial.clear();
            found.lost += 1;
        }
        self.push(bytes, &mut found);
        self.take_tag(&mut found);
        found
    }

    /// Reads further bytes of a stream, cut at arbitrary positions.
    pub(in crate::source) fn push(&mut self, bytes: &[u8], found: &mut DemuxedAudio) {
        let joined = match self.partial.is_empty() {
            true => Cow::Borrowed(bytes),
            false => Cow::Owned([&std::mem::take(&mut self.partial), bytes].concat()),
        };
        let mut rest = &*joined;
        while rest.len() >= PACKET {
            // A sync byte by chance is not followed by another.
            if rest[0] == SYNC && rest.get(PACKET).is_none_or(|byte| *byte == SYNC) {
                self.packet(&rest[..PACKET], found);
                rest = &rest[PACKET..];
                continue;
            }
            let is_sync =
                |at: &usize| rest[*at] == SYNC && rest.get(at + PACKET).is_none_or(|byte| *byte == SYNC);
            let at = (1..rest.len()).find(is_sync).unwrap_or(rest.len());
            found.lost += 1;
            rest = &rest[at..];
        }
        self.partial = rest.to_vec();
    }

    /// Returns true if `bytes` begin with the rest of the packet in which the previous bytes ended.
    pub(in crate::source) fn continues_in(&self, bytes: &[u8]) -> bool {
        let next = PACKET - self.partial.len();
        !self.partial.is_empty() && bytes.get(next).is_none_or(|byte| *byte == SYNC)
    }

    /// Lets the following tables replace the known ones.
    pub(in crate::source) fn renew(&mut self) {
        (self.renews, self.renewed) = (true, false);
    }

    /// Discards incomplete packets.
    pub(in crate::source) fn drop_partial(&mut self) {
        self.partial.clear();
        self.frames = PesReader::default();
        self.metadata = PesReader::default();
    }

    /// Codec of the audio, once known.
    pub(in crate::source) fn codec(&self) -> Option<FrameCodec> {
        self.sound.map(|sound| if sound.kind == 0x0f { FrameCodec::Adts } else { FrameCodec::Mpeg })
    }

    /// Reason why there is no audio; `None` if there is some or it may still appear.
    pub(in crate::source) fn refusal(&self) -> Option<&'static str> {
        match self.sound {
            Some(_) => self.is_scrambled.then_some("scrambled audio"),
            None => self.foreign,
        }
    }

    fn packet(&mut self, packet: &[u8], found: &mut DemuxedAudio) {
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let is_sound = self.sound.is_some_and(|sound| sound.pid == pid);
        let (is_damaged, starts) = (packet[1] & 0x80 != 0, packet[1] & 0x40 != 0);
        if is_damaged {
            found.lost += 1;
            return;
        }
        let Some((payload, jumps)) = payload(packet) else { return };
        if is_sound && packet[3] & 0xc0 != 0 {
            self.is_scrambled = true;
            return;
        }
        if is_sound {
            match self.frames.check(packet[3] & 0x0f, jumps) {
                CounterCheck::Repeated => return,
                CounterCheck::Next => {}
                CounterCheck::Lost => {
                    found.lost += 1;
                    self.broken = true;
                }
            }
            let bytes = self.frames.push(payload, starts);
            if !bytes.is_empty() {
                self.is_scrambled = false;
                add(bytes, std::mem::take(&mut self.broken), &mut found.chunks);
            }
        } else if pid == 0 {
            let mut maps = None;
            self.associations.push(payload, starts, |section| maps = Some(psi::programme_maps(section)));
            self.set_maps(maps);
        } else if self.metadata_pid == Some(pid) {
            if starts {
                self.take_tag(found);
            }
            let data = self.metadata.push(payload, starts);
            if self.tag.len() + data.len() <= MAX_METADATA {
                self.tag.extend_from_slice(data);
            }
        } else if let Some(at) = self.maps.iter().position(|(map, _)| *map == pid) {
            let mut streams = None;
            self.maps[at]
                .1
                .push(payload, starts, |section| streams = psi::streams(section).or(streams.take()));
            if let Some(streams) = streams {
                self.choose(&streams, pid);
            }
        }
    }

    fn set_maps(&mut self, pids: Option<Vec<u16>>) {
        let Some(mut pids) = pids.filter(|pids| !pids.is_empty()) else { return };
        pids.truncate(MAX_MAPS);
        if std::mem::take(&mut self.renews) {
            self.renewed = true;
            self.maps.clear();
        }
        if !self.maps.iter().map(|(pid, _)| pid).eq(&pids) {
            self.maps = pids.into_iter().map(|pid| (pid, PsiSections::default())).collect();
        }
    }

    /// Chooses the audio of a programme; of several programmes, the first with audio.
    fn choose(&mut self, streams: &[ElementaryStream], map: u16) {
        let decodable = |stream: &&ElementaryStream| [0x03, 0x04, 0x0f].contains(&stream.kind);
        let goes_on = self.sound.is_some_and(|sound| self.map != map || streams.contains(&sound));
        // Waits for the programme that was chosen before.
        let is_other = self.map != map && self.maps.iter().any(|(pid, _)| *pid == self.map);
        if goes_on && (!self.renewed || is_other) {
            return;
        }
        let Some(sound) = streams.iter().find(decodable) else {
            self.foreign = self.foreign.or_else(|| streams.iter().find_map(foreign)).or(Some("no audio"));
            return;
        };
        // An announced change is not a break.
        self.broken |= self.sound.is_some() && !self.renewed;
        self.renewed = false;
        if self.sound != Some(*sound) {
            self.frames = PesReader::default();
        }
        (self.sound, self.map) = (Some(*sound), map);
        let metadata_pid = streams.iter().find(|stream| stream.kind == 0x15).map(|stream| stream.pid);
        (self.metadata_pid, self.metadata) = (metadata_pid, PesReader::default());
    }

    fn take_tag(&mut self, found: &mut DemuxedAudio) {
        if let Some(title) = id3::split(&self.tag).1 {
            found.title = Some(title);
        }
        self.tag.clear();
    }
}

/// Returns true if packets follow each other from the first byte on; one in four may be damaged.
pub(in crate::source) fn is_transport(bytes: &[u8]) -> bool {
    bytes.len() >= PACKET && {
        let first = bytes.chunks_exact(PACKET).take(8);
        let (count, right) =
            first.fold((0, 0), |(count, right), packet| (count + 1, right + i32::from(packet[0] == SYNC)));
        right * 4 >= count * 3
    }
}

/// Returns true if packets follow each other from one of the first bytes on.
pub(in crate::source) fn is_transport_within(bytes: &[u8]) -> bool {
    let follow = |rest: &[u8]| (0..4).all(|index| rest.get(index * PACKET) == Some(&SYNC));
    (0..PACKET).any(|at| bytes.get(at..).is_some_and(follow))
}

fn add(bytes: &[u8], broken: bool, chunks: &mut Vec<AudioChunk>) {
    let is_apart = broken && chunks.len() <= MAX_BREAKS;
    match chunks.last_mut() {
        Some(last) if !is_apart => last.bytes.extend_from_slice(bytes),
        _ => chunks.push(AudioChunk { bytes: bytes.to_vec(), broken }),
    }
}

/// Name of an audio stream that is not decoded.
fn foreign(stream: &ElementaryStream) -> Option<&'static str> {
    match (stream.kind, stream.private) {
        (0x11, _) => Some("AAC in LATM"),
        (0x81 | 0xc1, _) | (0x06, 0x6a) => Some("AC-3"),
        (0x87 | 0xc2, _) | (0x06, 0x7a) => Some("E-AC-3"),
        (0x06, 0x7b) | (0x82 | 0x85 | 0x86 | 0x8a, _) => Some("DTS"),
        (0x06, 0x7c) => Some("AAC in LATM"),
        (0x06, 0x7f) => Some("Opus"),
        (0xcf, _) => Some("encrypted audio"),
        (0x1c, _) => Some("raw AAC"),
        _ => None,
    }
}

/// Payload of a packet, and true if its counter may jump.
fn payload(packet: &[u8]) -> Option<(&[u8], bool)> {
    let content = packet.get(4..)?;
    match packet[3] >> 4 & 3 {
        1 => Some((content, false)),
        3 => {
            let length = usize::from(*content.first()?);
            let jumps = length > 0 && content.get(1)? & 0x80 != 0;
            Some((content.get(1 + length..)?, jumps))
        }
        _ => None,
    }
}

/// Relation of a packet to the previous one.
enum CounterCheck {
    Next,
    Repeated,
    Lost,
}

/// Extracts an elementary stream (PES) from transport packets.
#[derive(Debug, Default)]
struct PesReader {
    /// Continuity counter of the previous packet.
    counter: Option<u8>,
    /// Start of a packet up to the end of its header.
    head: Vec<u8>,
    /// Remaining bytes of the payload; `None` outside a packet.
    left: Option<usize>,
    in_head: bool,
}

impl PesReader {
    fn check(&mut self, counter: u8, jumps: bool) -> CounterCheck {
        match self.counter.replace(counter) {
            Some(before) if before == counter && !jumps => CounterCheck::Repeated,
            Some(before) if (before + 1) % 16 != counter && !jumps => {
                (self.in_head, self.left) = (false, None);
                CounterCheck::Lost
            }
            _ => CounterCheck::Next,
        }
    }

    /// Bytes of the elementary stream in `payload`.
    fn push<'a>(&mut self, payload: &'a [u8], starts: bool) -> &'a [u8] {
        let mut data = payload;
        if starts {
            self.head.clear();
            (self.in_head, self.left) = (true, None);
        }
        if self.in_head {
            data = match self.add_to_head(data) {
                Some(rest) => rest,
                None => return &[],
            };
        }
        let Some(left) = &mut self.left else { return &[] };
        let data = &data[..data.len().min(*left)];
        // A packet without a stated length extends to the start of the next one.
        if *left != usize::MAX {
            *left -= data.len();
        }
        data
    }

    /// Bytes after the header, once it is complete.
    fn add_to_head<'a>(&mut self, mut data: &'a [u8]) -> Option<&'a [u8]> {
        loop {
            let whole = 9 + self.head.get(8).map_or(0, |length| usize::from(*length));
            let count = whole.saturating_sub(self.head.len()).min(data.len());
            self.head.extend_from_slice(&data[..count]);
            data = &data[count..];
            if self.head.len() < whole {
                return None;
            }
            if whole > 9 || self.head[8] == 0 {
                break;
            }
        }
        self.in_head = false;
        // Only these stream ids have such a header.
        let is_one =
            self.head.starts_with(&[0, 0, 1]) && matches!(self.head[3], 0xbd | 0xc0..=0xef | 0xfa..=0xfe);
        let length = usize::from(self.head[4]) << 8 | usize::from(self.head[5]);
        self.left = match length {
            _ if !is_one => None,
            0 => Some(usize::MAX),
            length => Some((length + 6).saturating_sub(self.head.len())),
        };
        Some(data)
    }
}

#[cfg(test)]
mod tests;
