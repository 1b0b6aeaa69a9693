//! What comes in: Home Assistant's birth, commands, and who else publishes under this node's name. Pure.

use super::claim::Other;
use super::discovery::Discovery;
use super::reason::Reason;
use super::wire::Inbound;
use crate::sink::topics::Topics;
use crate::sink::{Ask, Asker, Request};

/// Settings are shorter, in bytes.
const MAX_REQUEST: usize = 16 * 1024;

/// What a message from the broker means.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// Home Assistant has started.
    Birth,
    /// Somebody wants something of a source.
    Request(Request),
    /// Our own `info` has come back.
    Own,
    /// Somebody, or a last will, says that this node is offline.
    Buried,
    /// Another daemon has published `info`.
    Other(Other),
    /// Nothing.
    Nothing,
}

/// The subscriptions of one daemon.
#[derive(Debug, Clone)]
pub struct Listener {
    topics: Topics,
    run: String,
    birth: Option<String>,
    control: bool,
}

impl Listener {
    /// For the daemon of `topics` and `run`.
    pub fn new(topics: &Topics, run: &str, discovery: &Discovery, control: bool) -> Self {
        Self { topics: topics.clone(), run: run.to_owned(), birth: discovery.birth(), control }
    }

    /// Topics to subscribe to, with what is lost where the broker refuses.
    fn subscriptions(&self) -> Vec<(String, &'static str)> {
        let mut list = vec![(
            self.topics.of_node("info"),
            "another daemon of the same `node`, or missing rights to publish, go unnoticed",
        )];
        list.push((self.topics.status(), "a last will that comes late is not taken back"));
        if let Some(birth) = &self.birth {
            list.push((birth.clone(), "a restarted Home Assistant depends on what the broker has kept"));
        }
        if self.control {
            for leaf in ["set", "get", "label/set"] {
                list.push((self.topics.of_source("+", leaf), "`mqtt.control` has no effect"));
            }
        }
        list
    }

    /// The topics alone.
    pub fn filters(&self) -> Vec<String> {
        self.subscriptions().into_iter().map(|(topic, _)| topic).collect()
    }

    /// Subscriptions that the broker refused, with what is lost by it.
    pub fn refused(&self, refusals: &[Option<Reason>]) -> Vec<(String, &'static str)> {
        let refused = |(_, refusal): &(_, &Option<Reason>)| refusal.is_some();
        self.subscriptions().into_iter().zip(refusals).filter(refused).map(|(topic, _)| topic).collect()
    }

    /// What `message` means.
    pub fn hear(&self, message: &Inbound) -> Heard {
        let Inbound { topic, payload, retain } = message;
        if self.birth.as_deref() == Some(topic) {
            // Home Assistant does not retain it; whoever does says nothing new.
            return if payload == b"online" && !retain { Heard::Birth } else { Heard::Nothing };
        }
        if *topic == self.topics.status() {
            return if payload != b"online" && !retain { Heard::Buried } else { Heard::Nothing };
        }
        if *topic == self.topics.of_node("info") {
            // What the broker has kept says nothing of who is there now.
            return match Other::parse(payload).filter(|_| !retain) {
                Some(other) if *other.run != *self.run => Heard::Other(other),
                Some(_) => Heard::Own,
                None => Heard::Nothing,
            };
        }
        if !self.control {
            return Heard::Nothing;
        }
        let request = |source: &str, ask| {
            Heard::Request(Request { source: source.into(), ask, from: Asker::Subscriber })
        };
        type Command = fn(Vec<u8>) -> Ask;
        let commands: [(&str, Command); 2] = [("set", Ask::Set), ("label/set", Ask::Label)];
        for (leaf, command) in commands {
            let Some(source) = self.topics.source_of(topic, leaf) else { continue };
            return match (*retain, payload.len()) {
                // What was kept is being erased.
                (_, 0) => Heard::Nothing,
                (true, _) => request(source, Ask::Retained),
                (false, length) if length > MAX_REQUEST => request(source, Ask::TooLong),
                (false, _) => request(source, command(payload.to_vec())),
            };
        }
        match self.topics.source_of(topic, "get") {
            Some(source) => request(source, Ask::Get),
            None => Heard::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::DiscoveryStyle;
    use super::*;

    #[test]
    fn what_comes_in_is_told_apart() {
        let topics = Topics::new("genred".into(), "den".into());
        let discovery =
            |style| Discovery { style, prefix: "homeassistant".into(), control: true, expire_after: 30 };
        let listener = Listener::new(&topics, "r1", &discovery(DiscoveryStyle::Device), true);
        let hear = |topic: &str, payload: &str, retain: bool| {
            let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
            listener.hear(&Inbound { topic, payload, retain })
        };
        let set = |source: &str, ask| {
            Heard::Request(Request { source: source.into(), ask, from: Asker::Subscriber })
        };
        assert_eq!(hear("homeassistant/status", "online", false), Heard::Birth);
        assert_eq!(hear("homeassistant/status", "online", true), Heard::Nothing);
        assert_eq!(hear("homeassistant/status", "offline", false), Heard::Nothing);
        assert_eq!(hear("genred/den/info", r#"{"run":"r1"}"#, false), Heard::Own);
        assert_eq!(hear("genred/den/info", r#"{"run":"r1"}"#, true), Heard::Nothing);
        assert_eq!(hear("genred/den/info", "", false), Heard::Nothing);
        let other = Other {
            run: "r2".into(),
            instance: None,
            started: "2026-11-03T14:00:00.000Z".into(),
            sources: vec!["fm1".into()],
            labels: vec!["jazz".into()],
        };
        let info = r#"{"run":"r2","started":"2026-11-03T14:00:00.000Z","labels":["jazz"],"sources":[{"name":"fm1"}]}"#;
        assert_eq!(hear("genred/den/info", info, false), Heard::Other(other));
        assert_eq!(hear("genred/den/info", info, true), Heard::Nothing);
        assert_eq!(hear("genred/den/fm1/set", "{}", false), set("fm1", Ask::Set(b"{}".to_vec())));
        assert_eq!(hear("genred/den/fm1/set", "{}", true), set("fm1", Ask::Retained));
        assert_eq!(hear("genred/den/fm1/set", "", false), Heard::Nothing);
        assert_eq!(hear("genred/den/fm1/set", &" ".repeat(20_000), false), set("fm1", Ask::TooLong));
        assert_eq!(hear("genred/den/fm1/label/set", "jazz", false), set("fm1", Ask::Label(b"jazz".to_vec())));
        assert_eq!(hear("genred/den/fm1/label/set", "jazz", true), set("fm1", Ask::Retained));
        assert_eq!(hear("genred/den/fm1/label/set", "", false), Heard::Nothing);
        assert_eq!(hear("genred/den/fm1/label/set", &" ".repeat(20_000), false), set("fm1", Ask::TooLong));
        // The answer to one.
        assert_eq!(hear("genred/den/fm1/label", "{}", false), Heard::Nothing);
        assert_eq!(hear("genred/den/status", "offline", false), Heard::Buried);
        assert_eq!(hear("genred/den/status", "offline", true), Heard::Nothing);
        assert_eq!(hear("genred/den/status", "online", false), Heard::Nothing);
        assert_eq!(hear("genred/den/fm1/get", "", false), set("fm1", Ask::Get));
        assert_eq!(hear("genred/den/a/b/set", "{}", false), Heard::Nothing);
        assert_eq!(hear("genred/attic/fm1/set", "{}", false), Heard::Nothing);

        let all = [
            "genred/den/info",
            "genred/den/status",
            "homeassistant/status",
            "genred/den/+/set",
            "genred/den/+/get",
            "genred/den/+/label/set",
        ];
        assert_eq!(listener.filters(), all);
        let quiet = Listener::new(&topics, "r1", &discovery(DiscoveryStyle::Off), false);
        assert_eq!(quiet.filters(), all[..2]);
        let refused = listener.refused(&[None, None, Some(Reason::NOT_AUTHORIZED), None, None, None]);
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].0, "homeassistant/status");
    }
}
