//! Home Assistant entities of a source and of the node.

use serde_json::{Map, Value, json};

use crate::event::{DaemonInfo, EventType, SourceState};
use crate::sink::mqtt::last_will::{OFFLINE, ONLINE};
use crate::sink::topics::Topics;

/// Key, platform and settings of an entity.
pub(super) type DiscoveryEntity = (&'static str, &'static str, Map<String, Value>);

/// Keys and platforms of the entities of a source; [`source_entities`] has their settings.
pub(super) const SOURCE_ENTITIES: [(&str, &str); 7] = [
    ("genre", "sensor"),
    ("confidence", "sensor"),
    ("dead_air", "binary_sensor"),
    ("loudness", "sensor"),
    ("music_share", "sensor"),
    ("speech_share", "sensor"),
    ("changed", "event"),
];

/// Keys and platforms of the entities of the node.
pub(super) const NODE_ENTITIES: [(&str, &str); 1] = [("connectivity", "binary_sensor")];

/// Entities of a source. Values expire after `expire_after` seconds without a state.
pub(super) fn source_entities(
    topics: &Topics,
    info: &DaemonInfo,
    source: &str,
    expire_after: u64,
) -> Vec<DiscoveryEntity> {
    let states = SourceState::ALL.iter().filter(|state| **state != SourceState::Music);
    let states = states.map(|state| state.as_str());
    let options: Vec<&str> = info.labels.iter().map(|label| &**label).chain(states).collect();
    let event_types: Vec<&str> = EventType::ALL.iter().map(|event| event.as_str()).collect();
    // Entities that report the loss of audio, and therefore stay available without audio.
    let node_only = json!([{ "topic": topics.status() }]);
    let share = |name: &str, icon: &str, key: &str| {
        json!({
            "name": name,
            "icon": icon,
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "suggested_display_precision": 0,
            "state_topic": topics.of_source(source, "attributes"),
            "value_template":
                format!("{{{{ (value_json.{key} * 100) | round(1) if value_json.{key} is number else None }}}}"),
        })
    };
    // In the order of `SOURCE_ENTITIES`; the type requires one for each.
    let settings: [Value; SOURCE_ENTITIES.len()] = [
        json!({
            "name": "Genre",
            "icon": "mdi:music",
            "device_class": "enum",
            "options": options,
            "value_template": "{{ value_json.genre }}",
            "json_attributes_topic": topics.of_source(source, "attributes"),
            "availability": node_only,
        }),
        json!({
            "name": "Confidence",
            "icon": "mdi:gauge",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "suggested_display_precision": 0,
            "expire_after": expire_after,
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
            "expire_after": expire_after,
            "value_template": "{{ value_json.lufs_s }}",
        }),
        share("Music in the last hour", "mdi:music-circle", "music_share_1h"),
        share("Speech in the last hour", "mdi:account-voice", "speech_share_1h"),
        json!({
            "name": "Changed",
            "icon": "mdi:swap-horizontal",
            "state_topic": topics.of_source(source, "event"),
            "event_types": event_types,
            "availability": node_only,
        }),
    ];
    let with_ids =
        |((key, platform), settings)| (key, platform, entity(topics, Some(source), key, platform, settings));
    SOURCE_ENTITIES.into_iter().zip(settings).map(with_ids).collect()
}

/// Entities of the node.
pub(super) fn node_entities(topics: &Topics) -> Vec<DiscoveryEntity> {
    let settings = json!({
        "name": "Connectivity",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "payload_on": ONLINE,
        "payload_off": OFFLINE,
    });
    let [(key, platform)] = NODE_ENTITIES;
    vec![(key, platform, entity(topics, None, key, platform, settings))]
}

/// Adds the ids of the entity to `settings`.
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

/// The entity as a component of a device message.
pub(super) fn component(platform: &str, entity: Map<String, Value>) -> Value {
    let mut component = object(json!({ "platform": platform }));
    component.extend(entity);
    component.into()
}

/// `sensor.den_fm1_genre`; Home Assistant takes lower case, digits and single underscores.
pub(super) fn entity_id(node: &str, source: Option<&str>, key: &str, platform: &str) -> String {
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
pub(super) fn device_id(topics: &Topics, source: Option<&str>) -> String {
    match source {
        Some(source) => format!("genred_{}__{source}", topics.node()),
        None => format!("genred_{}", topics.node()),
    }
}

/// The object that `value` is; empty if it is none.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
