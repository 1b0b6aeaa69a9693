//! Names and places of clips: audio files around events.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::EventType;

/// Folder of all clips in links, and by default in the state folder.
pub const CLIPS: &str = "clips";

/// Layout of the time in file names: `20261130T201530.123Z`.
const TIME_PATTERN: &[u8] = b"########T######.###Z";

/// Longest sequence number in a file name, in digits.
const MAX_SEQ_DIGITS: usize = 20;

/// Codec and container of clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClipFormat {
    /// Opus in Ogg.
    Opus,
    /// FLAC.
    Flac,
}

impl ClipFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Opus, Self::Flac];

    /// Extension of file names.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Flac => "flac",
        }
    }

    /// Media type, for HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/ogg",
            Self::Flac => "audio/flac",
        }
    }
}

/// File name of a clip: `<UTC time>-<event_type>-<seq>.<extension>`, such as
/// `20261130T201530.123Z-dead_air_started-42.opus`.
///
/// It is a name without a folder by construction: [`ClipFileName::parse`] accepts nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClipFileName(Arc<str>);

impl ClipFileName {
    /// Name of the clip of event number `seq`, which was decided at `at`.
    pub fn new(at: Timestamp, event_type: EventType, seq: u64, format: ClipFormat) -> Self {
        let utc = at.to_zoned(TimeZone::UTC);
        let millisecond = utc.subsec_nanosecond() / 1_000_000;
        let event = event_type.as_str();
        let time = utc.strftime("%Y%m%dT%H%M%S");
        Self(format!("{time}.{millisecond:03}Z-{event}-{seq}.{}", format.extension()).into())
    }

    /// Parses the name of a clip. Returns `None` for anything else, any path included.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, rest) = text.split_at_checked(TIME_PATTERN.len())?;
        let is_time = time.bytes().zip(TIME_PATTERN).all(|(byte, pattern)| match pattern {
            b'#' => byte.is_ascii_digit(),
            letter => byte == *letter,
        });
        let (event_type, rest) = rest.strip_prefix('-')?.split_once('-')?;
        let (seq, extension) = rest.split_once('.')?;
        let is_known = EventType::ALL.iter().any(|known| known.as_str() == event_type)
            && ClipFormat::ALL.iter().any(|format| format.extension() == extension);
        let is_number = (1..=MAX_SEQ_DIGITS).contains(&seq.len()) && seq.bytes().all(|b| b.is_ascii_digit());
        (is_time && is_known && is_number).then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Format of the file.
    pub fn format(&self) -> ClipFormat {
        match self.0.ends_with(ClipFormat::Flac.extension()) {
            true => ClipFormat::Flac,
            false => ClipFormat::Opus,
        }
    }
}

impl fmt::Display for ClipFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Clip of a source. Its [`fmt::Display`] is the relative link, `clips/<source>/<file>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipPath {
    source: Arc<str>,
    file: ClipFileName,
}

impl ClipPath {
    /// Clip `file` of `source`, which is a name as in topics.
    pub fn new(source: Arc<str>, file: ClipFileName) -> Self {
        Self { source, file }
    }

    /// Parses the two last segments of a link. Returns `None` unless `source` can be the name of a
    /// source and `file` that of a clip.
    pub fn parse(source: &str, file: &str) -> Option<Self> {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_name = !source.is_empty() && source.bytes().all(is_name_byte);
        let file = ClipFileName::parse(file).filter(|_| is_name)?;
        Some(Self { source: source.into(), file })
    }

    /// Name of the source, as in topics.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Name of the file.
    pub fn file(&self) -> &ClipFileName {
        &self.file
    }

    /// Link below `base`, an absolute address with or without a slash at its end; without one, the
    /// relative link.
    pub fn link(&self, base: Option<&str>) -> String {
        match base {
            Some(base) => format!("{}/{self}", base.trim_end_matches('/')),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for ClipPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CLIPS}/{}/{}", self.source, self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "20261130T201530.007Z-dead_air_started-42.opus";

    #[test]
    fn names_are_made_and_parsed() {
        let at = "2026-11-30T20:15:30.0079Z".parse().unwrap();
        let name = ClipFileName::new(at, EventType::DeadAirStarted, 42, ClipFormat::Opus);
        assert_eq!(name.as_str(), NAME);
        assert_eq!(ClipFileName::parse(NAME), Some(name.clone()));
        assert_eq!(name.format(), ClipFormat::Opus);
        for event_type in EventType::ALL {
            for format in ClipFormat::ALL {
                let name = ClipFileName::new(at, *event_type, u64::MAX, format);
                assert_eq!(ClipFileName::parse(name.as_str()).map(|name| name.format()), Some(format));
            }
        }
        let path = ClipPath::new("fm1".into(), name);
        assert_eq!(path.to_string(), format!("clips/fm1/{NAME}"));
        assert_eq!(path.link(Some("https://a.example/g/")), format!("https://a.example/g/clips/fm1/{NAME}"));
        assert_eq!(ClipPath::parse("fm1", NAME), Some(path));
    }

    #[test]
    fn nothing_else_is_a_name() {
        for name in [
            "",
            ".",
            "..",
            "../20261130T201530.007Z-dead_air_started-42.opus",
            "20261130T201530.007Z-dead_air_started-42.opus/..",
            "20261130T201530.007Z-dead_air_started-42.opus.part",
            "20261130T201530.007Z-dead_air_started-42.opus\0",
            "20261130T201530.007Z-dead_air_started-4/2.opus",
            "20261130T201530.007Z-dead_air_started-.opus",
            "20261130T201530.007Z-dead_air_started--1.opus",
            "20261130T201530.007Z-dead_air-42.opus",
            "20261130T201530.007Z-dead_air_started-42.mp3",
            "20261130T201530.007Z-dead_air_started-42",
            "2026113\u{ff10}T201530.007Z-dead_air_started-42.opus",
            "20261130T201530-dead_air_started-42.opus",
            "/etc/passwd",
        ] {
            assert_eq!(ClipFileName::parse(name), None, "{name:?}");
        }
        for source in ["", "..", ".", "a/b", "a b", "\u{e4}", "a.b"] {
            assert_eq!(ClipPath::parse(source, NAME), None, "{source:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsed_names_hold_no_separator(text in "[0-9TZ.a-z_/\\\\-]{0,60}") {
            if let Some(name) = ClipFileName::parse(&text) {
                proptest::prop_assert!(!name.as_str().contains(['/', '\\', '\0']));
                proptest::prop_assert!(!name.as_str().starts_with('.'));
            }
        }
    }
}
