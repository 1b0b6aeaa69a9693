//! Decoding of single packets.

use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::{Decoder, MAX_FAULTS};
use crate::audio::SampleRate;
use crate::permits::Permits;
use crate::source::decode::guard::{PANICKED, guarded};
use crate::source::decode::limits::RATES;
use crate::source::decode::track::make_codec;

/// Number of consecutive failures after which the codec is rebuilt, because it may hold outdated
/// parameters.
const REBUILD_AFTER: u32 = 2;

/// Largest timestamp jump in seconds that counts as a loss; a larger one counts as damage.
const MAX_LEAP_SECONDS: f64 = 600.0;

/// Deviation of Ogg timestamps in samples that is not a loss: the longest Vorbis block. A lost page
/// is longer.
const MAX_WANDER: i64 = 8192;

/// Stated size of a packet, in samples.
#[derive(Clone, Copy)]
struct PacketExtent {
    /// Samples to trim at the start.
    head: u64,
    /// Samples to trim at the end.
    tail: u64,
    /// All samples, trimmed ones included.
    whole: u64,
}

impl Decoder {
    /// Decodes one packet into `self.packet`. Returns true if it yields samples.
    pub(super) fn decode(&mut self, mut packet: Packet) -> bool {
        let stamp = packet.pts;
        let extent = self.place(&packet);
        // Codecs differ in whether they trim; without trims, all behave alike.
        packet.trim_start = Duration::ZERO;
        packet.trim_end = Duration::ZERO;
        let decoded = self.run_codec(&packet);
        let is_pre_roll = self.pre_roll > 0;
        self.pre_roll = self.pre_roll.saturating_sub(1);
        let Err(error) = decoded else { return self.take_samples(stamp, extent) };
        let is_panic = matches!(error, Error::Unsupported(PANICKED));
        let is_expected = is_pre_roll && !is_panic;
        if !is_expected {
            tracing::debug!(source = self.name, %error, "skipping a damaged packet");
            self.corrupt += 1;
            self.faults += 1;
            self.ended = is_panic;
        }
        self.track.timeline.advance(extent.whole);
        let kept = self.track.cut(extent.whole, extent.head, extent.tail);
        self.position += kept.end - kept.start;
        if !is_expected {
            self.gap = self.position > 0;
        }
        false
    }

    /// Determines the extent of a packet, and moves the position across missing samples before it.
    fn place(&mut self, packet: &Packet) -> PacketExtent {
        let track = &mut self.track;
        let stamp = packet.pts;
        let [mut head, mut tail, mut whole] =
            [packet.trim_start, packet.trim_end, packet.block_dur()].map(|duration| track.samples(duration));
        let mut at = track.timestamp(stamp);
        if !self.packets.paged && !track.counts_samples() && track.usual > 0 {
            // Durations stated in ticks are rounded.
            whole = track.usual;
        }
        if track.stated_end.is_some_and(|end| at >= end) {
            // Nothing is known about an appended file; the trims, and thus the duration, are wrong.
            (head, tail, whole) = (0, 0, track.usual);
            self.gap |= !std::mem::replace(&mut track.appended, true);
        }
        let limit = i64::try_from(self.rate.samples(MAX_LEAP_SECONDS)).unwrap_or(i64::MAX);
        let missing = if self.packets.paged {
            // The sample count ignores small deviations, so that they do not add up. A stream whose
            // first page is slightly late still begins at zero.
            let due = track.timeline.due;
            let expected = due.unwrap_or(0_i64.saturating_sub_unsigned(head));
            let off = at.saturating_sub(expected);
            let mut lost = due.map_or(0, |due| at.saturating_sub(due));
            if (due.is_some() && off.abs() <= MAX_WANDER) || (0..=MAX_WANDER).contains(&off) {
                (at, lost) = (expected, 0);
            }
            let past = |end| at.saturating_add_unsigned(whole).saturating_sub(track.timestamp(end));
            tail = self.packets.end().map_or(0, |end| u64::try_from(past(end)).unwrap_or(0));
            track.timeline.due = Some(at);
            // A damaged timestamp must not move the position by hours.
            (lost > track.two_ticks()).then(|| if lost < limit { lost.unsigned_abs() } else { 0 })
        } else {
            let padding = u128::from(self.packets.padding(track.id)) * u128::from(track.rate());
            tail = tail.max(u64::try_from(padding / 1_000_000_000).unwrap_or(0));
            track.timeline.missing(stamp, at, track.tolerance(), limit)
        };
        if let Some(missing) = missing {
            self.position += missing;
            self.gap = self.position > 0;
        }
        PacketExtent { head, tail, whole }
    }

    /// Runs the codec, which is rebuilt after repeated failures.
    fn run_codec(&mut self, packet: &Packet) -> Decoded<()> {
        let track = &mut self.track;
        if self.faults > 0
            && self.faults.is_multiple_of(REBUILD_AFTER)
            && let Ok(codec) = make_codec(&track.params)
        {
            track.codec = codec;
        }
        track.follow_layer(&packet.data);
        let _permit = self.permits.as_ref().map(Permits::acquire);
        guarded(|| track.codec.decode(packet).map(|_| ()))
    }

    /// Takes the decoded samples of a packet. Returns true if there are any.
    fn take_samples(&mut self, stamp: Timestamp, extent: PacketExtent) -> bool {
        let PacketExtent { head, tail, whole } = extent;
        let track = &mut self.track;
        let buffer = track.codec.last_decoded();
        let (mut rate, channels, samples) =
            (buffer.spec().rate(), buffer.spec().channels().count(), buffer.frames());
        if track.params.codec == CODEC_ID_FLAC {
            // The decoder accepts rates up to 655,350 Hz only, the format 1,048,575 Hz.
            rate = track.params.sample_rate.unwrap_or(rate);
        }
        if samples == 0 {
            track.timeline.advance(if self.packets.paged { whole } else { 0 });
            return false;
        }
        let (Some(rate), Ok(channels @ 1..=64)) =
            (SampleRate::new(rate).filter(|rate| RATES.contains(&rate.hertz())), u16::try_from(channels))
        else {
            tracing::debug!(
                source = self.name,
                rate,
                channels,
                "skipping a packet with implausible parameters"
            );
            self.corrupt += 1;
            self.faults += 1;
            self.ended = self.faults > MAX_FAULTS;
            track.timeline.advance(whole);
            return false;
        };
        self.faults = 0;
        buffer.copy_to_vec_interleaved::<f32>(&mut self.packet);
        track.decoded(stamp, samples as u64, rate.hertz());
        // Matroska need not state durations.
        let counted = if self.packets.paged && whole > 0 { whole } else { samples as u64 };
        track.timeline.advance(counted);
        let kept = track.cut(samples as u64, head, tail);
        self.packet.truncate(kept.end as usize * usize::from(channels));
        self.taken = kept.start as usize * usize::from(channels);
        if (rate, channels) != (self.rate, self.channels) {
            self.gap = self.position > 0;
            self.position = rate.samples(self.rate.seconds(self.position));
            (self.rate, self.channels) = (rate, channels);
        }
        if self.taken == self.packet.len() {
            self.packet.clear();
            self.taken = 0;
            return false;
        }
        true
    }
}
