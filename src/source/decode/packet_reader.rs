//! Packets of one track; the end of an Ogg stream is evaluated only once it is certain.
//!
//! Ogg numbers pages, not packets, and the demuxer takes surplus samples of a page for padding.
//! Page numbers deviate by about a block (transcoders copy those of their input), so that packets
//! in the middle of a stream seem to be padded. Only the last page of a stream states its end.

use std::collections::VecDeque;

use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::formats::FormatReader;
use symphonia::core::formats::well_known::FORMAT_ID_OGG;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::guard::guarded;
use super::matroska::PaddingTable;

/// Maximum number of held packets: as many as can end on one page.
const MAX_HELD: usize = 255;

/// Reads packets from a container.
pub(super) struct PacketReader {
    pub(super) format: Box<dyn FormatReader>,
    /// True if timestamps come from pages and deviate.
    pub(super) paged: bool,
    /// Newest packet of a paged stream, and those before it whose end is not certain yet.
    held: VecDeque<Packet>,
    /// Result that follows the held packets.
    after: Option<Decoded<Option<Packet>>>,
    /// End of the stream, once known.
    end: Option<Timestamp>,
    /// Padding stated by Matroska, and the number of packets of the track so far.
    paddings: PaddingTable,
    count: u64,
}

impl PacketReader {
    pub(super) fn new(format: Box<dyn FormatReader>, paddings: PaddingTable) -> Self {
        let paged = format.format_info().format == FORMAT_ID_OGG;
        Self { format, paged, held: VecDeque::new(), after: None, end: None, paddings, count: 0 }
    }

    /// Next packet of track `id`.
    ///
    /// # Errors
    /// Errors of the container, each after the packets before it.
    pub(super) fn next(&mut self, id: u32) -> Decoded<Option<Packet>> {
        loop {
            if self.ready()
                && let Some(mut packet) = self.held.pop_front()
            {
                packet.dur = packet.dur.saturating_add(packet.trim_end);
                packet.trim_end = Duration::ZERO;
                return Ok(Some(packet));
            }
            if let Some(after) = self.after.take() {
                self.end = None;
                return after;
            }
            match guarded(|| self.format.next_packet()) {
                Ok(Some(packet)) if packet.track_id != id => {}
                Ok(Some(packet)) if self.paged => self.held.push_back(packet),
                Ok(Some(packet)) => {
                    self.count += 1;
                    return Ok(Some(packet));
                }
                after => {
                    // A chained stream ends like any other. A truncated one has no last page.
                    if matches!(after, Ok(None) | Err(Error::ResetRequired)) {
                        self.end = self
                            .held
                            .back()
                            .map(|last| last.pts.saturating_add(last.trim_start).saturating_add(last.dur));
                    }
                    self.after = Some(after);
                }
            }
        }
    }

    /// End of the current paged stream, if known.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Padding at the end of the latest packet, which belongs to track `id`, in nanoseconds.
    pub(super) fn padding(&self, id: u32) -> u64 {
        self.count.checked_sub(1).map_or(0, |number| self.paddings.after(id, number))
    }

    /// Returns true if the oldest held packet is final.
    fn ready(&self) -> bool {
        let settled = |last: &Packet| {
            self.after.is_some()
                || self.held.len() > MAX_HELD
                || (self.held.len() > 1 && last.trim_end == Duration::ZERO)
        };
        self.held.back().is_some_and(settled)
    }
}
