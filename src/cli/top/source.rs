//! Sources as the API describes them, and their order on the wall.

use jiff::Timestamp;
use serde::Deserialize;

/// Source of the wall. Keys are those of `GET /api/v1/sources`; others are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct WallSource {
    /// Name, as configured.
    pub(super) source_name: String,
    /// True while audio arrives and the source is not paused.
    pub(super) online: bool,
    pub(super) health: String,
    pub(super) health_reason: Option<String>,
    pub(super) health_since: Timestamp,
    pub(super) state: Option<WallState>,
    pub(super) attributes: Option<WallAttributes>,
    pub(super) settings: Option<WallSettings>,
}

/// Part of the published state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct WallState {
    pub(super) genre: String,
    pub(super) confidence: Option<f64>,
    pub(super) since: Timestamp,
    pub(super) lufs_m: Option<f64>,
    pub(super) dead_air: String,
}

/// Part of the attributes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct WallAttributes {
    pub(super) title: Option<String>,
}

/// Part of the settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct WallSettings {
    pub(super) paused: bool,
}

/// Urgency of a source, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// No audio arrives.
    Lost,
    /// Silence, a loop or a test tone.
    DeadAir,
    /// Audio is late or left out.
    Impaired,
    /// No audio has arrived yet.
    Starting,
    /// On air.
    OnAir,
    /// Paused by a command.
    Paused,
}

impl WallSource {
    pub(super) fn urgency(&self) -> Urgency {
        let is_dead_air = || self.state.as_ref().is_some_and(|state| state.dead_air == "ON");
        match self.health.as_str() {
            _ if self.settings.as_ref().is_some_and(|settings| settings.paused) => Urgency::Paused,
            "starting" => Urgency::Starting,
            "stalled" | "recovering" | "failed" => Urgency::Lost,
            _ if !self.online => Urgency::Lost,
            _ if is_dead_air() => Urgency::DeadAir,
            "slow" | "overloaded" => Urgency::Impaired,
            _ => Urgency::OnAir,
        }
    }

    /// Words for its condition.
    pub(super) fn condition(&self) -> &str {
        match self.urgency() {
            Urgency::Paused => "paused",
            Urgency::DeadAir => "dead air",
            Urgency::OnAir => "on air",
            Urgency::Lost if self.health == "healthy" => "off air",
            _ => &self.health,
        }
    }

    /// Time since which the condition lasts, as far as it is known.
    pub(super) fn since(&self) -> Timestamp {
        match (self.urgency(), &self.state) {
            (Urgency::DeadAir | Urgency::OnAir, Some(state)) => state.since,
            _ => self.health_since,
        }
    }

    /// Reason of a problem, else the title.
    pub(super) fn remark(&self) -> &str {
        let title = self.attributes.as_ref().and_then(|attributes| attributes.title.as_deref());
        self.health_reason.as_deref().or(title).unwrap_or_default()
    }
}

/// Sources of an answer, the most urgent first; equally urgent ones as configured.
///
/// # Errors
/// `body` is no such answer.
pub(super) fn parse(body: &str) -> serde_json::Result<Vec<WallSource>> {
    #[derive(Deserialize)]
    struct Answer {
        sources: Vec<WallSource>,
    }
    let Answer { mut sources } = serde_json::from_str(body)?;
    sources.sort_by_key(WallSource::urgency);
    Ok(sources)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Answer with a source per condition.
    pub(in crate::cli::top) fn answer() -> String {
        let source = |name: &str, online: bool, health: &str, rest: serde_json::Value| {
            let mut source = serde_json::json!({
                "name": name, "source_name": name, "uri": "file:x", "online": online, "health": health,
                "health_reason": null, "health_since": "2026-11-03T14:00:00Z",
                "state": { "state": "music", "genre": "jazz", "confidence": 0.834, "lufs_m": -20.0,
                           "since": "2026-11-03T14:01:00Z", "dead_air": "OFF" },
                "attributes": { "title": "Kind of Blue" }, "settings": { "paused": false },
            });
            source.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            source
        };
        let silence = serde_json::json!({ "state": {
            "state": "silence", "genre": "silence", "confidence": null, "lufs_m": -70.0,
            "since": "2026-11-03T14:01:30Z", "dead_air": "ON" }, "attributes": null });
        let sources = [
            source("FM 1", true, "healthy", serde_json::json!({})),
            source("paused", false, "healthy", serde_json::json!({ "settings": { "paused": true } })),
            source(
                "new",
                false,
                "starting",
                serde_json::json!({ "state": null, "attributes": null, "settings": null }),
            ),
            source("silent", true, "healthy", silence),
            source("lost", false, "recovering", serde_json::json!({ "health_reason": "connection refused" })),
        ];
        serde_json::json!({ "sources": sources }).to_string()
    }

    #[test]
    fn trouble_comes_first() {
        let sources = parse(&answer()).unwrap();
        let order: Vec<_> = sources.iter().map(|source| (&*source.source_name, source.condition())).collect();
        let expected = [
            ("lost", "recovering"),
            ("silent", "dead air"),
            ("new", "starting"),
            ("FM 1", "on air"),
            ("paused", "paused"),
        ];
        assert_eq!(order, expected);
        assert_eq!(sources[0].remark(), "connection refused");
        assert_eq!(sources[3].remark(), "Kind of Blue");
    }

    #[test]
    fn other_answers_are_refused() {
        assert!(parse("{}").is_err() && parse("<html>").is_err());
    }
}
