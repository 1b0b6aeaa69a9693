//! Messages with fixed values, for tests.

use std::sync::Arc;

use jiff::Timestamp;

use super::Message;
use super::payload::trace;
use super::payload::{
    Attributes, Event, EventKind, Info, LabelP, Labelled, MqttStats, Refusal, Settings, SourceInfo,
    SourceStats, State, Stats, Thresholds, Window,
};
use crate::decision::{DecisionConfig, SilenceConfig};

pub const RUN: &str = "0f1e2d3c";

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn state() -> State {
    State {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:07.25Z"),
        patch: 187,
        state: "music",
        genre: "jazz".into(),
        // The nearest single-precision value prints as 0.8299999833106995 in double precision.
        confidence: Some(0.83),
        raw_genre: Some("blues".into()),
        raw_confidence: Some(0.412_345_6),
        since: time("2026-11-03T14:01:59Z"),
        lufs_s: Some(-14.234_567),
        lufs_m: Some(-12.5),
        true_peak_db: None,
        dead_air: "OFF",
        source: "fm1".into(),
        source_name: "FM 1".into(),
        model: "musicnn-msd".into(),
    }
}

pub fn to_jazz() -> EventKind {
    EventKind::GenreChanged { from: "rock".into(), to: "jazz".into(), confidence: Some(0.712_345) }
}

pub fn event(seq: u64, kind: EventKind) -> Event {
    Event { run: RUN.into(), seq, ts: time("2026-11-03T14:01:59Z"), kind }
}

pub fn attributes() -> Attributes {
    let label = |label: &str, p| LabelP { label: label.into(), p };
    Attributes {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:07.25Z"),
        top: vec![label("jazz", 0.83), label("blues", 0.11)],
        tags: vec![label("instrumental", 0.61)],
        title: Some("John Doe - \"Blue\" in Grün".into()),
        model: "musicnn-msd".into(),
        head: "genres".into(),
    }
}

pub fn published() -> trace::Published {
    trace::Published {
        state: "music".into(),
        genre: "rock".into(),
        confidence: Some(0.46),
        since: time("2026-11-03T14:01:59Z"),
    }
}

/// Jazz leads the rock that is held by too little.
pub fn trace() -> trace::Trace {
    let label = |label: &str, p| LabelP { label: label.into(), p };
    let state = |state: &str, share| trace::StateShare { state: state.into(), share };
    trace::Trace {
        ts: time("2026-11-03T14:03:07Z"),
        patch: 186,
        start: 185.984,
        end: 188.976,
        posteriors: vec![label("jazz", 0.41), label("rock", 0.38), label("blues", 0.21)],
        gate: Some(trace::Gate { music: 0.97, speech: 0.02, noise: 0.01 }),
        level: trace::Level {
            lufs_s: -14.23,
            quiet_below: -60.0,
            quiet_s: 0.0,
            after: 2.0,
            dead_air: None,
            tone_s: 0.0,
            repeated_s: 0.0,
        },
        weighed: true,
        sound: trace::Sound {
            age_s: 68.0,
            fit: Some(0.334),
            changing: 0.021,
            states: vec![
                state("jazz", 0.459),
                state("rock", 0.272),
                state("blues", 0.222),
                state("speech", 0.031),
                state("noise", 0.016),
            ],
        },
        choice: Some(trace::Choice {
            held: Some("rock".into()),
            candidate: "jazz".into(),
            against: Some("rock".into()),
            ahead: 0.187,
            needed: 0.25,
            passes: false,
        }),
        held: Some("rock".into()),
        kept_for_s: Some(96.0),
        published: published(),
    }
}

pub fn window() -> Window {
    Window {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:07Z"),
        patch: 186,
        start: 185.984,
        end: 188.976,
        state: "music",
        genre: "jazz".into(),
        confidence: Some(0.83),
        scores: vec![("blues".into(), 0.123_456_79), ("jazz".into(), 0.83), ("rock".into(), 1e-7)],
        lufs_s: -14.234_567,
        lufs_m: -12.5,
        true_peak_db: Some(-1.034_5),
    }
}

pub fn info(sources: usize) -> Info {
    let all = [("fm1", "FM 1", "device:default"), ("kitchen", "Kitchen", "stdin:")];
    Info {
        run: RUN.into(),
        instance: Some("5c3a9e0f7b1d2846".into()),
        version: "0.1.0",
        started: time("2026-11-03T14:00:00Z"),
        model: "musicnn-msd".into(),
        model_sha256: "ab".repeat(32).into(),
        head: "genres".into(),
        labels: ["blues", "jazz", "rock"].map(Into::into).into(),
        execution_provider: "cpu",
        execution_provider_reason: "`cuda` failed: no device".into(),
        lookahead_ms: 0.0,
        hop_s: 1.0,
        sources: all[..sources]
            .iter()
            .map(|(name, source_name, uri)| SourceInfo {
                name: (*name).into(),
                source_name: (*source_name).into(),
                uri: (*uri).into(),
            })
            .collect(),
    }
}

pub fn settings() -> Settings {
    Settings {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:07.25Z"),
        paused: false,
        hop: 1.0,
        thresholds: Thresholds { decision: DecisionConfig::default(), silence: SilenceConfig::default() },
    }
}

pub fn refusal() -> Refusal {
    Refusal {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:07.25Z"),
        key: Some("hop".into()),
        message: "17 is not 0.25 to 3 seconds".into(),
    }
}

pub fn labelled() -> Labelled {
    Labelled {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:07.25Z"),
        id: 12,
        genre: "jazz".into(),
        known: true,
        nearest: None,
        patches: 28,
        quiet: 0,
        start: time("2026-11-03T14:02:37.008Z"),
        end: time("2026-11-03T14:03:07Z"),
        published: "rock".into(),
        confidence: Some(0.712_345),
        contradicts: 0,
        evicted: 0,
    }
}

pub fn stats() -> Stats {
    let source = SourceStats {
        state: "music",
        health: "healthy",
        health_reason: None,
        produced: 188,
        scored: 187,
        dropped: 1,
        skipped_s: Some(0.0),
        xruns: 0,
        reconnects: 0,
        latency_ms_p50: Some(7.512_345),
        latency_ms_p99: None,
    };
    Stats {
        run: RUN.into(),
        ts: time("2026-11-03T14:03:30Z"),
        execution_provider: "cpu",
        realtime_factor: Some(170.123_456_789),
        rss_mb: Some(61.25),
        cpu_cores: Some(0.012_345),
        mqtt: Some(MqttStats { connected: true, reconnects: 2, outbox: 0 }),
        overload: None,
        sources: [("fm1".into(), source)].into(),
    }
}

pub fn state_message() -> Message {
    Message::State { source: "fm1".into(), payload: Arc::new(state()) }
}

pub fn event_message(seq: u64, kind: EventKind) -> Message {
    Message::Event { source: "fm1".into(), payload: Arc::new(event(seq, kind)), cause: None }
}

pub fn window_message(change: impl FnOnce(&mut Window)) -> Message {
    let mut payload = window();
    change(&mut payload);
    Message::Window { source: "fm1".into(), payload: Arc::new(payload), cause: None }
}
