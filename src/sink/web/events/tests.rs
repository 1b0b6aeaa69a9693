//! Server-sent events: first messages, resumption from the ring and from the log, and the end.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::sink::Message;
use crate::sink::samples;
use crate::sink::web::tests::{TestServer, get};
use crate::tap::TapDetail;

/// No message takes as long.
const DEADLINE: Duration = Duration::from_secs(20);

/// One message.
#[derive(Debug, Clone, PartialEq)]
struct Received {
    topic: String,
    id: Option<String>,
    data: Value,
}

/// Client that reads messages.
struct EventClient {
    body: BodyDataStream,
    text: String,
}

impl EventClient {
    async fn connect(server: &TestServer, query: &str, last: Option<&str>) -> Self {
        let mut request = get(&format!("/api/v1/events{query}"));
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let response = server.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self { body: Body::into_data_stream(response.into_body()), text: String::new() }
    }

    /// Next message; `None` at the end.
    async fn next(&mut self) -> Option<Received> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                let field = |name: &str| {
                    block.lines().find_map(|line| {
                        line.strip_prefix(name)?.strip_prefix(':').map(|text| text.trim().to_owned())
                    })
                };
                let Some(topic) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Received { topic, id: field("id"), data });
            }
            let piece = timeout(DEADLINE, self.body.next()).await.expect("a message in time")?;
            self.text += std::str::from_utf8(&piece.unwrap()).unwrap();
        }
    }

    /// Next message of a topic.
    async fn of(&mut self, topic: &str) -> Received {
        loop {
            let message = self.next().await.expect("a message before the end");
            if message.topic == topic {
                return message;
            }
        }
    }

    /// Numbers of the next `count` events.
    async fn seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        for _ in 0..count {
            seqs.push(self.of("event").await.data["seq"].as_u64().unwrap());
        }
        seqs
    }
}

#[tokio::test]
async fn a_client_receives_states_and_then_changes() {
    let server = TestServer::start("");
    let mut client = EventClient::connect(&server, "?sources=fm1", None).await;
    let hello = client.next().await.unwrap();
    assert_eq!(
        (&*hello.topic, &hello.data["resumed"], &hello.data["gap"]),
        ("hello", &false.into(), &false.into())
    );
    let state = client.next().await.unwrap();
    assert_eq!(
        (&*state.topic, &state.data["name"], &state.data["state"]),
        ("state", &"fm1".into(), &Value::Null)
    );
    server.event(7);
    let event = client.of("event").await;
    assert_eq!(event.id.as_deref(), Some("0f1e2d3c/fm1/7"));
    assert_eq!((&event.data["source"], &event.data["event_type"]), (&"fm1".into(), &"dead_air_ended".into()));
    let state = std::sync::Arc::new(samples::state());
    server.state.hub.take(&Message::State { source: "fm1".into(), state });
    assert_eq!(client.of("state").await.data["state"]["genre"], "jazz");
    server.close();
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn a_client_resumes_from_the_ring() {
    let server = TestServer::start("");
    (1..=5).for_each(|seq| server.event(seq));
    let mut client = EventClient::connect(&server, "?topics=event", Some("0f1e2d3c/fm1/3")).await;
    assert_eq!(client.next().await.unwrap().data["resumed"], true);
    assert_eq!(client.seqs(2).await, [4, 5]);
    server.event(6);
    assert_eq!(client.seqs(1).await, [6]);
    let mut client = EventClient::connect(&server, "?topics=event&after=0f1e2d3c/fm1/4", None).await;
    assert_eq!(client.seqs(2).await, [5, 6]);
}

#[tokio::test]
async fn a_client_without_an_event_resumes_too() {
    let server = TestServer::start("");
    let mut client = EventClient::connect(&server, "?topics=event", None).await;
    let before_all = client.next().await.unwrap().id.unwrap();
    drop(client);
    (1..=2).for_each(|seq| server.event(seq));
    let mut client = EventClient::connect(&server, "?topics=event", Some(&before_all)).await;
    assert_eq!(client.next().await.unwrap().data["gap"], false);
    assert_eq!(client.seqs(2).await, [1, 2]);
    let mut client = EventClient::connect(&server, "?topics=event", None).await;
    assert_eq!(client.next().await.unwrap().id.as_deref(), Some("0f1e2d3c/fm1/2"));
}

#[tokio::test]
async fn an_unknown_id_is_a_gap() {
    let server = TestServer::start("");
    (1..=2).for_each(|seq| server.event(seq));
    let mut client = EventClient::connect(&server, "?topics=event", Some("dead/fm1/3")).await;
    let hello = client.next().await.unwrap();
    assert_eq!((&hello.data["resumed"], &hello.data["gap"]), (&true.into(), &true.into()));
    assert_eq!(client.seqs(2).await, [1, 2]);
}

#[tokio::test]
async fn levels_and_frames_come_while_a_client_watches() {
    let server = TestServer::start("");
    let tap = server.state.hub.tap(0).clone();
    let mut client = EventClient::connect(&server, "?sources=fm1&topics=level,mel,explain", None).await;
    assert_eq!(client.next().await.unwrap().topic, "hello");
    assert!(tap.is_watched(TapDetail::Frames) && tap.is_watched(TapDetail::Explanations));
    server.state.hub.take(&samples::window_message(|_| ()));
    let level = client.of("level").await;
    assert_eq!(level.data["levels"]["fm1"].as_array().unwrap().len(), 3);
    let log_mel = [0.0, 3.0, 6.0, 1.5];
    let frames = crate::tap::PatchFrames {
        run: 0,
        first: 5,
        ends_at_ms: 1032,
        frame_ms: 16.0,
        bands: 2,
        log_mel: &log_mel,
    };
    tap.push(&frames);
    let mel = client.of("mel").await.data;
    assert_eq!((&mel["t"], &mel["bands"], &mel["columns"]), (&1000.into(), &2.into(), &"AID/QA==".into()));
    let explanation = std::sync::Arc::new(samples::explanation());
    server.state.hub.take(&Message::Explanation { source: "fm1".into(), explanation });
    let explanation = client.of("explain").await.data;
    assert!(explanation["words"].as_str().unwrap().starts_with("says rock because"), "{explanation}");
    drop(client);
    assert!(!tap.is_watched(TapDetail::Frames) && !tap.is_watched(TapDetail::Explanations));
}
