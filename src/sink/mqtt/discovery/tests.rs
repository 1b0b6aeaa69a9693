use super::entities::entity_id;
use super::*;
use crate::event::{DeadAirCause, SourceEvent};
use crate::sink::payload::EventPayload;
use crate::sink::samples;

fn topics() -> Topics {
    Topics::new("genred".into(), "den".into())
}

fn discovery(style: DiscoveryStyle) -> Discovery {
    Discovery { style, prefix: "homeassistant".into(), control: true, expire_after: 30, page_url: None }
}

fn json(publication: &Publication) -> Value {
    serde_json::from_slice(&publication.payload).unwrap()
}

fn names(publications: &[Publication]) -> Vec<&str> {
    publications.iter().map(|publication| publication.topic.as_str()).collect()
}

const NODE: &str = "homeassistant/device/genred_den/config";
const FM1: &str = "homeassistant/device/genred_den__fm1/config";
const LEGACY: [&str; 8] = [
    "homeassistant/binary_sensor/genred_den/connectivity/config",
    "homeassistant/sensor/genred_den__fm1/genre/config",
    "homeassistant/sensor/genred_den__fm1/confidence/config",
    "homeassistant/binary_sensor/genred_den__fm1/dead_air/config",
    "homeassistant/sensor/genred_den__fm1/loudness/config",
    "homeassistant/sensor/genred_den__fm1/music_share/config",
    "homeassistant/sensor/genred_den__fm1/speech_share/config",
    "homeassistant/event/genred_den__fm1/changed/config",
];

#[test]
fn a_device_and_its_entities_in_one_message() {
    let plan = discovery(DiscoveryStyle::Device).plan(&topics(), &samples::info(1), &PreviousRun::default());
    assert!(plan.before.is_empty() && plan.after.is_empty());
    assert_eq!(names(&plan.announcements), [NODE, FM1], "the node first: its sources point to it");
    assert!(plan.announcements.iter().all(|message| message.retain && message.qos == 1));
    let messages: Vec<Value> = plan.announcements.iter().map(json).collect();
    insta::assert_snapshot!("device", serde_json::to_string_pretty(&messages).unwrap());
    assert!(!messages[1].to_string().contains("  "));
}

#[test]
fn an_entity_a_message_says_the_same() {
    let (topics, info) = (topics(), samples::info(1));
    let plan = discovery(DiscoveryStyle::Legacy).plan(&topics, &info, &PreviousRun::default());
    assert_eq!(names(&plan.announcements), LEGACY);
    let device = discovery(DiscoveryStyle::Device).plan(&topics, &info, &PreviousRun::default());
    let source = json(&device.announcements[1]);
    for message in &plan.announcements[1..] {
        let message = json(message);
        let (_, component) = source["components"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, component)| component["unique_id"] == message["unique_id"])
            .unwrap();
        // A key at the root applies to every component without that key.
        for (key, value) in source.as_object().unwrap().iter().filter(|(key, _)| *key != "components") {
            assert_eq!(message[key], *component.get(key).unwrap_or(value), "{key}");
        }
        for (key, value) in component.as_object().unwrap().iter().filter(|(key, _)| *key != "platform") {
            assert_eq!(message[key], *value, "{key}");
        }
    }
}

#[test]
fn every_genre_and_event_is_listed() {
    let plan = discovery(DiscoveryStyle::Device).plan(&topics(), &samples::info(1), &PreviousRun::default());
    let components = &json(&plan.announcements[1])["components"];
    let options = components["genre"]["options"].as_array().unwrap();
    for genre in ["blues", "jazz", "rock", "speech", "silence", "noise", "uncertain", "lost"] {
        assert!(options.contains(&genre.into()), "{genre}");
    }
    let types = components["changed"]["event_types"].as_array().unwrap();
    for kind in [
        samples::to_jazz(),
        SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence },
        SourceEvent::DeadAirEnded,
        SourceEvent::SourceLost { reason: None },
        SourceEvent::SourceRecovered,
        SourceEvent::EventsDropped { count: None },
    ] {
        let event = serde_json::to_value(EventPayload::from(&samples::event(1, kind))).unwrap();
        assert!(types.contains(&event["event_type"]), "{event}");
    }
}

#[test]
fn entity_ids_are_such_as_home_assistant_takes() {
    assert_eq!(entity_id("den", Some("fm1"), "genre", "sensor"), "sensor.den_fm1_genre");
    assert_eq!(
        entity_id("Den-2", Some("_FM-1"), "dead_air", "binary_sensor"),
        "binary_sensor.den_2_fm_1_dead_air"
    );
    assert_eq!(
        entity_id("den", None, "connectivity", "binary_sensor"),
        "binary_sensor.genred_den_connectivity"
    );
}

/// Retained messages of an earlier run with the sources `fm1` and `attic`.
fn before(device: bool, legacy: bool) -> PreviousRun {
    let labels = samples::info(1).labels;
    PreviousRun { sources: vec!["fm1".into(), "attic".into()], labels, device, legacy }
}

const KEPT_OF_ATTIC: [&str; 4] = [
    "genred/den/attic/availability",
    "genred/den/attic/state",
    "genred/den/attic/attributes",
    "genred/den/attic/settings",
];

#[test]
fn a_source_that_is_gone_is_removed() {
    let plan = discovery(DiscoveryStyle::Device).plan(&topics(), &samples::info(1), &before(true, false));
    // The entities first: an empty state would be invalid for them.
    assert_eq!(names(&plan.before), ["homeassistant/device/genred_den__attic/config"]);
    assert_eq!(names(&plan.after), KEPT_OF_ATTIC);
    assert!(
        plan.before.iter().chain(&plan.after).all(|message| message.retain && message.payload.is_empty())
    );
    // Each legacy entity is a message of its own.
    let plan = discovery(DiscoveryStyle::Legacy).plan(&topics(), &samples::info(1), &before(false, true));
    assert_eq!((plan.before.len(), plan.after.len()), (7, 4));
}

#[test]
fn settings_are_not_left_behind_when_there_is_no_control() {
    let discovery = Discovery { control: false, ..discovery(DiscoveryStyle::Device) };
    let plan = discovery.plan(&topics(), &samples::info(1), &before(true, false));
    assert_eq!(names(&plan.after).last(), Some(&"genred/den/fm1/settings"));
}

#[test]
fn entities_are_handed_over_from_one_form_to_the_other() {
    let hand_over = json!({ "migrate_discovery": true });
    let is_empty = |message: &Publication| message.payload.is_empty();
    let to_device =
        discovery(DiscoveryStyle::Device).plan(&topics(), &samples::info(1), &before(false, true));
    let stay = [&LEGACY[1..], &LEGACY[..1]].concat();
    assert_eq!(names(&to_device.before[..8]), stay);
    assert!(to_device.before[..8].iter().all(|message| json(message) == hand_over));
    // First the seven of `attic`, then these; the topic of the node, which marks an incomplete
    // migration, is last.
    assert_eq!(to_device.before.len(), 8 + 7 + 8);
    assert_eq!(names(&to_device.before[15..]), stay);
    assert!(to_device.before[8..].iter().all(is_empty));
    assert_eq!(names(&to_device.announcements), [NODE, FM1]);
    let to_legacy =
        discovery(DiscoveryStyle::Legacy).plan(&topics(), &samples::info(1), &before(true, false));
    let attic = "homeassistant/device/genred_den__attic/config";
    assert_eq!(names(&to_legacy.before), [FM1, NODE, attic, FM1, NODE]);
    assert!(to_legacy.before[..2].iter().all(|message| json(message) == hand_over));
    assert!(to_legacy.before[2..].iter().all(is_empty));
    assert_eq!(names(&to_legacy.after), KEPT_OF_ATTIC);
    let off = discovery(DiscoveryStyle::Off).plan(&topics(), &samples::info(1), &before(true, false));
    assert!(off.announcements.is_empty());
    assert_eq!(names(&off.before), [attic, FM1, NODE]);
    assert!(off.before.iter().chain(&off.after).all(is_empty));
}

#[test]
fn other_labels_begin_with_uncertain() {
    let mut old = before(true, false);
    old.labels.pop();
    let plan = discovery(DiscoveryStyle::Device).plan(&topics(), &samples::info(2), &old);
    assert_eq!(names(&plan.before)[0], "genred/den/fm1/state");
    assert!(!names(&plan.before).contains(&"genred/den/kitchen/state"), "the kitchen is new");
    let state = json(&plan.before[0]);
    assert_eq!((&state["genre"], &state["source_name"]), (&"uncertain".into(), &"FM 1".into()));
    assert_eq!(
        state.as_object().unwrap().len(),
        serde_json::to_value(StatePayload::from(&samples::state())).unwrap().as_object().unwrap().len()
    );
}

#[test]
fn devices_link_to_their_pages() {
    let discovery = Discovery {
        page_url: Some("https://radio.example/genred".into()),
        ..discovery(DiscoveryStyle::Device)
    };
    let plan = discovery.plan(&topics(), &samples::info(1), &PreviousRun::default());
    let links: Vec<Value> = plan
        .announcements
        .iter()
        .map(|message| json(message)["device"]["configuration_url"].clone())
        .collect();
    assert_eq!(links, ["https://radio.example/genred/", "https://radio.example/genred/s/fm1"]);
}

#[test]
fn without_an_address_there_is_no_link() {
    let plan = discovery(DiscoveryStyle::Device).plan(&topics(), &samples::info(1), &PreviousRun::default());
    assert!(
        plan.announcements.iter().all(|message| json(message)["device"].get("configuration_url").is_none())
    );
}
