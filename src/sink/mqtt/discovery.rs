//! What Home Assistant is told of the entities, and in which order when something in it changed. Pure.
//!
//! The forms are those of its MQTT integration: one message a device, or ("legacy") one an entity. Both give the
//! same entities the same `unique_id`s, so that one form can follow the other.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::config::{DiscoveryStyle, MqttConfig};
use super::publication::{Publication, encode};
use crate::sink::payload::{EVENT_TYPES, Info, STATES, SourceInfo, State};
use crate::sink::topics::Topics;

/// How entities are announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// In which form, if at all.
    pub style: DiscoveryStyle,
    /// First level, or levels, of the topics.
    pub prefix: Arc<str>,
    /// Whether `settings` are published.
    pub control: bool,
    /// Seconds without a `state` after which values count as unknown: three heartbeats.
    pub expire_after: u64,
}

/// What the broker kept of an earlier run under this node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Predecessor {
    /// Names of its sources.
    pub sources: Vec<Arc<str>>,
    /// Its labels.
    pub labels: Vec<Arc<str>>,
    /// Whether it announced devices.
    pub device: bool,
    /// Whether it announced single entities.
    pub legacy: bool,
}

/// Retained messages, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Once, first.
    pub before: Vec<Publication>,
    /// At every connection, and whenever Home Assistant starts.
    pub announcements: Vec<Publication>,
    /// Once, then.
    pub after: Vec<Publication>,
}

/// One entity: its key, platform, and settings.
type Entity = (&'static str, &'static str, Map<String, Value>);

/// Keys and platforms of a source's entities.
const OF_SOURCE: [(&str, &str); 5] = [
    ("genre", "sensor"),
    ("confidence", "sensor"),
    ("dead_air", "binary_sensor"),
    ("loudness", "sensor"),
    ("changed", "event"),
];

/// Those of the node.
const OF_NODE: [(&str, &str); 1] = [("connectivity", "binary_sensor")];

/// Announcements of a source, or of the node.
type TopicsOf = fn(&Discovery, &Topics, Option<&str>) -> Vec<String>;

/// Topics of a source whose newest message is kept by the broker.
const KEPT: [&str; 4] = ["availability", "state", "attributes", "settings"];

impl Discovery {
    /// As it is configured.
    pub fn of(config: &MqttConfig) -> Self {
        Self {
            style: config.discovery,
            prefix: Arc::clone(&config.discovery_prefix),
            control: config.control,
            expire_after: (3.0 * config.heartbeat.as_secs_f64()).ceil() as u64,
        }
    }

    /// What is to be published, given what was there before.
    pub fn plan(&self, topics: &Topics, info: &Info, before: &Predecessor) -> Plan {
        let names: Vec<&str> = info.sources.iter().map(|source| &*source.name).collect();
        let (kept, gone): (Vec<&str>, Vec<&str>) =
            before.sources.iter().map(|name| &**name).partition(|name| names.contains(name));
        let mut plan = Plan { announcements: self.announcements(topics, info), ..Plan::default() };
        // Entities that stay are handed over from one form to the other.
        let (left_device, left_legacy) = match self.style {
            DiscoveryStyle::Device => (false, before.legacy),
            DiscoveryStyle::Legacy => (before.device, false),
            DiscoveryStyle::Off => (before.device, before.legacy),
        };
        // A sensor must not hold a value that its new options lack.
        if self.style != DiscoveryStyle::Off && !before.labels.is_empty() && before.labels != info.labels {
            let sources = info.sources.iter().filter(|source| kept.contains(&&*source.name));
            plan.before.extend(sources.map(|source| uncertain(topics, info, source)));
        }
        let mut erased: Vec<String> = Vec::new();
        for (left, was, topics_of) in [
            (left_device, before.device, Self::device_topics as TopicsOf),
            (left_legacy, before.legacy, Self::legacy_topics as TopicsOf),
        ] {
            if was {
                erased.extend(gone.iter().flat_map(|source| topics_of(self, topics, Some(source))));
            }
            if !left {
                continue;
            }
            // The node's own topic tells the next start that there is something to do: it goes last.
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
        // Before what takes their place, which else counts as a conflict.
        plan.before.extend(erased.into_iter().map(Publication::erasing));
        let kept_of = |source: &str| KEPT.map(|leaf| topics.of_source(source, leaf));
        plan.after.extend(gone.into_iter().flat_map(kept_of).map(Publication::erasing));
        if !self.control {
            let settings = kept.iter().map(|source| topics.of_source(source, "settings"));
            plan.after.extend(settings.map(Publication::erasing));
        }
        plan
    }

    /// What there is once it has been carried out.
    pub fn leaves(&self, info: &Info) -> Predecessor {
        Predecessor {
            sources: info.sources.iter().map(|source| Arc::clone(&source.name)).collect(),
            labels: info.labels.clone(),
            device: self.style == DiscoveryStyle::Device,
            legacy: self.style == DiscoveryStyle::Legacy,
        }
    }

    /// The topic that holds the node's announcement, and one that only the legacy form has.
    pub fn marks(&self, topics: &Topics) -> [String; 2] {
        let first = |found: Vec<String>| found.into_iter().next().unwrap_or_default();
        [first(self.device_topics(topics, None)), first(self.legacy_topics(topics, None))]
    }

    /// Where Home Assistant says that it has started; `None` where it is told nothing.
    pub fn birth(&self) -> Option<String> {
        (self.style != DiscoveryStyle::Off).then(|| format!("{}/status", self.prefix))
    }

    fn device_topics(&self, topics: &Topics, source: Option<&str>) -> Vec<String> {
        vec![format!("{}/device/{}/config", self.prefix, device_id(topics, source))]
    }

    fn legacy_topics(&self, topics: &Topics, source: Option<&str>) -> Vec<String> {
        let entities = if source.is_some() { &OF_SOURCE[..] } else { &OF_NODE[..] };
        let id = device_id(topics, source);
        entities
            .iter()
            .map(|(key, platform)| format!("{}/{platform}/{id}/{key}/config", self.prefix))
            .collect()
    }

    /// The node comes first: the sources' devices point to it.
    fn announcements(&self, topics: &Topics, info: &Info) -> Vec<Publication> {
        let devices = std::iter::once(None).chain(info.sources.iter().map(Some));
        devices.flat_map(|source| self.device(topics, info, source)).collect()
    }

    /// All messages of one device: the source's, or the node's.
    fn device(&self, topics: &Topics, info: &Info, source: Option<&SourceInfo>) -> Vec<Publication> {
        let name = source.map(|source| &*source.name);
        let mut device = object(json!({
            "identifiers": [device_id(topics, name)],
            "name": source.map_or(format!("genred {}", topics.node()), |source| source.source_name.to_string()),
            "manufacturer": "genred",
            "model": if source.is_some() { "Source" } else { "genred daemon" },
            "sw_version": info.version,
        }));
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
            Some(name) => self.of_source(topics, info, name),
            None => of_node(topics),
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
                let message = |((_, _, entity), topic): (Entity, String)| {
                    let mut message = object(json!({ "device": device, "origin": origin }));
                    message.extend(common.clone());
                    message.extend(entity);
                    Publication::retained(topic, encode(&message))
                };
                entities.map(message).collect()
            }
        }
    }

    fn of_source(&self, topics: &Topics, info: &Info, source: &str) -> Vec<Entity> {
        let options: Vec<&str> = info.labels.iter().map(|label| &**label).chain(STATES).collect();
        // These stay available while no audio arrives: that is what they tell.
        let node_alone = json!([{ "topic": topics.status() }]);
        let settings = [
            json!({
                "name": "Genre",
                "icon": "mdi:music",
                "device_class": "enum",
                "options": options,
                "value_template": "{{ value_json.genre }}",
                "json_attributes_topic": topics.of_source(source, "attributes"),
                "availability": node_alone,
            }),
            json!({
                "name": "Confidence",
                "icon": "mdi:gauge",
                "unit_of_measurement": "%",
                "state_class": "measurement",
                "suggested_display_precision": 0,
                "expire_after": self.expire_after,
                "value_template":
                    "{{ (value_json.confidence * 100) | round(1) if value_json.confidence is number else None }}",
            }),
            json!({
                "name": "Dead air",
                "device_class": "problem",
                "payload_on": "ON",
                "payload_off": "OFF",
                "value_template": "{{ value_json.dead_air }}",
            }),
            json!({
                "name": "Loudness",
                "icon": "mdi:volume-high",
                "unit_of_measurement": "LUFS",
                "state_class": "measurement",
                "suggested_display_precision": 1,
                "entity_category": "diagnostic",
                "enabled_by_default": false,
                "expire_after": self.expire_after,
                "value_template": "{{ value_json.lufs_s }}",
            }),
            json!({
                "name": "Changed",
                "icon": "mdi:swap-horizontal",
                "state_topic": topics.of_source(source, "event"),
                "event_types": EVENT_TYPES,
                "availability": node_alone,
            }),
        ];
        let named = OF_SOURCE.into_iter().zip(settings);
        named
            .map(|((key, platform), settings)| {
                (key, platform, entity(topics, Some(source), key, platform, settings))
            })
            .collect()
    }
}

fn of_node(topics: &Topics) -> Vec<Entity> {
    let settings = json!({
        "name": "Connectivity",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "payload_on": "online",
        "payload_off": "offline",
    });
    let [(key, platform)] = OF_NODE;
    vec![(key, platform, entity(topics, None, key, platform, settings))]
}

/// `settings` with the names by which Home Assistant knows the entity.
fn entity(
    topics: &Topics,
    source: Option<&str>,
    key: &str,
    platform: &str,
    settings: Value,
) -> Map<String, Value> {
    let mut entity = object(json!({
        "unique_id": format!("{}_{key}", device_id(topics, source)),
        "default_entity_id": entity_id(topics.node(), source, key, platform),
    }));
    entity.extend(object(settings));
    entity
}

fn component(platform: &str, entity: Map<String, Value>) -> Value {
    let mut component = object(json!({ "platform": platform }));
    component.extend(entity);
    component.into()
}

/// `sensor.den_fm1_genre`; Home Assistant takes lower case, digits and single underscores.
fn entity_id(node: &str, source: Option<&str>, key: &str, platform: &str) -> String {
    let parts = match source {
        Some(source) => vec![node, source, key],
        None => vec!["genred", node, key],
    };
    let text = parts.join("_").to_ascii_lowercase().replace('-', "_");
    let mut id = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '_' || !id.ends_with('_') {
            id.push(c);
        }
    }
    format!("{platform}.{}", id.trim_matches('_'))
}

/// `genred_<node>`, or `genred_<node>__<source>`: no name holds two underscores.
fn device_id(topics: &Topics, source: Option<&str>) -> String {
    match source {
        Some(source) => format!("genred_{}__{source}", topics.node()),
        None => format!("genred_{}", topics.node()),
    }
}

/// What a source says before anything is known of it.
fn uncertain(topics: &Topics, info: &Info, source: &SourceInfo) -> Publication {
    let state = State {
        run: Arc::clone(&info.run),
        ts: info.started,
        patch: 0,
        state: "uncertain",
        genre: "uncertain".into(),
        confidence: None,
        raw_genre: None,
        raw_confidence: None,
        since: info.started,
        lufs_s: None,
        lufs_m: None,
        true_peak_db: None,
        dead_air: "OFF",
        source: Arc::clone(&source.name),
        source_name: Arc::clone(&source.source_name),
        model: Arc::clone(&info.model),
    };
    Publication::retained(topics.of_source(&source.name, "state"), encode(&state))
}

/// The keys of an object.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
