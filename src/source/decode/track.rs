//! Audio track selected for decoding.

use std::sync::LazyLock;

use symphonia::core::codecs::audio::well_known::profiles::{
    CODEC_PROFILE_AAC_LTP, CODEC_PROFILE_AAC_MAIN, CODEC_PROFILE_AAC_SSR,
};
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::{Error, Result as Decoded};
use symphonia::core::formats::well_known::{FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatInfo, FormatReader, Track, TrackType};
use symphonia::core::units::{Duration, TimeBase, Timestamp};

use super::edit_list::MovieIndex;
use super::guard::guarded;
use super::limits::{MAX_CHANNELS, RATES};
use super::refusal::{DecodeRefusal, Unsupported};
use super::timeline::SampleTimeline;
use super::{aac, codec_names};
use crate::audio::Span;
#[cfg(feature = "opus")]
use {super::opus, symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS};

/// Facts about a source that its demuxer does not provide.
#[derive(Debug, Clone, Default)]
pub(super) struct ContainerFacts {
    /// Index of MP4.
    pub(super) movie: MovieIndex,
    /// Name of a codec unknown to the demuxer.
    pub(super) unknown: Option<Unsupported>,
}

/// Tolerated deviation of timestamps until a packet was decoded, in samples.
const FIRST_TOLERANCE: u64 = 8192;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    #[cfg(feature = "opus")]
    registry.register_audio_decoder::<opus::OpusDecoder>();
    registry
});

/// Track with its codec and its audible part.
pub(super) struct SelectedTrack {
    pub(super) id: u32,
    pub(super) codec: Box<dyn AudioDecoder>,
    pub(super) params: AudioCodecParameters,
    time_base: Option<TimeBase>,
    /// Sample rate in Hz, as stated by the container and corrected by the first packet.
    rate: Option<u32>,
    /// Number of decoded samples, trimmed ones included.
    raw: u64,
    /// Samples still to be trimmed at the start (encoder delay).
    skip: u64,
    /// End of the audible part, in decoded samples.
    end: Option<u64>,
    pub(super) timeline: SampleTimeline,
    /// Timestamp after which the length stated by the header no longer applies, because a file was
    /// appended.
    pub(super) stated_end: Option<i64>,
    /// True once that timestamp was passed.
    pub(super) appended: bool,
    /// Number of samples in the last decoded packet.
    pub(super) usual: u64,
    /// Number of samples in the longest packet so far.
    longest: u64,
}

impl SelectedTrack {
    /// Selects the default audio track, or the first other one that can be decoded.
    ///
    /// # Errors
    /// Reason why the default track is not decoded.
    pub(super) fn new(format: &dyn FormatReader, facts: &ContainerFacts) -> Result<Self, DecodeRefusal> {
        let info = format.format_info();
        let mut refusal = None;
        let default = format.default_track(TrackType::Audio).into_iter();
        for track in default.chain(format.tracks()) {
            match Self::of(track, facts, info) {
                Some(Ok(selected)) => return Ok(selected),
                Some(Err(error)) => refusal = refusal.or(Some(error)),
                None => {}
            }
        }
        Err(refusal.unwrap_or_else(|| match &facts.unknown {
            Some(unsupported) => unsupported.clone().into(),
            None => DecodeRefusal::Failed(Error::Unsupported("it has no audio track")),
        }))
    }

    /// Selects `track`; `None` if it is not known to be audio.
    fn of(track: &Track, facts: &ContainerFacts, info: &FormatInfo) -> Option<Result<Self, DecodeRefusal>> {
        let params = track.codec_params.as_ref()?.audio()?.clone();
        Some(Self::decoding(track, params, facts, info))
    }

    fn decoding(
        track: &Track,
        mut params: AudioCodecParameters,
        facts: &ContainerFacts,
        info: &FormatInfo,
    ) -> Result<Self, DecodeRefusal> {
        // Codecs allocate buffers for the stated channels before any is decoded.
        if params.channels.as_ref().is_some_and(|channels| channels.count() > MAX_CHANNELS) {
            return Err(DecodeRefusal::Failed(Error::Unsupported("it has more than 64 channels")));
        }
        if let Some((_, cookie)) = facts.movie.cookies.iter().find(|(id, _)| *id == track.id)
            && params.codec != CODEC_ID_ALAC
        {
            params.for_codec(CODEC_ID_ALAC).with_extra_data(cookie.as_slice().into());
        }
        let mut skip = 0;
        match (params.codec, params.extra_data.as_deref()) {
            (CODEC_ID_AAC, Some(config)) => {
                let config = aac::config(config).map_err(Unsupported::from)?;
                params.with_extra_data(config.core.into()).with_sample_rate(config.rate).profile = None;
            }
            (CODEC_ID_AAC, None) => aac_without_configuration(&params).map_err(Unsupported::from)?,
            #[cfg(feature = "opus")]
            (CODEC_ID_OPUS, head) => {
                let channels = params.channels.as_ref().map_or(2, |channels| channels.count());
                let head = head.and_then(|head| opus::OpusHead::read(head, info.format == FORMAT_ID_ISOMP4));
                let head = head.unwrap_or_else(|| opus::OpusHead::plain(channels));
                // Trimmed by the sample count, because it may span several packets (RFC 7845,
                // section 4.2).
                skip = u64::from(head.pre_skip);
                params.with_extra_data(head.to_bytes().into()).with_sample_rate(opus::RATE);
            }
            _ => {}
        }
        if params.sample_rate.is_some_and(|rate| rate > 0 && !RATES.contains(&rate)) {
            return Err(DecodeRefusal::Failed(Error::Unsupported(
                "its sample rate is not within 1000 to 768000 Hz",
            )));
        }
        let mut end = None;
        if let (Some(edit), Some(rate)) =
            (facts.movie.edits.iter().find(|edit| edit.track == track.id), params.sample_rate)
        {
            skip = skip.max(edit.start_at(rate));
            end = edit.end_at(rate);
        }
        let stated_end = matches!(params.codec, CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3)
            .then(|| stated_end(track))
            .flatten();
        let codec = make_codec(&params).map_err(|error| match codec_names::of_id(params.codec) {
            Some(name) if CODECS.get_audio_decoder(params.codec).is_none() => {
                Unsupported::codec(name, container(info)).into()
            }
            _ => DecodeRefusal::Failed(error),
        })?;
        Ok(Self {
            id: track.id,
            codec,
            time_base: track.time_base,
            rate: params.sample_rate.filter(|rate| *rate > 0),
            params,
            raw: 0,
            skip,
            end,
            timeline: SampleTimeline::default(),
            stated_end,
            appended: false,
            usual: 0,
            longest: 0,
        })
    }

    /// Converts `duration` to samples.
    pub(super) fn samples(&self, duration: Duration) -> u64 {
        let (samples, ticks) = self.samples_of_tick();
        u64::try_from(i128::from(duration.get()) * samples / ticks).unwrap_or(0)
    }

    /// Converts `timestamp` to samples.
    pub(super) fn timestamp(&self, timestamp: Timestamp) -> i64 {
        let (samples, ticks) = self.samples_of_tick();
        i64::try_from(i128::from(timestamp.get()) * samples / ticks).unwrap_or(0)
    }

    /// Two ticks of the container's clock, in samples.
    pub(super) fn two_ticks(&self) -> i64 {
        let (samples, ticks) = self.samples_of_tick();
        i64::try_from(2 * samples / ticks).unwrap_or(i64::MAX)
    }

    /// Sample rate in Hz, 0 if unknown.
    pub(super) fn rate(&self) -> u32 {
        self.rate.unwrap_or(0)
    }

    /// True if a tick of the container's clock is a sample.
    pub(super) fn counts_samples(&self) -> bool {
        let (samples, ticks) = self.samples_of_tick();
        samples == ticks
    }

    /// Deviation of timestamps that counts as rounding, in samples.
    pub(super) fn tolerance(&self) -> i64 {
        // Vorbis blocks are long and short, and the muxer chooses which one it stamps.
        let packet = match (self.longest, self.params.codec) {
            (0, _) => FIRST_TOLERANCE,
            (longest, CODEC_ID_VORBIS) => longest,
            (longest, _) => longest / 2,
        };
        self.two_ticks().max(i64::try_from(packet).unwrap_or(0))
    }

    /// Tick of the time base in samples, as a fraction.
    fn samples_of_tick(&self) -> (i128, i128) {
        match (self.time_base, self.rate) {
            (Some(base), Some(rate)) => {
                (i128::from(base.numer.get()) * i128::from(rate), i128::from(base.denom.get()))
            }
            _ => (1, 1),
        }
    }

    /// Switches to the MPEG audio layer of the first packet, which MP4 does not state (ISO/IEC
    /// 14496-1, table 5: one object type for all layers).
    pub(super) fn follow_layer(&mut self, packet: &[u8]) {
        let (&[0xff, second, ..], true) = (packet, self.longest == 0) else { return };
        let layer = match second >> 1 & 3 {
            1 => CODEC_ID_MP3,
            2 => CODEC_ID_MP2,
            3 => CODEC_ID_MP1,
            _ => return,
        };
        let is_mpeg = matches!(self.params.codec, CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3);
        if is_mpeg && layer != self.params.codec {
            self.params.for_codec(layer);
            if let Ok(codec) = make_codec(&self.params) {
                self.codec = codec;
            }
        }
    }

    /// Records that a packet with timestamp `stamp` decoded to `samples` at `rate` Hz.
    pub(super) fn decoded(&mut self, stamp: Timestamp, samples: u64, rate: u32) {
        // Later changes concern the stream, not the container's clock.
        if self.longest == 0 && self.rate != Some(rate) {
            self.rate = Some(rate);
            self.timeline.restart(self.timestamp(stamp));
        }
        (self.usual, self.longest) = (samples, self.longest.max(samples));
    }

    /// Audible part of the next `count` decoded samples; the packet itself states that `head` and
    /// `tail` are to be trimmed.
    pub(super) fn cut(&mut self, count: u64, head: u64, tail: u64) -> Span {
        let skipped = self.skip.min(count);
        self.skip -= skipped;
        let late = self.end.map_or(0, |end| (self.raw + count).saturating_sub(end));
        self.raw += count;
        let start = head.max(skipped).min(count);
        Span { start, end: count.saturating_sub(tail.max(late)).max(start) }
    }
}

/// Checks AAC that only the container describes.
fn aac_without_configuration(params: &AudioCodecParameters) -> Result<(), String> {
    match params.profile {
        Some(CODEC_PROFILE_AAC_MAIN) => return Err("AAC Main".into()),
        Some(CODEC_PROFILE_AAC_SSR) => return Err("AAC SSR".into()),
        Some(CODEC_PROFILE_AAC_LTP) => return Err("AAC LTP".into()),
        _ => {}
    }
    match params.channels.as_ref().map_or(0, |channels| channels.count()) {
        0 => Err("AAC whose channels are listed in the stream (a program config element)".into()),
        1 | 2 => Ok(()),
        channels => Err(aac::many_channels(channels as u32)),
    }
}

/// Creates a codec in its initial state.
///
/// # Errors
/// There is none for these parameters.
pub(super) fn make_codec(params: &AudioCodecParameters) -> Decoded<Box<dyn AudioDecoder>> {
    guarded(|| CODECS.make_audio_decoder(params, &AudioDecoderOptions::default()))
}

/// Timestamp at which an MPEG audio file ends according to its header; concatenated files continue
/// after it.
fn stated_end(track: &Track) -> Option<i64> {
    i64::try_from(track.num_frames?.checked_add(u64::from(track.padding.unwrap_or(0)))?).ok()
}

/// Name of a container for messages.
fn container(info: &FormatInfo) -> &'static str {
    match info.format {
        FORMAT_ID_ISOMP4 => "MP4",
        FORMAT_ID_MKV => "Matroska",
        FORMAT_ID_OGG => "Ogg",
        _ => info.short_name,
    }
}
