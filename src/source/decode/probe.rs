//! Recognition of a container, and its demuxer.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AC3, CODEC_ID_AC4, CODEC_ID_ATRAC3, CODEC_ID_COOK, CODEC_ID_DCA, CODEC_ID_EAC3,
    CODEC_ID_MONKEYS_AUDIO, CODEC_ID_MUSEPACK, CODEC_ID_RA10, CODEC_ID_RA20, CODEC_ID_RALF, CODEC_ID_SIPR,
    CODEC_ID_SPEEX, CODEC_ID_TRUEHD, CODEC_ID_TTA, CODEC_ID_WAVPACK, CODEC_ID_WMA,
};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{formats, meta};

use super::fragments::Fragments;
use super::guarded;
use super::named::{Named, named};
use super::pcm;
use super::start::Start;

/// Finds the demuxer of what [`pcm`] does not read. It scans ahead, so it knows no WAVE or AIFF:
/// their headers are stored in files of other formats.
static PROBE: LazyLock<Probe> = LazyLock::new(|| {
    let mut probe = Probe::default();
    probe.register_format::<formats::AdtsReader<'_>>();
    probe.register_format::<formats::FlacReader<'_>>();
    probe.register_format::<formats::IsoMp4Reader<'_>>();
    probe.register_format::<formats::MpaReader<'_>>();
    probe.register_format::<formats::OggReader<'_>>();
    probe.register_format::<formats::MkvReader<'_>>();
    probe.register_metadata::<meta::ApeReader<'_>>();
    probe.register_metadata::<meta::Id3v1Reader<'_>>();
    probe.register_metadata::<meta::Id3v2Reader<'_>>();
    probe
});

/// Why a stream is not demuxed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Its format is known, and not decoded.
    Named(Named),
    /// A demuxer gave up.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Finds the demuxer of `source`, a file or a stream at its start.
///
/// # Errors
/// Its format is not decoded, or not recognised, or its header is damaged.
pub(super) fn probe(
    source: impl MediaSource + 'static,
    extension: Option<&str>,
) -> Result<Box<dyn FormatReader>, Refusal> {
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let (source, without_fragments) = Fragments::new(source);
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let (start, stream) = Start::of(stream).map_err(Error::from)?;
    if let Some(named) = named(&start.content) {
        return Err(Refusal::Named(named));
    }
    // Only what is not MP4 is free of fragments; a demuxer of ours looks for none.
    let opened = guarded(|| Ok(pcm::open(stream, &start)))??;
    let stream = match opened {
        pcm::Opened::Here(format) => {
            without_fragments.store(true, Ordering::Relaxed);
            return Ok(format);
        }
        pcm::Opened::Elsewhere(stream) => stream,
    };
    let format =
        guarded(|| PROBE.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default()))?;
    without_fragments.store(format.format_info().format != FORMAT_ID_ISOMP4, Ordering::Relaxed);
    Ok(format)
}

/// Names the codec of the audio track, if it is one that is not decoded.
pub(super) fn codec_of(format: &dyn FormatReader) -> Option<Named> {
    let track = format.default_track(TrackType::Audio)?;
    let codec = track.codec_params.as_ref()?.audio()?.codec;
    CODECS.iter().find(|(known, _)| *known == codec).map(|(_, named)| *named)
}

/// Codecs that are not decoded, in containers that are demuxed.
const CODECS: &[(AudioCodecId, Named)] = &[
    (CODEC_ID_AC3, Named::audio("AC-3 (Dolby Digital) in a container")),
    (CODEC_ID_EAC3, Named::audio("E-AC-3 in a container")),
    (CODEC_ID_AC4, Named::audio("AC-4 in a container")),
    (CODEC_ID_DCA, Named::audio("DTS in a container")),
    (CODEC_ID_TRUEHD, Named::audio("Dolby TrueHD in a container")),
    (CODEC_ID_WAVPACK, Named::audio("WavPack in a container")),
    (CODEC_ID_TTA, Named::audio("TTA (True Audio) in a container")),
    (CODEC_ID_MONKEYS_AUDIO, Named::audio("Monkey's Audio in a container")),
    (CODEC_ID_MUSEPACK, Named::audio("Musepack in a container")),
    (CODEC_ID_SPEEX, Named::audio("Speex in a container")),
    (CODEC_ID_WMA, Named::audio("Windows Media Audio in a container")),
    (CODEC_ID_RALF, Named::audio("RealAudio in a container")),
    (CODEC_ID_COOK, Named::audio("RealAudio in a container")),
    (CODEC_ID_SIPR, Named::audio("RealAudio in a container")),
    (CODEC_ID_RA10, Named::audio("RealAudio in a container")),
    (CODEC_ID_RA20, Named::audio("RealAudio in a container")),
    (CODEC_ID_ATRAC3, Named::audio("ATRAC3 in a container")),
];
