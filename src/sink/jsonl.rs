//! One JSON object per line, for programs.

use std::io::{self, Write};

use serde::Serialize;
use tokio::sync::mpsc;

use super::payload::{
    AttributesPayload, EventPayload, InfoPayload, StatePayload, StatsPayload, WindowPayload,
};
use super::writer::{self, LineWriter};
use super::{JsonLine, Message, Sink, SinkFuture};

/// Messages that are written in addition to `state`, `event` and `availability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct JsonlOptions {
    /// Every scored patch.
    pub(crate) windows: bool,
    /// Description of the daemon.
    pub(crate) info: bool,
    /// Counters, every 30 seconds.
    pub(crate) stats: bool,
    /// Best labels and tags.
    pub(crate) attributes: bool,
}

/// Sink that writes `{"kind":…,"source":…,…payload}` lines, each flushed. A closed pipe ends it
/// without an error.
#[derive(Debug)]
pub(crate) struct JsonlSink<W> {
    writer: W,
    options: JsonlOptions,
}

impl<W: Write + Send + 'static> JsonlSink<W> {
    /// Sink that writes to `writer`.
    pub(crate) fn new(writer: W, options: JsonlOptions) -> Self {
        Self { writer, options }
    }
}

impl<W: Write + Send + 'static> Sink for JsonlSink<W> {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        writer::run("jsonl", *self, inbox)
    }
}

#[derive(Serialize)]
struct Availability {
    online: bool,
}

impl<W: Write + Send + 'static> LineWriter for JsonlSink<W> {
    fn write(&mut self, message: &Message) -> io::Result<()> {
        let wanted = self.options;
        match message {
            // The payload names its source.
            Message::State { state, .. } => self.line("state", None, &StatePayload::from(&**state)),
            Message::Event { source, event, .. } => {
                self.line("event", Some(source), &EventPayload::from(&**event))
            }
            Message::Availability { source, online } => {
                self.line("availability", Some(source), &Availability { online: *online })
            }
            Message::Window { source, window, .. } if wanted.windows => {
                self.line("window", Some(source), &WindowPayload::from(&**window))
            }
            Message::Attributes { source, attributes } if wanted.attributes => {
                self.line("attributes", Some(source), &AttributesPayload::from(&**attributes))
            }
            Message::Info(info) if wanted.info => self.line("info", None, &InfoPayload::from(&**info)),
            Message::Stats(stats) if wanted.stats => self.line("stats", None, &StatsPayload::from(&**stats)),
            Message::Window { .. }
            | Message::Attributes { .. }
            | Message::Info(_)
            | Message::Stats(_)
            | Message::FinalSegment { .. }
            | Message::Settings { .. }
            | Message::Health { .. }
            | Message::Answer { .. }
            | Message::Explanation { .. } => Ok(()),
        }
    }
}

impl<W: Write> JsonlSink<W> {
    fn line(&mut self, kind: &'static str, source: Option<&str>, payload: &impl Serialize) -> io::Result<()> {
        // One write per line: lines of several processes on one pipe do not interleave.
        let mut line = serde_json::to_vec(&JsonLine { kind, source, payload })?;
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;
    use std::sync::{Arc, Mutex};

    /// Buffer that fails after a number of lines.
    #[derive(Clone)]
    struct FailingWriter(Arc<Mutex<Vec<u8>>>, usize, io::ErrorKind);

    impl Write for FailingWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = self.1.checked_sub(1).ok_or(self.2)?;
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn lines(options: JsonlOptions, room: usize, messages: Vec<Message>) -> String {
        let written = FailingWriter(Arc::default(), room, io::ErrorKind::BrokenPipe);
        let (inbox, receiver) = mpsc::channel(32);
        for message in messages {
            inbox.send(message).await.unwrap();
        }
        drop(inbox);
        Box::new(JsonlSink::new(written.clone(), options)).run(receiver).await;
        let text = written.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    fn one_of_each() -> Vec<Message> {
        vec![
            Message::Info(Arc::new(samples::info(1))),
            Message::Availability { source: "fm1".into(), online: true },
            samples::state_message(),
            samples::event_message(1, samples::to_jazz()),
            samples::window_message(|_| {}),
            Message::Attributes { source: "fm1".into(), attributes: Arc::new(samples::attributes()) },
            Message::Stats(Arc::new(samples::stats())),
        ]
    }

    #[tokio::test]
    async fn changes_are_written_and_the_rest_on_request() {
        insta::assert_snapshot!(lines(JsonlOptions::default(), 99, one_of_each()).await, @r#"
{"kind":"availability","source":"fm1","online":true}
{"kind":"state","run":"0f1e2d3c","ts":"2026-11-03T14:03:07.250Z","patch":187,"state":"music","genre":"jazz","confidence":0.83,"raw_genre":"blues","raw_confidence":0.4123,"since":"2026-11-03T14:01:59.000Z","lufs_s":-14.23,"lufs_m":-12.5,"true_peak_db":null,"dead_air":"OFF","source":"fm1","source_name":"FM 1","model":"musicnn-msd"}
{"kind":"event","source":"fm1","run":"0f1e2d3c","seq":1,"ts":"2026-11-03T14:01:59.000Z","event_type":"genre_changed","from":"rock","to":"jazz","confidence":0.7123}
"#);
        let all = JsonlOptions { windows: true, info: true, stats: true, attributes: true };
        let text = lines(all, 99, one_of_each()).await;
        let kinds: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(kinds, ["info", "availability", "state", "event", "window", "attributes", "stats"]);
        let window = text.lines().find(|line| line.contains("window")).unwrap();
        insta::assert_snapshot!(window, @r#"{"kind":"window","source":"fm1","run":"0f1e2d3c","ts":"2026-11-03T14:03:07.000Z","patch":186,"start":185.984,"end":188.976,"state":"music","genre":"jazz","confidence":0.83,"scores":{"blues":0.12345679,"jazz":0.83,"rock":1e-7},"lufs_s":-14.23,"lufs_m":-12.5,"true_peak_db":-1.03}"#);
    }

    #[tokio::test]
    async fn a_closed_pipe_ends_it() {
        assert_eq!(lines(JsonlOptions::default(), 2, one_of_each()).await.lines().count(), 2);
    }
}
