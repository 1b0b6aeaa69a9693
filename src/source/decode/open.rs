//! Selection of the demuxer.

use std::io::{self, Cursor, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};

use symphonia::core::common::Tier;
use symphonia::core::errors::Result as Decoded;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{formats, meta};

use super::arrived_reader::ArrivedReader;
use super::detect::{self, DetectedFormat};
use super::fragment_guard::FragmentGuard;
use super::guard::guarded;
use super::matroska::{PaddingTable, ScanningReader};
use super::mpeg::MpegReader;
use super::pcm::{self, quicktime};
use super::refusal::DecodeRefusal;
use super::stream_start::StreamStart;
use super::track::ContainerFacts;
use super::{adts, edit_list, flac, moov, ogg_opus};

/// Symphonia's demuxers, found by searching for the start of their formats. WAVE and AIFF are
/// omitted, because their headers are stored in files of other formats.
static PROBE: LazyLock<Probe> = LazyLock::new(|| {
    let mut probe = Probe::default();
    // Its sync code may be one of ADTS; its score distinguishes them.
    probe.register_format_at_tier::<flac::FlacReader<'_>>(Tier::Preferred);
    probe.register_format::<formats::AdtsReader<'_>>();
    probe.register_format::<formats::IsoMp4Reader<'_>>();
    probe.register_format::<formats::MpaReader<'_>>();
    probe.register_format::<formats::OggReader<'_>>();
    probe.register_format::<formats::MkvReader<'_>>();
    probe.register_metadata::<meta::ApeReader<'_>>();
    probe.register_metadata::<meta::Id3v1Reader<'_>>();
    probe.register_metadata::<meta::Id3v2Reader<'_>>();
    probe
});

/// AAC stream that several demuxers read in turn.
pub(super) type SharedSections = Arc<Mutex<adts::AdtsSections<Box<dyn Read + Send>>>>;

/// Demuxer with additional facts about its source.
pub(super) struct OpenedContainer {
    pub(super) format: Box<dyn FormatReader>,
    pub(super) facts: ContainerFacts,
    /// Padding stated by Matroska.
    pub(super) paddings: PaddingTable,
    /// Remaining sections of an AAC stream, whose parameters may change.
    pub(super) sections: Option<SharedSections>,
}

impl From<Box<dyn FormatReader>> for OpenedContainer {
    fn from(format: Box<dyn FormatReader>) -> Self {
        Self { format, facts: ContainerFacts::default(), paddings: PaddingTable::default(), sections: None }
    }
}

/// Opens `source`, a file or stream at its start; `extension` is a hint.
///
/// # Errors
/// The format is not decoded or not recognised, or its header is damaged.
pub(super) fn open(
    source: impl MediaSource + 'static,
    extension: Option<&str>,
) -> Result<OpenedContainer, DecodeRefusal> {
    let (source, without_fragments) = FragmentGuard::new(source);
    let (source, paddings) = ScanningReader::new(source);
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let (start, stream) = StreamStart::of(stream)?;
    let is_mp4 = matches!(start.kind, DetectedFormat::Mp4 | DetectedFormat::Other);
    without_fragments.store(!is_mp4, Ordering::Relaxed);
    let probed = |stream, facts: ContainerFacts| -> Result<OpenedContainer, DecodeRefusal> {
        let format = probe(stream, extension).map_err(|error| match &facts.unknown {
            Some(unsupported) => unsupported.clone().into(),
            None => DecodeRefusal::from(error),
        })?;
        let is_mp4 = format.format_info().format == FORMAT_ID_ISOMP4;
        without_fragments.store(!is_mp4, Ordering::Relaxed);
        Ok(OpenedContainer { format, facts, paddings: paddings.clone(), sections: None })
    };
    match start.kind {
        DetectedFormat::Unsupported(unsupported) => Err(unsupported.into()),
        DetectedFormat::Pcm(container) => {
            Ok(guarded(|| Ok(pcm::open(container, stream, start.tags)))??.into())
        }
        DetectedFormat::Mp4 if start.tags == 0 => {
            let (moov, stream) = moov::find(stream)?;
            let movie = moov.as_deref().map(edit_list::movie).unwrap_or_default();
            let facts = ContainerFacts { unknown: detect::unknown_codec(&[], &movie.formats), movie };
            match guarded(|| Ok(quicktime::open(stream, moov.as_deref())))?? {
                quicktime::QuickTimeStream::Here(format) => {
                    // This demuxer counts no samples of fragments.
                    without_fragments.store(true, Ordering::Relaxed);
                    Ok(OpenedContainer { facts, ..format.into() })
                }
                quicktime::QuickTimeStream::Elsewhere(stream) => probed(stream, facts),
            }
        }
        DetectedFormat::Adts => {
            let sections: SharedSections =
                Arc::new(Mutex::new(adts::AdtsSections::new(Box::new(ArrivedReader(stream)))));
            Ok(OpenedContainer { sections: Some(sections.clone()), ..open_section(&sections)?.into() })
        }
        DetectedFormat::Mpeg { start: junk } => {
            let mut stream = stream;
            stream.ignore_bytes(start.tags + junk as u64)?;
            let format = guarded(|| Ok(Box::new(MpegReader::new(stream)?) as Box<dyn FormatReader>))?;
            Ok(format.into())
        }
        DetectedFormat::Mp4
        | DetectedFormat::Ogg
        | DetectedFormat::Matroska
        | DetectedFormat::Flac
        | DetectedFormat::Other => {
            let unknown = detect::unknown_codec(&start.content, &[]);
            let stream = with_stated_channels(stream, start)?;
            probed(stream, ContainerFacts { unknown, ..ContainerFacts::default() })
        }
    }
}

/// Presents Ogg Opus without a stated channel order as a mapping that the demuxer knows.
fn with_stated_channels(
    mut stream: MediaSourceStream<'static>,
    start: StreamStart,
) -> io::Result<MediaSourceStream<'static>> {
    let mut content = start.content;
    if start.tags > 0 || !ogg_opus::rewrite(&mut content) {
        return Ok(stream);
    }
    stream.ignore_bytes(content.len() as u64)?;
    let rewritten = ReadOnlySource::new(Cursor::new(content).chain(ArrivedReader(stream)));
    Ok(MediaSourceStream::new(Box::new(rewritten), Default::default()))
}

/// Opens the current section of an AAC stream.
///
/// # Errors
/// It holds no frame, or reading fails.
pub(super) fn open_section(sections: &SharedSections) -> Result<Box<dyn FormatReader>, DecodeRefusal> {
    let source = ReadOnlySource::new(adts::AdtsSection(sections.clone()));
    Ok(probe(MediaSourceStream::new(Box::new(source), Default::default()), None)?)
}

fn probe(stream: MediaSourceStream<'static>, extension: Option<&str>) -> Decoded<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    guarded(|| PROBE.probe(&hint, stream, FormatOptions::default(), MetadataOptions::default()))
}
