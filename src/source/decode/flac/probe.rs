//! Recognition of native FLAC, with or without its header.

use symphonia::core::errors::Result;
use symphonia::core::formats::probe::{
    ProbeDataMatchSpec, ProbeFormatData, ProbeableFormat, Score, Scoreable,
};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadBytes, ScopedStream};

use super::frame::{FlacHeader, FrameWalker, ParseResult};
use super::reader::{FORMAT, FlacReader, MARKER};

/// Number of consistent bytes required if the rest of the frame is not available.
const LONG_FRAME: usize = 8192;

impl<'s> ProbeableFormat<'s> for FlacReader<'_> {
    fn try_probe_new(
        mss: MediaSourceStream<'s>,
        options: FormatOptions,
    ) -> Result<Box<dyn FormatReader + 's>> {
        Ok(Box::new(FlacReader::try_new(mss, options)?))
    }

    fn probe_data() -> &'static [ProbeFormatData] {
        // Sync codes of both blocking strategies, for a stream joined in the middle.
        const MARKERS: &[&[u8]] = &[MARKER, &[0xff, 0xf8], &[0xff, 0xf9]];
        const SPEC: ProbeDataMatchSpec =
            ProbeDataMatchSpec { extensions: &["flac"], mime_types: &["audio/flac"], markers: MARKERS };
        &[ProbeFormatData { spec: SPEC, info: FORMAT }]
    }
}

impl Scoreable for FlacReader<'_> {
    /// Scores a stream. Without a marker, a complete frame with both checksums is proof. If the
    /// frame is longer than the available bytes, its header and a consistent beginning suffice.
    fn score(mut stream: ScopedStream<&mut MediaSourceStream<'_>>) -> Result<Score> {
        let (mut data, mut walker) = (Vec::new(), None::<FrameWalker>);
        loop {
            let byte = stream.read_byte().ok();
            data.extend(byte);
            if data == MARKER {
                return Ok(Score::Supported(255));
            }
            if let Some(walker) = &mut walker {
                // Subframes are parsed from their start each time, so large frames are not parsed
                // after every byte.
                if data.len() < 64 || data.len().is_multiple_of(64) || byte.is_none() {
                    match walker.advance(&data) {
                        ParseResult::Complete(_) => return Ok(Score::Supported(255)),
                        ParseResult::Invalid => return Ok(Score::Unsupported),
                        ParseResult::Incomplete if byte.is_none() && data.len() >= LONG_FRAME => {
                            return Ok(Score::Supported(128));
                        }
                        ParseResult::Incomplete => {}
                    }
                }
            } else if !MARKER.starts_with(&data) {
                match FlacHeader::parse(&data) {
                    ParseResult::Complete(header @ FlacHeader { rate: Some(_), bits: Some(bits), .. }) => {
                        walker = Some(FrameWalker::new(header, bits));
                    }
                    ParseResult::Incomplete => {}
                    _ => return Ok(Score::Unsupported),
                }
            }
            if byte.is_none() {
                return Ok(Score::Unsupported);
            }
        }
    }
}

/// Returns true if `bytes` contain a complete frame with both checksums.
pub(in crate::source::decode) fn holds_frame(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| {
        let rest = &bytes[at..];
        match FlacHeader::parse(rest) {
            ParseResult::Complete(header @ FlacHeader { rate: Some(_), bits: Some(bits), .. }) => {
                matches!(FrameWalker::new(header, bits).advance(rest), ParseResult::Complete(_))
            }
            _ => false,
        }
    })
}
