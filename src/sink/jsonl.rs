//! One JSON object a line, for programs.

use std::io::{self, Write};

use serde::Serialize;
use tokio::sync::mpsc;

use super::writer::{self, LineWriter};
use super::{Message, Sink, SinkFuture};

/// Which messages are written beside `state`, `event` and `availability`, which always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonlOptions {
    /// Every scored patch.
    pub windows: bool,
    /// What runs here.
    pub info: bool,
    /// Counters, every 30 seconds.
    pub stats: bool,
    /// Best labels and tags.
    pub attributes: bool,
}

/// Writes `{"kind":…,"source":…,…payload}` lines, each flushed.
///
/// A closed pipe ends it quietly.
#[derive(Debug)]
pub struct JsonlSink<W> {
    writer: W,
    options: JsonlOptions,
}

impl<W: Write + Send + 'static> JsonlSink<W> {
    /// A sink that writes to `writer`.
    pub fn new(writer: W, options: JsonlOptions) -> Self {
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
struct Line<'a, P> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(flatten)]
    payload: &'a P,
}

#[derive(Serialize)]
struct Availability {
    online: bool,
}

impl<W: Write + Send + 'static> LineWriter for JsonlSink<W> {
    fn write(&mut self, message: &Message) -> io::Result<()> {
        let wanted = self.options;
        match message {
            // A state names its source itself.
            Message::State { payload, .. } => self.line("state", None, &**payload),
            Message::Event { source, payload } => self.line("event", Some(source), &**payload),
            Message::Availability { source, online } => {
                self.line("availability", Some(source), &Availability { online: *online })
            }
            Message::Window { source, payload } if wanted.windows => {
                self.line("window", Some(source), &**payload)
            }
            Message::Attributes { source, payload } if wanted.attributes => {
                self.line("attributes", Some(source), &**payload)
            }
            Message::Info(payload) if wanted.info => self.line("info", None, &**payload),
            Message::Stats(payload) if wanted.stats => self.line("stats", None, &**payload),
            Message::Window { .. } | Message::Attributes { .. } | Message::Info(_) | Message::Stats(_) => {
                Ok(())
            }
        }
    }
}

impl<W: Write> JsonlSink<W> {
    fn line(&mut self, kind: &'static str, source: Option<&str>, payload: &impl Serialize) -> io::Result<()> {
        // One write a line: lines of several processes on one pipe do not mix.
        let mut line = serde_json::to_vec(&Line { kind, source, payload })?;
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.writer.flush()
    }
}
