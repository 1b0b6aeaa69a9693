use super::*;
use crate::event::{
    Channel, DaemonInfo, DaemonStats, DeadAirCause, EventType, NamedVerdict, NumberedEvent, SourceAttributes,
    SourceEvent, SourceState, StateSnapshot, WindowResult,
};
use crate::sink::samples;

fn json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).unwrap()
}

fn state_json(state: &StateSnapshot) -> String {
    json(&StatePayload::from(state))
}

fn event_json(event: &NumberedEvent) -> String {
    json(&EventPayload::from(event))
}

fn attributes_json(attributes: &SourceAttributes) -> String {
    json(&AttributesPayload::from(attributes))
}

fn window_json(window: &WindowResult) -> String {
    json(&WindowPayload::from(window))
}

fn info_json(info: &DaemonInfo) -> String {
    json(&InfoPayload::from(info))
}

fn stats_json(stats: &DaemonStats) -> String {
    json(&StatsPayload::from(stats).with_connection(samples::connection()))
}

fn settings_json() -> String {
    json(&SettingsPayload::from(&samples::settings()))
}

fn refusal_json() -> String {
    json(&RefusalPayload::from(&samples::refusal()))
}

#[test]
fn state() {
    insta::assert_snapshot!(state_json(&samples::state()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","patch":187,"state":"music","genre":"jazz","confidence":0.83,"raw_genre":"blues","raw_confidence":0.4123,"since":"2026-11-03T14:01:59.000Z","lufs_s":-14.23,"lufs_m":-12.5,"true_peak_db":null,"dead_air":"OFF","source":"fm1","source_name":"FM 1","model":"musicnn-msd"}"#);
    let lost = StateSnapshot {
        published: NamedVerdict::of_state(SourceState::Lost),
        newest: None,
        level: None,
        dead_air: true,
        ..samples::state()
    };
    insta::assert_snapshot!(state_json(&lost), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","patch":187,"state":"lost","genre":"lost","confidence":null,"raw_genre":null,"raw_confidence":null,"since":"2026-11-03T14:01:59.000Z","lufs_s":null,"lufs_m":null,"true_peak_db":null,"dead_air":"ON","source":"fm1","source_name":"FM 1","model":"musicnn-msd"}"#);
}

#[test]
fn event() {
    insta::assert_snapshot!(event_json(&samples::event(1, samples::to_jazz())), @r#"{"run":"0f1e2d3c","seq":1,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"rock","to":"jazz","confidence":0.7123}"#);
    let others = [
        SourceEvent::GenreChanged { from: "jazz".into(), to: "silence".into(), confidence: None },
        SourceEvent::GenreChanged { from: "speech".into(), to: "noise".into(), confidence: None },
        SourceEvent::DeadAirStarted { cause: DeadAirCause::Silence },
        SourceEvent::DeadAirEnded,
        SourceEvent::SourceLost { reason: Some("`http://a/b` ended".into()) },
        SourceEvent::SourceLost { reason: None },
        SourceEvent::SourceRecovered,
        SourceEvent::OffFormatStarted,
        SourceEvent::OffFormatEnded,
        SourceEvent::TalkLimitStarted,
        SourceEvent::TalkLimitEnded,
        SourceEvent::ImbalanceStarted { quiet: Channel::Right, balance_db: 31.259 },
        SourceEvent::ImbalanceEnded,
        SourceEvent::StreamSlowStarted { rate: 0.4961 },
        SourceEvent::StreamSlowEnded,
        SourceEvent::EventsDropped { count: Some(17) },
    ];
    for event_type in EventType::ALL {
        assert!(others.iter().any(|event| event.event_type() == *event_type), "{event_type:?}");
    }
    let lines: Vec<String> = others.map(|kind| event_json(&samples::event(2, kind))).into();
    insta::assert_snapshot!(lines.join("\n"), @r#"
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"jazz","to":"silence","confidence":null}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"speech","to":"noise","confidence":null}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"dead_air_started","reason":"silence"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"dead_air_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"source_lost","reason":"`http://a/b` ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"source_lost","reason":null}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"source_recovered"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"off_format_started"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"off_format_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"talk_limit_started"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"talk_limit_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"imbalance_started","quiet":"right","balance_db":31.26}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"imbalance_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"stream_slow_started","rate":0.5}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"stream_slow_ended"}
{"run":"0f1e2d3c","seq":2,"ts":"2026-11-03T14:01:59.000Z","event_type":"events_dropped","count":17}
"#);
}

#[test]
fn attributes() {
    insta::assert_snapshot!(attributes_json(&samples::attributes()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","top":[{"label":"jazz","p":0.83},{"label":"blues","p":0.11}],"tags":[{"label":"instrumental","p":0.61}],"music_share_1h":0.75,"speech_share_1h":0.2,"title":"John Doe - \"Blue\" in Grün","model":"musicnn-msd","head":"genres"}"#);
}

#[test]
fn window() {
    insta::assert_snapshot!(window_json(&samples::window()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.000Z","patch":186,"start":185.984,"end":188.976,"state":"music","genre":"jazz","confidence":0.83,"scores":{"blues":0.12345679,"jazz":0.83,"rock":1e-7},"lufs_s":-14.23,"lufs_m":-12.5,"true_peak_db":-1.03}"#);
}

#[test]
fn info() {
    insta::assert_snapshot!(info_json(&samples::info(1)), @r#"{"run":"0f1e2d3c","instance":"5c3a9e0f7b1d2846","version":"0.1.0","started":"2026-11-03T14:00:00.000Z","model":"musicnn-msd","model_sha256":"abababababababababababababababababababababababababababababababab","head":"genres","labels":["blues","jazz","rock"],"execution_provider":"cpu","execution_provider_reason":"`cuda` failed: no device","lookahead_ms":0.0,"hop_s":1.0,"sources":[{"name":"fm1","source_name":"FM 1","uri":"device:default"}]}"#);
}

#[test]
fn stats() {
    insta::assert_snapshot!(stats_json(&samples::stats()), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:30.000Z","execution_provider":"cpu","realtime_factor":170.123,"rss_mb":61.25,"cpu_cores":0.012,"mqtt":{"connected":true,"reconnects":2,"outbox":0},"overload":null,"sources":{"fm1":{"state":"music","health":"healthy","health_reason":null,"produced":188,"scored":187,"dropped":1,"skipped_s":0.0,"xruns":0,"reconnects":0,"latency_ms_p50":7.512,"latency_ms_p99":null}}}"#);
}

#[test]
fn settings_and_refusal() {
    insta::assert_snapshot!(settings_json(), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","paused":false,"hop":1.0,"thresholds":{"decision":{"expected_piece_s":300.0,"switch_margin":0.25,"hold_s":120.0},"silence":{"threshold_lufs":-60.0,"after":2.0}}}"#);
    insta::assert_snapshot!(refusal_json(), @r#"{"run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","key":"hop","message":"17 is not 0.25 to 3 seconds"}"#);
}

#[test]
fn the_documentation_shows_these() {
    let page = include_str!("../../../docs/reference/mqtt.md");
    let info = DaemonInfo { model_sha256: "abab…".into(), ..samples::info(1) };
    let examples = [
        state_json(&samples::state()),
        event_json(&samples::event(1, samples::to_jazz())),
        attributes_json(&samples::attributes()),
        window_json(&samples::window()),
        info_json(&info),
        stats_json(&samples::stats()),
        settings_json(),
        refusal_json(),
    ];
    for example in examples {
        assert!(page.contains(&example), "`docs/reference/mqtt.md` lacks {example}");
    }
}

#[test]
fn no_number_is_nan_or_infinite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let verdict = samples::music("jazz", bad);
        let state =
            StateSnapshot { published: verdict.clone(), newest: Some(verdict.clone()), ..samples::state() };
        let mut window = WindowResult { scores: vec![("jazz".into(), bad)], verdict, ..samples::window() };
        window.span.end = bad.into();
        let stats = DaemonStats { realtime_factor: Some(bad.into()), ..samples::stats() };
        let top = vec![LabelPosterior { label: "jazz".into(), p: bad }];
        let attributes = SourceAttributes { top, ..samples::attributes() };
        for text in
            [state_json(&state), window_json(&window), stats_json(&stats), attributes_json(&attributes)]
        {
            assert!(text.contains(":null"), "{text}");
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }
    for broken in [f32::NEG_INFINITY, f32::NAN] {
        let state = StateSnapshot { level: Some(Level::of_loudness(broken)), ..samples::state() };
        assert!(state_json(&state).contains(r#""lufs_s":-70.0,"#), "{broken}");
    }
}
