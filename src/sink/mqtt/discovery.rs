//! Home Assistant discovery messages, and their order when entities change. Pure.
//!
//! The forms are those of its MQTT integration: one message per device, or ("legacy") one per
//! entity. Both give an entity the same `unique_id`, so that one form can replace the other.

mod entities;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::config::{DiscoveryStyle, MqttConfig};
use super::publication::{Publication, encode};
use crate::event::{DaemonInfo, NamedVerdict, SourceIdentity, SourceState, StateSnapshot};
use crate::sink::payload::StatePayload;
use crate::sink::topics::Topics;
use entities::{
    DiscoveryEntity, NODE_ENTITIES, SOURCE_ENTITIES, component, device_id, node_entities, object,
    source_entities,
};

/// Parameters of discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// Form of the messages.
    pub(crate) style: DiscoveryStyle,
    /// First level or levels of the topics.
    pub(crate) prefix: Arc<str>,
    /// `settings` are published.
    pub(crate) control: bool,
    /// Seconds without a `state` after which values are unknown: three heartbeats.
    pub(crate) expire_after: u64,
    /// Address of the page, without a slash at its end; `None` if Home Assistant cannot open it.
    pub(crate) page_url: Option<Arc<str>>,
}

/// Retained messages of an earlier run under this node name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PreviousRun {
    /// Names of its sources.
    pub(crate) sources: Vec<Arc<str>>,
    /// Its labels.
    pub(crate) labels: Vec<Arc<str>>,
    /// There are messages per device.
    pub(crate) device: bool,
    /// There are messages per entity.
    pub(crate) legacy: bool,
}

/// Retained messages, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DiscoveryPlan {
    /// Published once, first.
    pub(crate) before: Vec<Publication>,
    /// Published on every connection, and when Home Assistant starts.
    pub(crate) announcements: Vec<Publication>,
    /// Published once, last.
    pub(crate) after: Vec<Publication>,
}

/// Function that returns the discovery topics of a source, or of the node.
type DiscoveryTopics = fn(&Discovery, &Topics, Option<&str>) -> Vec<String>;

/// Retained topics of a source.
const RETAINED_LEAVES: [&str; 4] = ["availability", "state", "attributes", "settings"];

impl Discovery {
    pub(crate) fn of(config: &MqttConfig) -> Self {
        Self {
            style: config.discovery,
            prefix: Arc::clone(&config.discovery_prefix),
            control: config.control,
            expire_after: (3.0 * config.heartbeat.as_secs_f64()).ceil() as u64,
            page_url: config.page_url.clone(),
        }
    }

    /// Plans the messages that lead from `before` to `info`.
    pub(crate) fn plan(&self, topics: &Topics, info: &DaemonInfo, before: &PreviousRun) -> DiscoveryPlan {
        let names: Vec<&str> = info.sources.iter().map(|source| &*source.name).collect();
        let (kept, gone): (Vec<&str>, Vec<&str>) =
            before.sources.iter().map(|name| &**name).partition(|name| names.contains(name));
        let mut plan =
            DiscoveryPlan { announcements: self.announcements(topics, info), ..DiscoveryPlan::default() };
        // Entities that remain are migrated from one form to the other.
        let (left_device, left_legacy) = match self.style {
            DiscoveryStyle::Device => (false, before.legacy),
            DiscoveryStyle::Legacy => (before.device, false),
            DiscoveryStyle::Off => (before.device, before.legacy),
        };
        // A sensor must not hold a value that its new options lack.
        if self.style != DiscoveryStyle::Off && !before.labels.is_empty() && before.labels != info.labels {
            let sources = info.sources.iter().filter(|source| kept.contains(&&*source.name));
            plan.before.extend(sources.map(|source| uncertain_state(topics, info, source)));
        }
        let mut erased: Vec<String> = Vec::new();
        for (left, was, topics_of) in [
            (left_device, before.device, Self::device_topics as DiscoveryTopics),
            (left_legacy, before.legacy, Self::legacy_topics as DiscoveryTopics),
        ] {
            if was {
                erased.extend(gone.iter().flat_map(|source| topics_of(self, topics, Some(source))));
            }
            if !left {
                continue;
            }
            // The topic of the node goes last: while it exists, the next start repeats the
            // migration.
            let stay = kept.iter().copied().map(Some).chain(std::iter::once(None));
            let stay: Vec<String> = stay.flat_map(|source| topics_of(self, topics, source)).collect();
            if self.style != DiscoveryStyle::Off {
                let hand_over = br#"{"migrate_discovery":true}"#;
                plan.before.extend(
                    stay.iter().map(|topic| Publication::retained(topic.clone(), hand_over.to_vec())),
                );
            }
            erased.extend(stay);
        }
        // Erased before their replacements, which Home Assistant would report as conflicts.
        plan.before.extend(erased.into_iter().map(Publication::erasing));
        let retained_of = |source: &str| RETAINED_LEAVES.map(|leaf| topics.of_source(source, leaf));
        plan.after.extend(gone.into_iter().flat_map(retained_of).map(Publication::erasing));
        if !self.control {
            let settings = kept.iter().map(|source| topics.of_source(source, "settings"));
            plan.after.extend(settings.map(Publication::erasing));
        }
        plan
    }

    /// Retained messages after the plan has been published.
    pub(crate) fn result(&self, info: &DaemonInfo) -> PreviousRun {
        PreviousRun {
            sources: info.sources.iter().map(|source| Arc::clone(&source.name)).collect(),
            labels: info.labels.clone(),
            device: self.style == DiscoveryStyle::Device,
            legacy: self.style == DiscoveryStyle::Legacy,
        }
    }

    /// Topics whose retained messages show the form of earlier announcements: device and legacy.
    pub(crate) fn marker_topics(&self, topics: &Topics) -> [String; 2] {
        let first = |found: Vec<String>| found.into_iter().next().unwrap_or_default();
        [first(self.device_topics(topics, None)), first(self.legacy_topics(topics, None))]
    }

    /// Topic of the birth message of Home Assistant; `None` without discovery.
    pub(crate) fn birth_topic(&self) -> Option<String> {
        (self.style != DiscoveryStyle::Off).then(|| format!("{}/status", self.prefix))
    }

    fn device_topics(&self, topics: &Topics, source: Option<&str>) -> Vec<String> {
        vec![format!("{}/device/{}/config", self.prefix, device_id(topics, source))]
    }

    fn legacy_topics(&self, topics: &Topics, source: Option<&str>) -> Vec<String> {
        let entities = if source.is_some() { &SOURCE_ENTITIES[..] } else { &NODE_ENTITIES[..] };
        let id = device_id(topics, source);
        entities
            .iter()
            .map(|(key, platform)| format!("{}/{platform}/{id}/{key}/config", self.prefix))
            .collect()
    }

    /// Discovery messages; the node comes first, because the devices of the sources refer to it.
    fn announcements(&self, topics: &Topics, info: &DaemonInfo) -> Vec<Publication> {
        let devices = std::iter::once(None).chain(info.sources.iter().map(Some));
        devices.flat_map(|source| self.device(topics, info, source)).collect()
    }

    /// Messages of one device: a source, or the node.
    fn device(
        &self,
        topics: &Topics,
        info: &DaemonInfo,
        source: Option<&SourceIdentity>,
    ) -> Vec<Publication> {
        let name = source.map(|source| &*source.name);
        let mut device = object(json!({
            "identifiers": [device_id(topics, name)],
            "name": source.map_or(format!("genred {}", topics.node()), |source| source.display_name.to_string()),
            "manufacturer": "genred",
            "model": if source.is_some() { "Source" } else { "genred daemon" },
            "sw_version": info.version,
        }));
        if let Some(page) = &self.page_url {
            let path = name.map_or("/".to_owned(), |name| format!("/s/{name}"));
            device.insert("configuration_url".into(), format!("{page}{path}").into());
        }
        if source.is_some() {
            device.insert("via_device".into(), device_id(topics, None).into());
        }
        let origin = json!({ "name": "genred", "sw_version": info.version });
        let common = match name {
            Some(name) => object(json!({
                "availability": [{ "topic": topics.status() }, { "topic": topics.of_source(name, "availability") }],
                "availability_mode": "all",
                "qos": 1,
                "state_topic": topics.of_source(name, "state"),
            })),
            None => object(json!({ "qos": 1, "state_topic": topics.status() })),
        };
        let entities = match name {
            Some(name) => source_entities(topics, info, name, self.expire_after),
            None => node_entities(topics),
        };
        match self.style {
            DiscoveryStyle::Off => Vec::new(),
            DiscoveryStyle::Device => {
                let components: Map<String, Value> = entities
                    .into_iter()
                    .map(|(key, platform, entity)| (key.to_owned(), component(platform, entity)))
                    .collect();
                let mut message = object(json!({ "device": device, "origin": origin }));
                message.extend(common);
                message.insert("components".into(), components.into());
                let topic = self.device_topics(topics, name).remove(0);
                vec![Publication::retained(topic, encode(&message))]
            }
            DiscoveryStyle::Legacy => {
                let entities = entities.into_iter().zip(self.legacy_topics(topics, name));
                let message = |((_, _, entity), topic): (DiscoveryEntity, String)| {
                    let mut message = object(json!({ "device": device, "origin": origin }));
                    message.extend(common.clone());
                    message.extend(entity);
                    Publication::retained(topic, encode(&message))
                };
                entities.map(message).collect()
            }
        }
    }
}

/// State of a source before its first patch.
fn uncertain_state(topics: &Topics, info: &DaemonInfo, source: &SourceIdentity) -> Publication {
    let state = StateSnapshot {
        run: Arc::clone(&info.run),
        at: info.started,
        patches: 0,
        published: NamedVerdict::of_state(SourceState::Uncertain),
        newest: None,
        since: info.started,
        level: None,
        dead_air: false,
        source: Arc::clone(&source.name),
        display_name: Arc::clone(&source.display_name),
        model: Arc::clone(&info.model),
    };
    Publication::retained(topics.of_source(&source.name, "state"), encode(&StatePayload::from(&state)))
}

#[cfg(test)]
mod tests;
