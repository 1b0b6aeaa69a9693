//! Client of the daemon's API.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::Sender;
use serde_json::Value;
use ureq::Agent;

/// Longest wait for a connection, and for the head of an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pause before the connection is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Message of the daemon, or about the connection to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WallMessage {
    /// A source, as from `/sources/{name}`.
    State(Value),
    /// An event.
    Event(Value),
    /// Levels of several sources.
    Levels(Value),
    /// The connection is up.
    Connected,
    /// The connection is lost, with the reason.
    Lost(String),
}

/// Client of the API at one address.
pub(super) struct ApiClient {
    agent: Agent,
    base: String,
    token: Option<String>,
}

impl ApiClient {
    /// Client of the page at `url`.
    ///
    /// # Errors
    /// The address is not an `http` or `https` one.
    pub(super) fn new(url: &str, token: Option<String>) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("`{url}` is no address of a page; write `http://HOST:PORT`");
        }
        let config = Agent::config_builder()
            .timeout_connect(Some(TIMEOUT))
            .timeout_recv_response(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.into(), base, token })
    }

    /// Requests the state of all sources.
    ///
    /// # Errors
    /// The daemon does not answer, or refuses.
    pub(super) fn sources(&self) -> anyhow::Result<Vec<Value>> {
        let mut answer = self.get("/api/v1/sources")?;
        let text = answer.body_mut().read_to_string().context("the answer of the daemon broke off")?;
        let mut value: Value = serde_json::from_str(&text).context("this is no page of genred")?;
        match value["sources"].take() {
            Value::Array(sources) => Ok(sources),
            _ => bail!("this is no page of genred, or one of another version"),
        }
    }

    /// Passes on messages for as long as somebody receives them. A lost connection is opened again.
    pub(super) fn follow(&self, messages: &Sender<WallMessage>) {
        let mut last_id = String::new();
        loop {
            let lost = match self.receive(&mut last_id, messages) {
                Ok(()) => "the daemon closed the connection".into(),
                Err(error) => format!("{error:#}"),
            };
            if messages.send(WallMessage::Lost(lost)).is_err() {
                return;
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    /// Receives one stream of server-sent events to its end.
    fn receive(&self, last_id: &mut String, messages: &Sender<WallMessage>) -> anyhow::Result<()> {
        let answer = self.get(&format!("/api/v1/events?topics=state,event,level&after={last_id}"))?;
        let _ = messages.send(WallMessage::Connected);
        let (mut topic, mut data) = (String::new(), String::new());
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line?;
            match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("event", value)) => value.clone_into(&mut topic),
                Some(("data", value)) => value.clone_into(&mut data),
                Some(("id", value)) => value.clone_into(last_id),
                _ if line.is_empty() => {
                    let parsed = message(&topic, &data)?;
                    (topic.clear(), data.clear());
                    if parsed.is_some_and(|message| messages.send(message).is_err()) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn get(&self, path: &str) -> anyhow::Result<ureq::http::Response<ureq::Body>> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().with_context(|| {
            format!("no page answers at {}; does `genred run` say that its page is there?", self.base)
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let error: Value = serde_json::from_str(&text).unwrap_or_default();
        bail!("{}: {status}: {}", self.base, error["error"].as_str().unwrap_or("no page of genred"))
    }
}

/// Message of a topic; `None` for one that the wall does not show.
fn message(topic: &str, data: &str) -> anyhow::Result<Option<WallMessage>> {
    let parse = || serde_json::from_str(data).context("the daemon sent what is not JSON");
    Ok(match topic {
        "state" => Some(WallMessage::State(parse()?)),
        "event" => Some(WallMessage::Event(parse()?)),
        "level" => Some(WallMessage::Levels(parse()?)),
        _ => None,
    })
}
