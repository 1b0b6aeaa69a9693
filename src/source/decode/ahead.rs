//! Packets of one track, with what Ogg says of the end held back until the end is certain.
//!
//! Ogg numbers pages, not packets, and the demuxer takes what a page has too many for
//! padding. But the numbers that encoders write wander by a block or so (those that
//! transcode pass on what the input had), so that packets in the middle of a stream
//! seem to be padded. Only the last page of a stream speaks of its end.

use std::collections::VecDeque;

use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::formats::FormatReader;
use symphonia::core::formats::well_known::FORMAT_ID_OGG;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::guarded;
use super::matroska::Paddings;

/// Packets that are held back at most: as many as can end on one page.
const MAX_HELD: usize = 255;

/// Reads packets from a container.
pub(super) struct Ahead {
    pub(super) format: Box<dyn FormatReader>,
    /// Whether timestamps come from pages, and wander.
    pub(super) paged: bool,
    /// The newest packet of a paged stream, and those before it that it may yet turn out to end.
    held: VecDeque<Packet>,
    /// What came after the packets that are held.
    after: Option<Decoded<Option<Packet>>>,
    /// Where the stream ends, once it is known.
    end: Option<Timestamp>,
    /// Padding that Matroska states, and packets of the track so far.
    paddings: Paddings,
    count: u64,
}

impl Ahead {
    pub(super) fn new(format: Box<dyn FormatReader>, paddings: Paddings) -> Self {
        let paged = format.format_info().format == FORMAT_ID_OGG;
        Self { format, paged, held: VecDeque::new(), after: None, end: None, paddings, count: 0 }
    }

    /// The next packet of track `id`.
    ///
    /// # Errors
    /// As the container reports them, each after the packets before it.
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
                    // A link of a chain ends like a stream. One that was cut short has no last page.
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

    /// Where the paged stream that the latest packet is of ends, when that is known.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Nanoseconds of padding at the end of the latest packet, which is of track `id`.
    pub(super) fn padding(&self, id: u32) -> u64 {
        self.count.checked_sub(1).map_or(0, |number| self.paddings.after(id, number))
    }

    /// Whether it is settled what becomes of the packet that is held longest.
    fn ready(&self) -> bool {
        let settled = |last: &Packet| {
            self.after.is_some()
                || self.held.len() > MAX_HELD
                || (self.held.len() > 1 && last.trim_end == Duration::ZERO)
        };
        self.held.back().is_some_and(settled)
    }
}
