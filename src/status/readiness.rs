//! Readiness: every component does its work.

use std::sync::Arc;

use super::{DaemonStatus, SourceCondition};
use crate::event::SourceHealth;

/// Result of [`DaemonStatus::readiness`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Readiness {
    /// The model: ready, because a daemon whose model cannot be verified does not start.
    pub(crate) model: ComponentReadiness,
    /// The MQTT connection; `None` if MQTT is disabled.
    pub(crate) mqtt: Option<ComponentReadiness>,
    /// The as-run log; `None` if it is disabled.
    pub(crate) log: Option<ComponentReadiness>,
    /// The sources, in the order of the configuration.
    pub(crate) sources: Vec<SourceReadiness>,
}

/// Readiness of one component.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ComponentReadiness {
    pub(crate) ready: bool,
    /// Present state, for people.
    pub(crate) detail: String,
}

/// Readiness of one source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceReadiness {
    /// Name, as in topics.
    pub(crate) name: Arc<str>,
    /// True while the source is on air, paused by a command, or finite and at its end.
    pub(crate) ready: bool,
    /// True if the daemon is ready only while this source is.
    pub(crate) required: bool,
    /// Health of the input.
    pub(crate) health: SourceHealth,
    /// Present state, for people.
    pub(crate) detail: String,
}

impl Readiness {
    /// Returns true if every component and every required source is ready.
    pub(crate) fn is_ready(&self) -> bool {
        let optional = [&self.mqtt, &self.log].into_iter().flatten();
        std::iter::once(&self.model).chain(optional).all(|component| component.ready)
            && self.sources.iter().all(|source| source.ready || !source.required)
    }
}

impl DaemonStatus {
    /// Present readiness.
    pub(crate) fn readiness(&self) -> Readiness {
        let component = |ready: bool, detail: String| ComponentReadiness { ready, detail };
        let sources = self.sources.iter().map(|source| {
            let condition = source.condition();
            let (ready, detail) = source_detail(&condition);
            SourceReadiness {
                name: source.name.clone(),
                ready,
                required: source.required,
                health: condition.health,
                detail,
            }
        });
        Readiness {
            model: component(true, format!("`{}` is verified", self.model)),
            mqtt: self.mqtt.as_ref().map(|mqtt| match mqtt.connected.is_set() {
                true => component(true, "connected".into()),
                false => component(false, format!("not connected; {} events wait", mqtt.outbox.get())),
            }),
            log: self.log.as_ref().map(|log| match log.failing.is_set() {
                true => component(false, "cannot be written; see the log of the daemon".into()),
                false => component(true, "writable".into()),
            }),
            sources: sources.collect(),
        }
    }
}

fn source_detail(condition: &SourceCondition) -> (bool, String) {
    let reason = || condition.health_reason.as_deref().unwrap_or(condition.health.as_str()).to_owned();
    match condition {
        SourceCondition { ended: true, health: SourceHealth::Failed, .. } => (false, reason()),
        SourceCondition { ended: true, .. } => (true, "ended".into()),
        SourceCondition { paused: true, .. } => (true, "paused".into()),
        SourceCondition { online: true, .. } => (true, "on air".into()),
        SourceCondition { health: SourceHealth::Starting, .. } => (false, "no audio has arrived yet".into()),
        _ => (false, reason()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SourceStatus;
    use super::*;
    use crate::counters::Moment;

    /// Daemon with MQTT, log, and two required live sources without audio.
    pub(in crate::status) fn daemon() -> DaemonStatus {
        let source = |name: &str| Arc::new(SourceStatus::new(name.into(), true, true));
        DaemonStatus {
            model: "base".into(),
            sources: vec![source("fm1"), source("kitchen")],
            inference: Arc::default(),
            deciding: Moment::default(),
            mqtt: Some(Arc::default()),
            log: Some(Arc::default()),
        }
    }

    fn put_on_air(status: &DaemonStatus) {
        status.mqtt.as_ref().unwrap().connected.set(true);
        for source in &status.sources {
            source.update(|condition| {
                (condition.online, condition.health) = (true, SourceHealth::Healthy);
            });
        }
    }

    #[test]
    fn a_daemon_is_ready_once_every_component_is() {
        let status = daemon();
        let readiness = status.readiness();
        assert!(!readiness.is_ready());
        assert!(readiness.model.ready);
        assert_eq!(readiness.mqtt.unwrap().detail, "not connected; 0 events wait");
        assert_eq!(readiness.sources[0].detail, "no audio has arrived yet");
        put_on_air(&status);
        assert!(status.readiness().is_ready());
    }

    #[test]
    fn each_component_counts() {
        let status = daemon();
        put_on_air(&status);
        status.log.as_ref().unwrap().failing.set(true);
        assert!(!status.readiness().is_ready());
        status.log.as_ref().unwrap().failing.set(false);
        status.mqtt.as_ref().unwrap().connected.set(false);
        assert!(!status.readiness().is_ready());
    }

    #[test]
    fn parts_that_are_disabled_do_not_count() {
        let mut status = daemon();
        put_on_air(&status);
        (status.mqtt, status.log) = (None, None);
        assert!(status.readiness().is_ready());
    }

    #[test]
    fn a_lost_source_says_why() {
        let status = daemon();
        put_on_air(&status);
        status.sources[1].update(|condition| {
            condition.online = false;
            condition.health = SourceHealth::Recovering;
            condition.health_reason = Some("connection refused".into());
        });
        let readiness = status.readiness();
        assert!(!readiness.is_ready() && readiness.sources[0].ready);
        assert_eq!(readiness.sources[1].detail, "connection refused");
    }

    #[test]
    fn a_source_that_is_not_required_does_not_count() {
        let mut status = daemon();
        status.sources[1] = Arc::new(SourceStatus::new("attic".into(), false, true));
        put_on_air(&status);
        status.sources[1].update(|condition| condition.online = false);
        let readiness = status.readiness();
        assert!(readiness.is_ready() && !readiness.sources[1].ready);
    }

    #[test]
    fn what_a_person_or_the_end_of_a_file_stops_is_ready() {
        let status = daemon();
        put_on_air(&status);
        status.sources[0].update(|condition| (condition.online, condition.paused) = (false, true));
        status.sources[1].update(|condition| (condition.online, condition.ended) = (false, true));
        assert!(status.readiness().is_ready());
        status.sources[1].update(|condition| condition.health = SourceHealth::Failed);
        assert!(!status.readiness().is_ready());
    }
}
