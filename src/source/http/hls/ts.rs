//! Sound out of an MPEG transport stream (ISO/IEC 13818-1): the elementary stream of the first track that can be decoded.

use super::id3;
use super::psi::{self, Sections, Stream};

/// Length of a packet, in bytes.
pub const PACKET: usize = 188;

/// Every packet begins with it.
const SYNC: u8 = 0x47;

/// Places in one segment at which what follows is kept apart; beyond them the decoder finds its own way.
const MAX_BREAKS: usize = 4;

/// The most maps of programmes that are read.
const MAX_MAPS: usize = 8;

/// The longest piece of timed metadata, in bytes.
const MAX_METADATA: usize = 64 * 1024;

/// A stretch of one elementary stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whole frames, but for damage.
    pub bytes: Vec<u8>,
    /// Whether it does not go on where the one before ended.
    pub broken: bool,
}

/// What a segment held.
#[derive(Debug, Default)]
pub struct Demuxed {
    /// In order.
    pub pieces: Vec<Piece>,
    /// What timed metadata says is played.
    pub title: Option<String>,
    /// Packets that were missing, damaged or no packets.
    pub lost: u64,
}

/// Finds the sound in one segment after another.
#[derive(Debug, Default)]
pub struct Demuxer {
    associations: Sections,
    maps: Vec<(u16, Sections)>,
    sound: Option<Stream>,
    /// The map that it is in.
    map: u16,
    /// Identifier of the stream of timed metadata.
    metadata_pid: Option<u16>,
    /// What there is where nothing can be decoded.
    foreign: Option<&'static str>,
    /// Whether sound is scrambled.
    is_scrambled: bool,
    frames: Packets,
    metadata: Packets,
    tag: Vec<u8>,
    /// Whether the next sound does not go on where the last ended.
    broken: bool,
}

impl Demuxer {
    /// Reads a whole segment; what went before it is remembered.
    pub fn segment(&mut self, bytes: &[u8]) -> Demuxed {
        let mut found = Demuxed::default();
        // Many servers count anew in every segment.
        self.frames.counter = None;
        self.metadata.counter = None;
        let mut rest = bytes;
        while rest.len() >= PACKET {
            // A sync byte by chance is not followed by another.
            if rest[0] == SYNC && rest.get(PACKET).is_none_or(|byte| *byte == SYNC) {
                self.packet(&rest[..PACKET], &mut found);
                rest = &rest[PACKET..];
                continue;
            }
            let is_sync =
                |at: &usize| rest[*at] == SYNC && rest.get(at + PACKET).is_none_or(|byte| *byte == SYNC);
            let at = (1..rest.len()).find(is_sync).unwrap_or(rest.len());
            found.lost += 1;
            rest = &rest[at..];
        }
        found.lost += u64::from(!rest.is_empty());
        self.take_tag(&mut found);
        found
    }

    /// Why there is no sound, in words; `None` where there is some, or it may yet come.
    pub fn refusal(&self) -> Option<&'static str> {
        match self.sound {
            Some(_) => self.is_scrambled.then_some("scrambled sound"),
            None => self.foreign,
        }
    }

    fn packet(&mut self, packet: &[u8], found: &mut Demuxed) {
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
                Check::Repeated => return,
                Check::Next => {}
                Check::Lost => {
                    found.lost += 1;
                    self.broken = true;
                }
            }
            let begun = self.frames.push(payload, starts);
            if !begun.is_empty() {
                self.is_scrambled = false;
                add(begun, std::mem::take(&mut self.broken), &mut found.pieces);
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
        if !self.maps.iter().map(|(pid, _)| pid).eq(&pids) {
            self.maps = pids.into_iter().map(|pid| (pid, Sections::default())).collect();
        }
    }

    /// Chooses the sound of a programme; of several programmes, that of the first that has some.
    fn choose(&mut self, streams: &[Stream], map: u16) {
        let decodable = |stream: &&Stream| [0x03, 0x04, 0x0f].contains(&stream.kind);
        if self.sound.is_some_and(|sound| self.map != map || streams.contains(&sound)) {
            return;
        }
        let Some(sound) = streams.iter().find(decodable) else {
            self.foreign = self.foreign.or_else(|| streams.iter().find_map(foreign)).or(Some("no sound"));
            return;
        };
        self.broken |= self.sound.is_some();
        (self.sound, self.map, self.frames) = (Some(*sound), map, Packets::default());
        let metadata_pid = streams.iter().find(|stream| stream.kind == 0x15).map(|stream| stream.pid);
        (self.metadata_pid, self.metadata) = (metadata_pid, Packets::default());
    }

    fn take_tag(&mut self, found: &mut Demuxed) {
        if let Some(title) = id3::split(&self.tag).1 {
            found.title = Some(title);
        }
        self.tag.clear();
    }
}

fn add(bytes: &[u8], broken: bool, pieces: &mut Vec<Piece>) {
    let is_apart = broken && pieces.len() <= MAX_BREAKS;
    match pieces.last_mut() {
        Some(last) if !is_apart => last.bytes.extend_from_slice(bytes),
        _ => pieces.push(Piece { bytes: bytes.to_vec(), broken }),
    }
}

/// What a stream is that sounds, and is not decoded.
fn foreign(stream: &Stream) -> Option<&'static str> {
    match (stream.kind, stream.private) {
        (0x11, _) => Some("AAC in LATM"),
        (0x81 | 0xc1, _) | (0x06, 0x6a) => Some("AC-3"),
        (0x87 | 0xc2, _) | (0x06, 0x7a) => Some("E-AC-3"),
        (0x06, 0x7b) | (0x82 | 0x85 | 0x86 | 0x8a, _) => Some("DTS"),
        (0x06, 0x7c) => Some("AAC in LATM"),
        (0x06, 0x7f) => Some("Opus"),
        (0xcf, _) => Some("encrypted sound"),
        (0x1c, _) => Some("raw AAC"),
        _ => None,
    }
}

/// The payload of a packet, and whether its counter may jump.
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

/// How a packet follows the one before.
enum Check {
    Next,
    Repeated,
    Lost,
}

/// Takes the packets of an elementary stream (PES) out of those of the transport stream.
#[derive(Debug, Default)]
struct Packets {
    /// Of the packet before, modulo 16.
    counter: Option<u8>,
    /// The beginning of a packet up to the end of its head.
    head: Vec<u8>,
    /// Bytes that are left of its payload; outside of one `None`.
    left: Option<usize>,
    in_head: bool,
}

impl Packets {
    fn check(&mut self, counter: u8, jumps: bool) -> Check {
        match self.counter.replace(counter) {
            Some(before) if before == counter && !jumps => Check::Repeated,
            Some(before) if (before + 1) % 16 != counter && !jumps => {
                (self.in_head, self.left) = (false, None);
                Check::Lost
            }
            _ => Check::Next,
        }
    }

    /// What `payload` holds of the elementary stream.
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
        // Of a packet that states no length all is left until the next one begins.
        if *left != usize::MAX {
            *left -= data.len();
        }
        data
    }

    /// What follows the head, once that is whole.
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
        // Only these kinds have a head like that.
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
