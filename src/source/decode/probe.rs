//! Recognition of a container, and its demuxer.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use symphonia::core::errors::Error;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{formats, meta};

use super::flac;
use super::fragments::Fragments;
use super::guarded;
use super::pcm;
use super::refusal::Refusal;
use super::start::Start;

/// Finds the demuxer of what [`pcm`] does not read. It scans ahead, so it knows no WAVE or AIFF:
/// their headers are stored in files of other formats.
static PROBE: LazyLock<Probe> = LazyLock::new(|| {
    let mut probe = Probe::default();
    probe.register_format::<formats::AdtsReader<'_>>();
    probe.register_format::<flac::Reader<'_>>();
    probe.register_format::<formats::IsoMp4Reader<'_>>();
    probe.register_format::<formats::MpaReader<'_>>();
    probe.register_format::<formats::OggReader<'_>>();
    probe.register_format::<formats::MkvReader<'_>>();
    probe.register_metadata::<meta::ApeReader<'_>>();
    probe.register_metadata::<meta::Id3v1Reader<'_>>();
    probe.register_metadata::<meta::Id3v2Reader<'_>>();
    probe
});

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
