//! Messages of the daemon.

use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::Sender;
use serde_json::Value;

use crate::cli::page_client::PageClient;

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

/// Requests the state of all sources.
///
/// # Errors
/// The daemon does not answer, or refuses.
pub(super) fn sources(client: &PageClient) -> anyhow::Result<Vec<Value>> {
    let (status, body) = client.get("api/v1/sources")?;
    let mut value: Value = serde_json::from_str(&body)
        .with_context(|| format!("{} is no page of genred (status {status})", client.url()))?;
    match (value["sources"].take(), value["error"].as_str()) {
        (Value::Array(sources), _) => Ok(sources),
        (_, Some(error)) => bail!("{}: {error}", client.url()),
        _ => bail!("{} is no page of genred, or one of another version", client.url()),
    }
}

/// Passes on messages for as long as somebody receives them. A lost connection is opened again.
pub(super) fn follow(client: &PageClient, messages: &Sender<WallMessage>) {
    let mut last_id = String::new();
    loop {
        let lost = match receive(client, &mut last_id, messages) {
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
fn receive(client: &PageClient, last_id: &mut String, messages: &Sender<WallMessage>) -> anyhow::Result<()> {
    let lines = client.lines(&format!("api/v1/events?topics=state,event,level&after={last_id}"))?;
    let _ = messages.send(WallMessage::Connected);
    let (mut topic, mut data) = (String::new(), String::new());
    for line in lines {
        let line = line?;
        match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
            Some(("event", value)) => value.clone_into(&mut topic),
            Some(("data", value)) => value.clone_into(&mut data),
            Some(("id", value)) => value.clone_into(last_id),
            _ if line.is_empty() => {
                let parsed = message(&topic, &data)?;
                topic.clear();
                data.clear();
                if parsed.is_some_and(|message| messages.send(message).is_err()) {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    Ok(())
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
