//! `[source.clip]`

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::event::{ClipFormat, EventType};
use crate::limits::{ConfigError, Limit};

const PRE_ROLL_S: Limit = Limit::new("clip.pre_roll_s", 0.0, 120.0, "seconds");
const POST_ROLL_S: Limit = Limit::new("clip.post_roll_s", 0.0, 120.0, "seconds");
const MAX_AGE_DAYS: Limit = Limit::new("clip.max_age_days", 0.01, 3650.0, "days").or_zero("no limit");
const MAX_MB: Limit = Limit::new("clip.max_mb", 1.0, 1_000_000.0, "megabytes");

/// Events that clips are made of: all but the loss of events, which happens outside the audio.
const EVENT_NAMES: &[&str] = &[
    "genre_changed",
    "dead_air_started",
    "dead_air_ended",
    "source_lost",
    "source_recovered",
    "off_format_started",
    "off_format_ended",
    "talk_limit_started",
    "talk_limit_ended",
    "imbalance_started",
    "imbalance_ended",
    "stream_slow_started",
    "stream_slow_ended",
];

/// Clips of a source: audio files around chosen events.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClipConfig {
    /// Keeps the newest audio in memory, compressed, and writes clips.
    pub enabled: bool,
    /// Codec and container.
    pub format: ClipFormat,
    /// Audio before an event, in seconds, 0 to 120.
    pub pre_roll_s: f64,
    /// Audio after an event, in seconds, 0 to 120.
    pub post_roll_s: f64,
    /// Events of which clips are made.
    #[serde(deserialize_with = "event_types")]
    pub events: Vec<EventType>,
    /// Age, in days, 0.01 to 3650, at which clips are deleted; 0: never.
    pub max_age_days: f64,
    /// Size of all clips of the source, in megabytes, 1 to 1000000, beyond which the oldest are
    /// deleted.
    pub max_mb: u32,
    /// Folder in which each source has a folder of its own. Default: `clips` in the node's state
    /// folder.
    pub folder: Option<PathBuf>,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            format: if cfg!(feature = "opus") { ClipFormat::Opus } else { ClipFormat::Flac },
            pre_roll_s: 15.0,
            post_roll_s: 15.0,
            events: vec![
                EventType::DeadAirStarted,
                EventType::SourceLost,
                EventType::OffFormatStarted,
                EventType::ImbalanceStarted,
            ],
            max_age_days: 30.0,
            max_mb: 500,
            folder: None,
        }
    }
}

impl ClipConfig {
    /// Checks limits.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        PRE_ROLL_S.check(self.pre_roll_s)?;
        POST_ROLL_S.check(self.post_roll_s)?;
        MAX_AGE_DAYS.check(self.max_age_days)?;
        MAX_MB.check(self.max_mb.into())?;
        if self.pre_roll_s + self.post_roll_s < 1.0 {
            let expected = "at least 1 second together with `clip.post_roll_s`";
            return Err(ConfigError::new("clip.pre_roll_s", self.pre_roll_s, expected));
        }
        if self.events.is_empty() {
            let expected = "event types, such as `dead_air_started`; `enabled = false` turns clips off";
            return Err(ConfigError::new("clip.events", "empty", expected));
        }
        if self.format == ClipFormat::Opus && cfg!(not(feature = "opus")) {
            return Err(ConfigError::new("clip.format", "`opus`", "`flac`: this build has no Opus"));
        }
        if self.folder.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            let expected = "a path, or no such key for the state folder";
            return Err(ConfigError::new("clip.folder", "empty", expected));
        }
        Ok(())
    }
}

/// Deserializes names of [`EVENT_NAMES`].
fn event_types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EventType>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let parsed = names.iter().map(|name| {
        let known = EVENT_NAMES.contains(&name.as_str());
        let found = EventType::ALL.iter().copied().find(|event_type| event_type.as_str() == name);
        found.filter(|_| known).ok_or_else(|| D::Error::unknown_variant(name, EVENT_NAMES))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_but_the_loss_of_events_may_be_chosen() {
        let others = EventType::ALL.iter().filter(|event_type| **event_type != EventType::EventsDropped);
        assert_eq!(others.map(|event_type| event_type.as_str()).collect::<Vec<_>>(), EVENT_NAMES);
    }

    #[test]
    fn settings_are_checked() {
        let error = |text: &str| {
            let config: ClipConfig = toml::from_str(text).unwrap();
            config.validate().unwrap_err().to_string()
        };
        assert!(ClipConfig::default().validate().is_ok());
        assert_eq!(error("pre_roll_s = 121.0"), "`clip.pre_roll_s` is 121; expected 0 to 120 seconds");
        assert!(error("pre_roll_s = 0.0\npost_roll_s = 0.5").contains("at least 1 second"));
        assert!(error("events = []").contains("`clip.events` is empty"));
        assert!(error("folder = ''").contains("`clip.folder` is empty"));
        assert!(error("max_mb = 0").contains("1 to 1000000 megabytes"));
        let unknown = toml::from_str::<ClipConfig>("events = ['dead_air']").unwrap_err().to_string();
        assert!(unknown.contains("unknown variant `dead_air`, expected one of `genre_changed`"), "{unknown}");
    }
}
