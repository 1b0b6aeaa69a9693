//! Comments in the header of a clip, in the layout that FLAC and Opus share (RFC 7845, 5.2).
//!
//! Numbers have a fixed width: the header is written before the audio, and again at the end, when
//! they are known.

use std::sync::Arc;

use jiff::Timestamp;

use crate::event::EventType;

/// Name of the encoder.
const VENDOR: &str = concat!("genred ", env!("CARGO_PKG_VERSION"));

/// Event that a clip is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClipTags {
    /// Name of the source, as in topics.
    pub(super) source: Arc<str>,
    pub(super) event_type: EventType,
    /// Time of the event.
    pub(super) at: Timestamp,
}

impl ClipTags {
    /// Encodes the comments. `offset_s` is the time of the event in the file, `omitted_s` the audio
    /// that is missing in the file, both in seconds.
    pub(super) fn encode(&self, offset_s: f64, omitted_s: f64) -> Vec<u8> {
        let comments = [
            format!("TITLE={} {}", self.source, self.event_type.as_str()),
            format!("DATE={:.3}", self.at),
            format!("SOURCE={}", self.source),
            format!("EVENT_TYPE={}", self.event_type.as_str()),
            seconds("EVENT_OFFSET_S", offset_s),
            seconds("OMITTED_S", omitted_s),
        ];
        let mut bytes = Vec::new();
        put(&mut bytes, VENDOR);
        bytes.extend_from_slice(&(comments.len() as u32).to_le_bytes());
        comments.iter().for_each(|comment| put(&mut bytes, comment));
        bytes
    }
}

/// Appends a text after its length.
fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Comment with a number of fixed width.
fn seconds(key: &str, value: f64) -> String {
    format!("{key}={:010.3}", value.clamp(0.0, 999_999.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_does_not_depend_on_the_numbers() {
        let tags = ClipTags {
            source: "fm1".into(),
            event_type: EventType::SourceLost,
            at: "2026-11-30T20:15:30Z".parse().unwrap(),
        };
        let lengths = [(0.0, 0.0), (14.98, 3.5), (1e9, -1.0), (f64::NAN, f64::INFINITY)]
            .map(|(offset_s, omitted_s)| tags.encode(offset_s, omitted_s).len());
        assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
        let text = String::from_utf8_lossy(&tags.encode(15.0, 0.0)).into_owned();
        assert!(text.contains("DATE=2026-11-30T20:15:30.000Z") && text.contains("EVENT_OFFSET_S=000015.000"));
    }
}
