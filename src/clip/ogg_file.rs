//! Layout of an Ogg Opus file (RFC 7845).

use std::io;

use ogg::PacketWriter;
use ogg::writing::PacketWriteEndInfo;

use super::chunk::{ClipPacket, ClipStream};

/// Rate of granule positions, in Hz.
const GRANULE_RATE: u32 = 48_000;

/// Samples per page, at that rate: one second.
const PAGE_SAMPLES: u64 = 48_000;

/// Writer of an Ogg Opus file.
pub(super) struct OggFile {
    serial: u32,
    channels: u8,
    rate: u32,
    packet_samples: u32,
    /// Decoded samples to discard at the start, at 48 kHz.
    pre_skip: u16,
    pages: PacketWriter<'static, Vec<u8>>,
    /// Decoded samples so far, at 48 kHz.
    granule: u64,
    /// The last packet, which must be marked if the stream ends with it.
    last: Option<(ClipPacket, Vec<u8>)>,
}

impl OggFile {
    /// Writer of a file that begins `skipped` samples, at the rate of the encoder, after the first
    /// sample of its first packet.
    pub(super) fn new(stream: &ClipStream, skipped: u32, serial: u32) -> io::Result<Self> {
        let at_48_khz = |samples: u32| samples * (GRANULE_RATE / stream.rate);
        let mut built = Self {
            serial,
            channels: stream.channels as u8,
            rate: stream.rate,
            packet_samples: stream.packet_samples,
            pre_skip: at_48_khz(skipped + stream.delay) as u16,
            pages: PacketWriter::new(Vec::new()),
            granule: 0,
            last: None,
        };
        // The header is written again at the end; here it advances the page numbers.
        built.header_pages(&[])?;
        Ok(built)
    }

    /// The header pages.
    pub(super) fn header(&self, comments: &[u8]) -> io::Result<Vec<u8>> {
        let mut pages = PacketWriter::new(Vec::new());
        put_header(&mut pages, self, comments)?;
        Ok(pages.into_inner())
    }

    fn header_pages(&mut self, comments: &[u8]) -> io::Result<()> {
        let mut pages = std::mem::replace(&mut self.pages, PacketWriter::new(Vec::new()));
        put_header(&mut pages, self, comments)?;
        pages.inner_mut().clear();
        self.pages = pages;
        Ok(())
    }

    /// Adds a packet.
    pub(super) fn packet(&mut self, packet: &ClipPacket, bytes: &[u8]) -> io::Result<()> {
        self.put_last(PacketWriteEndInfo::NormalPacket)?;
        self.last = Some((*packet, bytes.to_vec()));
        Ok(())
    }

    /// Moves the finished pages to the end of `out`.
    pub(super) fn take_pages(&mut self, out: &mut Vec<u8>) {
        out.append(self.pages.inner_mut());
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        // A padded packet ends early, and only at the end of the stream.
        self.put_last(PacketWriteEndInfo::EndStream)
    }

    fn put_last(&mut self, end: PacketWriteEndInfo) -> io::Result<()> {
        let Some((packet, bytes)) = self.last.take() else { return Ok(()) };
        let is_last = matches!(end, PacketWriteEndInfo::EndStream);
        let samples = if is_last { packet.samples } else { self.packet_samples };
        let before = self.granule;
        self.granule += u64::from(samples * (GRANULE_RATE / self.rate));
        // About one page per second, as players expect for seeking.
        let is_full = before / PAGE_SAMPLES != self.granule / PAGE_SAMPLES;
        let end = if !is_last && is_full { PacketWriteEndInfo::EndPage } else { end };
        self.pages.write_packet(bytes, self.serial, end, self.granule)
    }
}

/// Writes the identification header and the comments, on pages of their own.
fn put_header(pages: &mut PacketWriter<'static, Vec<u8>>, file: &OggFile, comments: &[u8]) -> io::Result<()> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(file.channels);
    head.extend_from_slice(&file.pre_skip.to_le_bytes());
    head.extend_from_slice(&file.rate.to_le_bytes());
    // No gain; channel mapping family 0.
    head.extend_from_slice(&[0, 0, 0]);
    pages.write_packet(head, file.serial, PacketWriteEndInfo::EndPage, 0)?;
    let tags = [b"OpusTags", comments].concat();
    pages.write_packet(tags, file.serial, PacketWriteEndInfo::EndPage, 0)
}
