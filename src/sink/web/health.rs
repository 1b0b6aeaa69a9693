//! Bodies of `/health` and `/ready`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::status::{ComponentReadiness, Liveness, Readiness, SourceReadiness};

/// `/health`: liveness. Status 200 if alive, else 503.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthBody {
    /// True while audio and inference advance.
    pub(crate) alive: bool,
    /// Parts that do not advance, for people.
    stalls: Vec<String>,
}

impl From<&Liveness> for HealthBody {
    fn from(liveness: &Liveness) -> Self {
        Self { alive: liveness.is_alive(), stalls: liveness.stalls.iter().map(ToString::to_string).collect() }
    }
}

/// `/ready`: readiness, component by component. Status 200 if ready, else 503.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadyBody<'a> {
    /// True while every component and every required source is ready.
    pub(crate) ready: bool,
    /// Absent without the token.
    #[schema(required = false)]
    components: BTreeMap<&'static str, ComponentBody<'a>>,
    /// Absent without the token.
    #[schema(required = false)]
    sources: BTreeMap<&'a str, SourceReadinessBody<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ComponentBody<'a> {
    ready: bool,
    detail: &'a str,
}

#[derive(Debug, Serialize, ToSchema)]
struct SourceReadinessBody<'a> {
    ready: bool,
    required: bool,
    health: &'static str,
    detail: &'a str,
}

impl<'a> From<&'a Readiness> for ReadyBody<'a> {
    fn from(readiness: &'a Readiness) -> Self {
        let Readiness { model, mqtt, log, sources } = readiness;
        let components = [("model", Some(model)), ("mqtt", mqtt.as_ref()), ("log", log.as_ref())];
        let component = |(name, component): (&'static str, Option<&'a ComponentReadiness>)| {
            component
                .map(|ComponentReadiness { ready, detail }| (name, ComponentBody { ready: *ready, detail }))
        };
        let source = |source: &'a SourceReadiness| {
            let SourceReadiness { name, ready, required, health, detail } = source;
            let body =
                SourceReadinessBody { ready: *ready, required: *required, health: health.as_str(), detail };
            (&**name, body)
        };
        Self {
            ready: readiness.is_ready(),
            components: components.into_iter().filter_map(component).collect(),
            sources: sources.iter().map(source).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sink::samples;

    #[test]
    fn readiness_names_each_component() {
        let readiness = samples::status().readiness();
        let body = serde_json::to_value(ReadyBody::from(&readiness)).unwrap();
        let expected = serde_json::json!({
            "ready": false,
            "components": {
                "model": { "ready": true, "detail": "`base` is verified" },
                "mqtt": { "ready": false, "detail": "not connected; 0 events wait" },
            },
            "sources": { "fm1": {
                "ready": false, "required": true, "health": "recovering", "detail": "connection refused",
            } },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn health_names_what_hangs() {
        let (status, now) = (samples::status(), Instant::now());
        let alive = serde_json::to_value(HealthBody::from(&status.liveness(now))).unwrap();
        assert_eq!(alive, serde_json::json!({ "alive": true, "stalls": [] }));
        status.inference.working.mark(now);
        let stuck = HealthBody::from(&status.liveness(now + Duration::from_millis(60_500)));
        assert!(!stuck.alive);
        assert_eq!(stuck.stalls, ["inference has not advanced for 60 s"]);
    }
}
