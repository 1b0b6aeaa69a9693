//! Messages with fixed values, for tests.

use std::sync::Arc;

use jiff::Timestamp;

use super::payload::ConnectionStats;
use super::payload::trace::{PublishedPayload, TracePayload};
use super::{Message, PatchExplanation, SettingsSnapshot};
use crate::audio::{Level, Patch, PatchSpan, SourceId};
use crate::counters::Moment;
use crate::decision::trace::{DecisionTrace, RankedShare, SegmentTrace};
use crate::decision::{DecisionConfig, LoudnessTrace, Seconds, SilenceConfig, SwitchComparison};
use crate::event::{
    CommandRefusal, DaemonInfo, DaemonStats, GatePosteriors, LabelPosterior, NamedVerdict, NumberedEvent,
    SourceAttributes, SourceEvent, SourceHealth, SourceIdentity, SourceState, SourceStats, StateShares,
    StateSnapshot, StoredCorrection, WindowResult,
};
use crate::settings::SourceSettings;
use crate::status::{DaemonStatus, SourceStatus};

pub(crate) const RUN: &str = "0f1e2d3c";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn music(genre: &str, confidence: f32) -> NamedVerdict {
    NamedVerdict { state: SourceState::Music, genre: genre.into(), confidence: Some(confidence) }
}

pub(crate) fn state() -> StateSnapshot {
    let level = Level { lufs_m: -12.5, ..Level::of_loudness(-14.234_567) };
    StateSnapshot {
        run: RUN.into(),
        at: time("2026-11-03T14:03:07.25Z"),
        patches: 187,
        // The nearest single-precision value prints as 0.8299999833106995 in double precision.
        published: music("jazz", 0.83),
        newest: Some(music("blues", 0.412_345_6)),
        since: time("2026-11-03T14:01:59Z"),
        level: Some(level),
        dead_air: false,
        source: "fm1".into(),
        display_name: "FM 1".into(),
        model: "musicnn-msd".into(),
    }
}

pub(crate) fn to_jazz() -> SourceEvent {
    SourceEvent::GenreChanged { from: "rock".into(), to: "jazz".into(), confidence: Some(0.712_345) }
}

pub(crate) fn event(seq: u64, event: SourceEvent) -> NumberedEvent {
    NumberedEvent { run: RUN.into(), seq, at: time("2026-11-03T14:01:59Z"), event, clip: None }
}

fn labels(ranked: &[(&str, f32)]) -> Vec<LabelPosterior> {
    ranked.iter().map(|(label, p)| LabelPosterior { label: (*label).into(), p: *p }).collect()
}

pub(crate) fn attributes() -> SourceAttributes {
    SourceAttributes {
        run: RUN.into(),
        at: time("2026-11-03T14:03:07.25Z"),
        top: labels(&[("jazz", 0.83), ("blues", 0.11)]),
        tags: labels(&[("instrumental", 0.61)]),
        shares: Some(StateShares { music: 0.75, speech: 0.2 }),
        title: Some("John Doe - \"Blue\" in Grün".into()),
        model: "musicnn-msd".into(),
        head: "genres".into(),
    }
}

pub(crate) fn published() -> PublishedPayload {
    PublishedPayload::new(&music("rock", 0.46), time("2026-11-03T14:01:59Z"))
}

/// Trace line of [`explanation`].
pub(crate) fn trace() -> TracePayload {
    TracePayload::from(&explanation())
}

/// Explanation in which jazz leads the held rock by less than the margin.
pub(crate) fn explanation() -> PatchExplanation {
    const JAZZ: usize = 1;
    const ROCK: usize = 2;
    let shares = [(JAZZ, 0.459), (ROCK, 0.272), (0, 0.222), (3, 0.031), (4, 0.016)];
    let reasons = DecisionTrace {
        level: LoudnessTrace { dead_air: None, quiet_below: -60.0, quiet: Seconds(0.0), after: Seconds(2.0) },
        weighed: true,
        segment: SegmentTrace {
            age: Seconds(68.0),
            fit: Some(0.334),
            changing: 0.021,
            states: shares.map(|(state, share)| RankedShare { state, share }).into(),
        },
        comparison: Some(SwitchComparison {
            held: Some(ROCK),
            candidate: JAZZ,
            against: Some(ROCK),
            ahead: 0.187,
            needed: 0.25,
            passes: false,
        }),
        held: Some(ROCK),
        kept_for: Some(Seconds(96.0)),
    };
    PatchExplanation {
        patch: Patch {
            source: SourceId(0),
            index: 186,
            span: PatchSpan { start: 185.984, end: 188.976 },
            ends_at: time("2026-11-03T14:03:07Z"),
            level: Level::of_loudness(-14.23),
        },
        posteriors: labels(&[("jazz", 0.41), ("rock", 0.38), ("blues", 0.21)]),
        gate: Some(GatePosteriors { music: 0.97, speech: 0.02, noise: 0.01 }),
        reasons,
        state_names: ["blues", "jazz", "rock", "speech", "noise"].map(Into::into).into(),
        published: music("rock", 0.46),
        since: time("2026-11-03T14:01:59Z"),
    }
}

pub(crate) fn window() -> WindowResult {
    WindowResult {
        run: RUN.into(),
        at: time("2026-11-03T14:03:07Z"),
        patch: 186,
        span: PatchSpan { start: 185.984, end: 188.976 },
        verdict: music("jazz", 0.83),
        scores: vec![("blues".into(), 0.123_456_79), ("jazz".into(), 0.83), ("rock".into(), 1e-7)],
        level: Level { lufs_m: -12.5, true_peak_db: Some(-1.034_5), ..Level::of_loudness(-14.234_567) },
    }
}

pub(crate) fn info(sources: usize) -> DaemonInfo {
    let all = [("fm1", "FM 1", "device:default"), ("kitchen", "Kitchen", "stdin:")];
    let identity = |(name, display_name, uri): &(&str, &str, &str)| SourceIdentity {
        name: (*name).into(),
        display_name: (*display_name).into(),
        uri: (*uri).into(),
    };
    DaemonInfo {
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
        sources: all[..sources].iter().map(identity).collect(),
    }
}

pub(crate) fn settings() -> SettingsSnapshot {
    SettingsSnapshot {
        run: RUN.into(),
        at: time("2026-11-03T14:03:07.25Z"),
        settings: SourceSettings {
            paused: false,
            hop_s: 1.0,
            decision: DecisionConfig::default().settings(),
            silence: SilenceConfig::default().settings(),
        },
    }
}

pub(crate) fn refusal() -> CommandRefusal {
    CommandRefusal {
        run: RUN.into(),
        at: time("2026-11-03T14:03:07.25Z"),
        key: Some("hop".into()),
        message: "17 is not 0.25 to 3 seconds".into(),
    }
}

pub(crate) fn stored_correction() -> StoredCorrection {
    StoredCorrection {
        run: RUN.into(),
        at: time("2026-11-03T14:03:07.25Z"),
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

pub(crate) fn connection() -> ConnectionStats {
    ConnectionStats { connected: true, reconnects: 2, outbox: 0 }
}

pub(crate) fn stats() -> DaemonStats {
    let source = SourceStats {
        state: SourceState::Music,
        health: SourceHealth::Healthy,
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
    DaemonStats {
        run: RUN.into(),
        at: time("2026-11-03T14:03:30Z"),
        execution_provider: "cpu",
        realtime_factor: Some(170.123_456_789),
        rss_mb: Some(61.25),
        cpu_cores: Some(0.012_345),
        overload: None,
        sources: [("fm1".into(), source)].into(),
    }
}

pub(crate) fn state_message() -> Message {
    Message::State { source: "fm1".into(), state: Arc::new(state()) }
}

pub(crate) fn event_message(seq: u64, kind: SourceEvent) -> Message {
    Message::Event { source: "fm1".into(), event: Arc::new(event(seq, kind)), latency: None }
}

pub(crate) fn window_message(change: impl FnOnce(&mut WindowResult)) -> Message {
    let mut window = window();
    change(&mut window);
    Message::Window { source: "fm1".into(), window: Arc::new(window), latency: None }
}

/// Status of a daemon with MQTT and without a log, whose source `fm1` is being reopened.
pub(crate) fn status() -> DaemonStatus {
    let source = SourceStatus::new("fm1".into(), true, true);
    source.update(|condition| {
        condition.health = SourceHealth::Recovering;
        condition.health_reason = Some("connection refused".into());
    });
    DaemonStatus {
        model: "base".into(),
        sources: vec![Arc::new(source)],
        inference: Arc::default(),
        deciding: Moment::default(),
        mqtt: Some(Arc::default()),
        log: None,
    }
}
