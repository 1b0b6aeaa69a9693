//! A running sink, and messages for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use genred::audio::{Level, PatchSpan};
use genred::event::{
    DaemonInfo, DaemonStats, LabelPosterior, NamedVerdict, NumberedEvent, SourceAttributes, SourceEvent,
    SourceIdentity, SourceState, StateSnapshot, WindowResult,
};
use genred::sink::mqtt::{MqttSink, RawMqttConfig};
use genred::sink::{Message, Sink};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::broker::Subscriber;

/// A running sink and the sending end of its inbox.
pub(crate) struct Running {
    inbox: mpsc::Sender<Message>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(port: u16, more: &str) -> Self {
        let quick = if more.contains("reconnect_max") { "" } else { "reconnect_max_s = 0.3" };
        Self::with(&format!("url = 'mqtt://127.0.0.1:{port}'\n{quick}\n{more}"), |sink| sink)
    }

    /// Starts one with the `[mqtt]` section `toml`, modified by `complete`.
    pub(crate) fn with(toml: &str, complete: impl FnOnce(MqttSink) -> MqttSink) -> Self {
        Self::named(toml, RUN, complete)
    }

    /// Starts one as the run `run`.
    pub(crate) fn named(toml: &str, run: &str, complete: impl FnOnce(MqttSink) -> MqttSink) -> Self {
        let raw: RawMqttConfig = toml::from_str(toml).unwrap();
        let sink = complete(MqttSink::new(raw.resolve("studio1").unwrap(), "studio1".into(), run.into()));
        let (inbox, messages) = mpsc::channel(64);
        Self { inbox, task: tokio::spawn(Box::new(sink).run(messages)) }
    }

    pub(crate) async fn send(&self, message: Message) {
        self.inbox.send(message).await.unwrap();
    }

    /// Stops it cleanly. Returns the duration.
    pub(crate) async fn stop(self) -> Duration {
        let started = Instant::now();
        drop(self.inbox);
        self.task.await.unwrap();
        started.elapsed()
    }

    /// Ends the connection without a DISCONNECT, as a `SIGKILL` does.
    pub(crate) async fn vanish(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub(crate) const RUN: &str = "0f1e2d3c";
pub(crate) const FM1: &str = "fm1";

pub(crate) fn now() -> Timestamp {
    "2026-11-03T14:03:07.5Z".parse().unwrap()
}

fn music(genre: &str, confidence: f32) -> NamedVerdict {
    NamedVerdict { state: SourceState::Music, genre: genre.into(), confidence: Some(confidence) }
}

pub(crate) fn state(source: &str, genre: &str, patch: u64) -> Message {
    let state = StateSnapshot {
        run: RUN.into(),
        at: now(),
        patches: patch,
        published: music(genre, 0.83),
        newest: Some(music(genre, 0.9)),
        since: now(),
        level: Some(Level::of_loudness(-14.2)),
        dead_air: false,
        source: source.into(),
        display_name: source.into(),
        model: "musicnn-msd".into(),
    };
    Message::State { source: source.into(), state: Arc::new(state) }
}

pub(crate) fn event(source: &str, seq: u64) -> Message {
    let event = SourceEvent::GenreChanged { from: "rock".into(), to: "jazz".into(), confidence: Some(0.83) };
    let event = NumberedEvent { run: RUN.into(), seq, at: now(), event, clip: None };
    Message::Event { source: source.into(), event: Arc::new(event), latency: None }
}

pub(crate) fn availability(source: &str, online: bool) -> Message {
    Message::Availability { source: source.into(), online }
}

pub(crate) fn info(labels: usize) -> Message {
    let info = DaemonInfo {
        run: RUN.into(),
        instance: None,
        version: "0.1.0",
        started: now(),
        model: "musicnn-msd".into(),
        model_sha256: "ab".repeat(32).into(),
        head: "genres".into(),
        labels: (0..labels).map(|i| format!("label-{i}").into()).collect(),
        execution_provider: "cpu",
        execution_provider_reason: "first in the list".into(),
        lookahead_ms: 0.0,
        hop_s: 1.0,
        sources: vec![SourceIdentity {
            name: FM1.into(),
            display_name: FM1.into(),
            uri: "device:default".into(),
        }],
    };
    Message::Info(Arc::new(info))
}

pub(crate) fn attributes(source: &str) -> Message {
    let jazz = LabelPosterior { label: "jazz".into(), p: 0.83 };
    let attributes = SourceAttributes {
        run: RUN.into(),
        at: now(),
        top: vec![jazz.clone()],
        tags: vec![jazz],
        title: None,
        shares: None,
        model: "musicnn-msd".into(),
        head: "genres".into(),
    };
    Message::Attributes { source: source.into(), attributes: Arc::new(attributes) }
}

pub(crate) fn window(source: &str, patch: u64) -> Message {
    let window = WindowResult {
        run: RUN.into(),
        at: now(),
        patch,
        span: PatchSpan { start: 0.0, end: 2.992 },
        verdict: music("jazz", 0.83),
        scores: vec![("jazz".into(), 0.83), ("rock".into(), 0.17)],
        level: Level::of_loudness(-14.2),
    };
    Message::Window { source: source.into(), window: Arc::new(window), latency: None }
}

pub(crate) fn stats() -> Message {
    let stats = DaemonStats {
        run: RUN.into(),
        at: now(),
        execution_provider: "cpu",
        realtime_factor: Some(170.5),
        rss_mb: Some(61.0),
        cpu_cores: Some(0.02),
        overload: None,
        sources: [].into(),
    };
    Message::Stats(Arc::new(stats))
}

pub(crate) fn topic(rest: &str) -> String {
    format!("genred/studio1/{rest}")
}

/// Returns `seq` of every received event, without duplicates.
pub(crate) fn sequence(subscriber: &Subscriber, source: &str) -> Vec<u64> {
    let topic = topic(&format!("{source}/event"));
    let mut seen: Vec<u64> = Vec::new();
    for message in subscriber.received().iter().filter(|message| message.topic == topic) {
        let event: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
        assert_eq!(event["run"], RUN);
        let seq = event["seq"].as_u64().unwrap();
        if !seen.contains(&seq) {
            seen.push(seq);
        }
    }
    seen
}
