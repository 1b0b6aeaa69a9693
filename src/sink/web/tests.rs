//! The routes without a socket: every answer that needs no daemon.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use crossbeam_channel::{Receiver, bounded};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tower::ServiceExt;

use super::hub::Hub;
use super::requests::CommandGateway;
use super::services::{Classifier, ClassifyInput, ClassifyRefusal, WebServices};
use super::state::{ServerParts, ServerState};
use super::{RawWebConfig, WebConfig, server};
use crate::command::{CommandOrigin, CommandRequest, SourceCommand};
use crate::event::SourceEvent;
use crate::sink::{CommandAnswer, Message, samples};

/// Server with two sources, and the director's end of its commands.
pub(super) struct TestServer {
    pub(super) state: ServerState,
    pub(super) requests: Receiver<CommandRequest>,
    pub(super) folder: tempfile::TempDir,
    closing: watch::Sender<bool>,
}

/// Classifier that answers with its input.
struct EchoClassifier;

impl Classifier for EchoClassifier {
    fn start(&self, input: ClassifyInput, hop_s: f64) -> Result<mpsc::Receiver<String>, ClassifyRefusal> {
        let (tx, rx) = mpsc::channel(2);
        let line = match input {
            ClassifyInput::File { path, name } => {
                json!({"kind": "verdict", "bytes": std::fs::read(path).unwrap().len(), "file": name, "hop_s": hop_s})
            }
            ClassifyInput::Stream { url, seconds, any_address } => {
                json!({"kind": "verdict", "url": url, "seconds": seconds, "any": any_address})
            }
        };
        tx.try_send(line.to_string()).unwrap();
        Ok(rx)
    }
}

impl TestServer {
    pub(super) fn start(toml: &str) -> Self {
        let raw: RawWebConfig = toml::from_str(toml).unwrap();
        Self::with_config(raw.resolve().unwrap())
    }

    fn with_config(config: WebConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (director, requests) = bounded(4);
        let (closing, is_closing) = watch::channel(false);
        let taps = vec![("fm1".into(), Arc::default()), ("fm2".into(), Arc::default())];
        let state = ServerState::new(ServerParts {
            hub: Arc::new(Hub::new(taps)),
            config,
            node: "studio1".into(),
            commands: CommandGateway::new(director),
            services: WebServices { classifier: Some(Arc::new(EchoClassifier)) },
            status: Arc::new(samples::status()),
            log: Some(folder.path().join("asrun.sqlite")),
            clips: vec![Some(folder.path().join("clips")), None],
            uploads: folder.path().join("uploads"),
            classifications: Arc::new(Semaphore::new(1)),
            event_clients: Arc::new(Semaphore::new(2)),
            closing: is_closing,
        });
        state.hub.take(&Message::Info(Arc::new(samples::info(2))));
        Self { state, requests, folder, closing }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> axum::response::Response {
        server::app(self.state.clone()).oneshot(request).await.unwrap()
    }

    async fn json(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.send(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{body:?}")))
    }

    /// Publishes an event of `fm1`.
    pub(super) fn event(&self, seq: u64) {
        let event = Arc::new(samples::event(seq, SourceEvent::DeadAirEnded));
        self.state.hub.take(&Message::Event { source: "fm1".into(), event, latency: None });
    }

    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Answers the next command as the director would.
    fn answer(&self, answer: CommandAnswer) -> std::thread::JoinHandle<SourceCommand> {
        let (requests, state) = (self.requests.clone(), self.state.clone());
        std::thread::spawn(move || {
            let request = requests.recv_timeout(Duration::from_secs(20)).unwrap();
            let CommandOrigin::Request(id) = request.origin else { panic!("{request:?}") };
            state.commands.answer(id, &Arc::new(answer));
            request.command
        })
    }
}

pub(super) fn get(path: &str) -> Request<Body> {
    request("GET", path, Body::empty())
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:8480").body(body.into()).unwrap()
}

#[tokio::test]
async fn sources_are_shown_with_the_keys_of_mqtt() {
    let server = TestServer::start("");
    let state = Arc::new(samples::state());
    server.state.hub.take(&Message::State { source: "fm1".into(), state });
    let (status, sources) = server.json(get("/api/v1/sources")).await;
    assert_eq!((status, sources["sources"].as_array().unwrap().len()), (StatusCode::OK, 2));
    let (_, source) = server.json(get("/api/v1/sources/fm1")).await;
    assert_eq!(source, sources["sources"][0]);
    assert_eq!((&source["state"]["genre"], &source["state"]["confidence"]), (&json!("jazz"), &json!(0.83)));
    assert_eq!(source["ribbon"][0][2], "jazz");
    let (_, daemon) = server.json(get("/api/v1/daemon")).await;
    assert_eq!((&daemon["node"], &daemon["sources"]), (&json!("studio1"), &json!(["fm1", "fm2"])));
    assert_eq!(daemon["classify"], json!({"max_mb": 64, "max_s": 60.0, "urls": "public"}));
}

#[tokio::test]
async fn every_error_is_json_with_its_status() {
    let server = TestServer::start("max_upload_mb = 1");
    let large = vec![0u8; (1 << 20) + 1];
    let foreign = |mut request: Request<Body>| {
        request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
        request
    };
    let stream = |body: &str| {
        let mut request = request("POST", "/api/v1/classify", body.to_owned());
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request
    };
    let cases = [
        (get("/nothing"), 404, "not_found"),
        (get("/assets/../config.rs"), 404, "not_found"),
        (get("/assets/index.html"), 404, "not_found"),
        (get("/api/v1/sources/fm9"), 404, "not_found"),
        (get("/api/v1/sources/%ff"), 400, "invalid"),
        (request("DELETE", "/api/v1/sources", ""), 405, "method_not_allowed"),
        (get("/clips/fm1/nothing.opus"), 404, "not_found"),
        (get("/clips/fm1/..%2f..%2fasrun.sqlite"), 404, "not_found"),
        (get("/clips/fm2/20261103T140159Z-dead_air_started-7.opus"), 404, "not_found"),
        (get("/api/v1/events?topics=genre"), 400, "invalid"),
        (get("/api/v1/events?sources=fm9"), 404, "not_found"),
        (get("/api/v1/events?topics=mel"), 400, "invalid"),
        (get("/api/v1/sources/fm1/history"), 503, "disabled"),
        (get("/api/v1/sources/fm1/history?by=year"), 400, "invalid"),
        (get("/api/v1/sources/fm1/history?from=soon"), 400, "invalid"),
        (get("/api/v1/sources/fm1/history?format=xml"), 400, "invalid"),
        (request("POST", "/api/v1/classify", ""), 400, "invalid"),
        (request("POST", "/api/v1/classify?hop_s=9", "x"), 400, "invalid"),
        (request("POST", "/api/v1/classify?hop_s=x", "x"), 400, "invalid"),
        (request("POST", "/api/v1/classify", large.clone()), 413, "too_large"),
        (stream("{"), 400, "invalid"),
        (stream(r#"{"url":"file:///etc/passwd"}"#), 400, "invalid"),
        (stream(r#"{"url":"http://radio.example","seconds":600}"#), 400, "invalid"),
        (foreign(request("POST", "/api/v1/classify", "x")), 403, "foreign_origin"),
        (foreign(request("PATCH", "/api/v1/sources/fm1", "{}")), 403, "foreign_origin"),
        (request("PATCH", "/api/v1/sources/fm1", vec![b' '; 20 << 10]), 413, "too_large"),
        (request("POST", "/api/v1/login", "{}"), 400, "invalid"),
    ];
    for (request, status, code) in cases {
        let name = format!("{} {}", request.method(), request.uri());
        let (found, body) = server.json(request).await;
        assert_eq!((found.as_u16(), &body["code"]), (status, &json!(code)), "{name}: {body}");
        assert!(body["error"].as_str().is_some_and(|text| text.len() > 10), "{name}: {body}");
    }
    assert!(std::fs::read_dir(server.folder.path().join("uploads")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_token_is_needed_where_one_is_configured() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "correct-horse-battery\n").unwrap();
    let server = TestServer::start(&format!("token_file = '{}'", file.path().display()));
    let with = |path: &str, name: &'static str, value: &str| {
        let mut request = get(path);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    for path in ["/api/v1/sources", "/api/v1/events", "/api/v1/openapi.json", "/api/v1/sources/fm9"] {
        assert_eq!(server.send(get(path)).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(server.send(get("/")).await.status(), StatusCode::OK);
    let right = with("/api/v1/sources", "authorization", "Bearer correct-horse-battery");
    assert_eq!(server.send(right).await.status(), StatusCode::OK);
    let wrong = request("POST", "/api/v1/login", r#"{"token":"wrong"}"#);
    assert_eq!(server.send(wrong).await.status(), StatusCode::UNAUTHORIZED);
    let login = server.send(request("POST", "/api/v1/login", r#"{"token":"correct-horse-battery"}"#)).await;
    let cookie = login.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(server.send(with("/api/v1/sources", "cookie", pair)).await.status(), StatusCode::OK);
    // Behind a token, the name of the host does not matter.
    let mut named = with("/api/v1/sources", "authorization", "Bearer correct-horse-battery");
    named.headers_mut().insert("host", "radio.example".parse().unwrap());
    assert_eq!(server.send(named).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn commands_are_carried_out_and_answered() {
    let server = TestServer::start("");
    let director = server.answer(CommandAnswer::Changed(Arc::new(samples::settings())));
    let (status, settings) = server.json(request("PATCH", "/api/v1/sources/fm1", r#"{"paused":true}"#)).await;
    assert_eq!((status, settings["hop"].is_number()), (StatusCode::OK, true));
    assert!(matches!(director.join().unwrap(), SourceCommand::Set(Ok(patch)) if patch.paused == Some(true)));
    let director = server.answer(CommandAnswer::Refused(samples::refusal()));
    let (status, refusal) = server.json(request("PATCH", "/api/v1/sources/fm1", r#"{"hop":99}"#)).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (422, &json!("refused")));
    assert!(matches!(director.join().unwrap(), SourceCommand::Set(Err(_))));
    let director = server.answer(CommandAnswer::Stored(samples::stored_correction()));
    let (status, stored) =
        server.json(request("POST", "/api/v1/sources/fm1/label", r#"{"genre":"jazz"}"#)).await;
    assert_eq!((status, stored["patches"].is_number()), (StatusCode::OK, true));
    assert!(matches!(director.join().unwrap(), SourceCommand::Label(Ok(label)) if label.genre == "jazz"));
    let server = TestServer::start("control = false");
    let (status, body) = server.json(request("PATCH", "/api/v1/sources/fm1", "{}")).await;
    assert_eq!((status.as_u16(), &body["code"]), (403, &json!("control_disabled")));
}

#[tokio::test]
async fn files_and_streams_reach_the_classifier() {
    let server = TestServer::start("");
    let (_, line) = server.json(request("POST", "/api/v1/classify?name=a/song.ogg&hop_s=0.5", "12345")).await;
    assert_eq!(line, json!({"kind": "verdict", "bytes": 5, "file": "song.ogg", "hop_s": 0.5}));
    let form =
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"b.mp3\"\r\n\r\n1234\r\n--x--\r\n";
    let mut upload = request("POST", "/api/v1/classify", form);
    upload.headers_mut().insert("content-type", "multipart/form-data; boundary=x".parse().unwrap());
    let (_, line) = server.json(upload).await;
    assert_eq!((&line["bytes"], &line["file"]), (&json!(4), &json!("b.mp3")));
    let mut stream = request("POST", "/api/v1/classify", r#"{"url":"http://radio.example/a"}"#);
    stream.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let (_, line) = server.json(stream).await;
    assert_eq!(
        line,
        json!({"kind": "verdict", "url": "http://radio.example/a", "seconds": 30.0, "any": false})
    );
    // Layers may poll an answer after its end, and none may hold back lines to compress them.
    let mut compressed = request("POST", "/api/v1/classify", "12345");
    compressed.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let response = server.send(compressed).await;
    assert!(!response.headers().contains_key("content-encoding"));
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
    assert!(body.frame().await.is_none() && body.frame().await.is_none());
    // The only slot is taken until the answer is dropped.
    let held = server.send(request("POST", "/api/v1/classify", "x")).await;
    let (status, body) = server.json(request("POST", "/api/v1/classify", "x")).await;
    assert_eq!((status.as_u16(), &body["code"]), (503, &json!("busy")));
    drop(held);
    assert_eq!(server.send(request("POST", "/api/v1/classify", "x")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn lines_of_a_classification_are_not_held_back_by_compression() {
    let server = TestServer::start("");
    let accepting = |mut request: axum::extract::Request| {
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        request
    };
    let answer = server.send(accepting(request("POST", "/api/v1/classify", "12345"))).await;
    assert!(!answer.headers().contains_key("content-encoding"));
    let sources = server.send(accepting(get("/api/v1/sources"))).await;
    assert_eq!(sources.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn the_page_knows_its_prefix_and_its_policy() {
    let server = TestServer::start("base_path = '/configured'");
    let page = |response: axum::response::Response| async {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    let response = server.send(get("/s/fm1")).await;
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
    assert!(page(response).await.contains("<base href=\"/configured/\">"));
    let mut ingress = get("/");
    ingress.headers_mut().insert("x-ingress-path", "/api/hassio_ingress/abc".parse().unwrap());
    assert!(page(server.send(ingress).await).await.contains("<base href=\"/api/hassio_ingress/abc/\">"));
}
