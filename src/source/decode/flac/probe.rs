//! Recognition of native FLAC, with its header or without.

use symphonia::core::errors::Result;
use symphonia::core::formats::probe::{
    ProbeDataMatchSpec, ProbeFormatData, ProbeableFormat, Score, Scoreable,
};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadBytes, ScopedStream};

use super::frame::{Header, Parsed, Walk};
use super::{FORMAT, MARKER, Reader};

/// Bytes of a frame that must be consistent where the rest of it cannot be looked at.
const LONG_FRAME: usize = 8192;

impl<'s> ProbeableFormat<'s> for Reader<'_> {
    fn try_probe_new(
        mss: MediaSourceStream<'s>,
        options: FormatOptions,
    ) -> Result<Box<dyn FormatReader + 's>> {
        Ok(Box::new(Reader::try_new(mss, options)?))
    }

    fn probe_data() -> &'static [ProbeFormatData] {
        // The sync code with either blocking strategy: a stream that was joined in the middle.
        const MARKERS: &[&[u8]] = &[MARKER, &[0xff, 0xf8], &[0xff, 0xf9]];
        const SPEC: ProbeDataMatchSpec =
            ProbeDataMatchSpec { extensions: &["flac"], mime_types: &["audio/flac"], markers: MARKERS };
        &[ProbeFormatData { spec: SPEC, info: FORMAT }]
    }
}

impl Scoreable for Reader<'_> {
    /// Without a marker, a whole frame with both checksums is proof. Where a frame is longer than the
    /// bytes that may be looked at, its header and a consistent beginning must do.
    fn score(mut stream: ScopedStream<&mut MediaSourceStream<'_>>) -> Result<Score> {
        let (mut data, mut walk) = (Vec::new(), None::<Walk>);
        loop {
            let byte = stream.read_byte().ok();
            data.extend(byte);
            if data == MARKER {
                return Ok(Score::Supported(255));
            }
            if let Some(walk) = &mut walk {
                // Subframes are parsed from their start each time; large frames not after each byte.
                if data.len() < 64 || data.len().is_multiple_of(64) || byte.is_none() {
                    match walk.advance(&data) {
                        Parsed::Complete(_) => return Ok(Score::Supported(255)),
                        Parsed::Invalid => return Ok(Score::Unsupported),
                        Parsed::Incomplete if byte.is_none() && data.len() >= LONG_FRAME => {
                            return Ok(Score::Supported(128));
                        }
                        Parsed::Incomplete => {}
                    }
                }
            } else if !MARKER.starts_with(&data) {
                match Header::parse(&data) {
                    Parsed::Complete(header @ Header { rate: Some(_), bits: Some(bits), .. }) => {
                        walk = Some(Walk::new(header, bits));
                    }
                    Parsed::Incomplete => {}
                    _ => return Ok(Score::Unsupported),
                }
            }
            if byte.is_none() {
                return Ok(Score::Unsupported);
            }
        }
    }
}
