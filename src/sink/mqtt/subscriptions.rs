//! Subscriptions and their messages: the birth message of Home Assistant, commands, and other
//! daemons of the same node name. Pure.

use super::discovery::Discovery;
use super::last_will::ONLINE;
use super::name_probe::PeerInfo;
use super::protocol::InboundMessage;
use super::reason_code::ReasonCode;
use crate::command::{CommandOrigin, CommandRequest, SourceCommand};
use crate::sink::command_parser;
use crate::sink::topics::Topics;

/// Longest command, in bytes.
const MAX_COMMAND: usize = 16 * 1024;

/// Meaning of an inbound message.
#[derive(Debug, PartialEq)]
pub(crate) enum InboundEvent {
    /// Home Assistant has started.
    HomeAssistantStarted,
    /// A command for a source.
    Request(CommandRequest),
    /// The `info` of this run.
    OwnInfo,
    /// A last will or another client has published that this node is offline.
    DeclaredOffline,
    /// The `info` of another run under the same node name.
    PeerInfo(PeerInfo),
    /// Nothing of interest.
    Irrelevant,
}

/// The subscriptions of one run.
#[derive(Debug, Clone)]
pub(crate) struct Subscriptions {
    topics: Topics,
    run: String,
    birth: Option<String>,
    control: bool,
}

impl Subscriptions {
    /// Creates the subscriptions of `run`. `control` adds the command topics.
    pub(crate) fn new(topics: &Topics, run: &str, discovery: &Discovery, control: bool) -> Self {
        Self { topics: topics.clone(), run: run.to_owned(), birth: discovery.birth_topic(), control }
    }

    /// Topics to subscribe to, each with the consequence of a refusal.
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

    /// Topics to subscribe to.
    pub(crate) fn filters(&self) -> Vec<String> {
        self.subscriptions().into_iter().map(|(topic, _)| topic).collect()
    }

    /// Refused subscriptions, each with its consequence.
    pub(crate) fn refused(&self, refusals: &[Option<ReasonCode>]) -> Vec<(String, &'static str)> {
        let refused = |(_, refusal): &(_, &Option<ReasonCode>)| refusal.is_some();
        self.subscriptions().into_iter().zip(refusals).filter(refused).map(|(topic, _)| topic).collect()
    }

    /// Classifies a message.
    pub(crate) fn classify(&self, message: &InboundMessage) -> InboundEvent {
        let InboundMessage { topic, payload, retain } = message;
        if self.birth.as_deref() == Some(topic) {
            // Home Assistant does not retain it. A retained one may be old.
            return if payload == b"online" && !retain {
                InboundEvent::HomeAssistantStarted
            } else {
                InboundEvent::Irrelevant
            };
        }
        if *topic == self.topics.status() {
            return if payload != ONLINE.as_bytes() && !retain {
                InboundEvent::DeclaredOffline
            } else {
                InboundEvent::Irrelevant
            };
        }
        if *topic == self.topics.of_node("info") {
            // A retained `info` may be of a run that is gone.
            return match PeerInfo::parse(payload).filter(|_| !retain) {
                Some(peer) if *peer.run != *self.run => InboundEvent::PeerInfo(peer),
                Some(_) => InboundEvent::OwnInfo,
                None => InboundEvent::Irrelevant,
            };
        }
        if !self.control {
            return InboundEvent::Irrelevant;
        }
        let request = |source: &str, command| {
            let origin = CommandOrigin::Subscriber;
            InboundEvent::Request(CommandRequest { source: source.into(), command, origin })
        };
        type CommandParser = fn(&[u8]) -> SourceCommand;
        let commands: [(&str, CommandParser); 2] =
            [("set", command_parser::set), ("label/set", command_parser::label)];
        for (leaf, parse) in commands {
            let Some(source) = self.topics.source_of(topic, leaf) else { continue };
            return match (*retain, payload.len()) {
                // An empty message erases a retained command.
                (_, 0) => InboundEvent::Irrelevant,
                (true, _) => request(source, command_parser::retained()),
                (false, length) if length > MAX_COMMAND => request(source, command_parser::too_long()),
                (false, _) => request(source, parse(payload)),
            };
        }
        match self.topics.source_of(topic, "get") {
            Some(source) => request(source, SourceCommand::Get),
            None => InboundEvent::Irrelevant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::DiscoveryStyle;
    use super::*;

    #[test]
    fn messages_are_classified() {
        let topics = Topics::new("genred".into(), "den".into());
        let discovery = |style| Discovery {
            style,
            prefix: "homeassistant".into(),
            control: true,
            expire_after: 30,
            page_url: None,
        };
        let subscriptions = Subscriptions::new(&topics, "r1", &discovery(DiscoveryStyle::Device), true);
        let classify = |topic: &str, payload: &str, retain: bool| {
            let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
            subscriptions.classify(&InboundMessage { topic, payload, retain })
        };
        let set = |source: &str, command| {
            let origin = CommandOrigin::Subscriber;
            InboundEvent::Request(CommandRequest { source: source.into(), command, origin })
        };
        assert_eq!(classify("homeassistant/status", "online", false), InboundEvent::HomeAssistantStarted);
        assert_eq!(classify("homeassistant/status", "online", true), InboundEvent::Irrelevant);
        assert_eq!(classify("homeassistant/status", "offline", false), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/den/info", r#"{"run":"r1"}"#, false), InboundEvent::OwnInfo);
        assert_eq!(classify("genred/den/info", r#"{"run":"r1"}"#, true), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/den/info", "", false), InboundEvent::Irrelevant);
        let peer = PeerInfo {
            run: "r2".into(),
            instance: None,
            started: "2026-11-03T14:00:00.000Z".into(),
            sources: vec!["fm1".into()],
            labels: vec!["jazz".into()],
        };
        let info = r#"{"run":"r2","started":"2026-11-03T14:00:00.000Z","labels":["jazz"],"sources":[{"name":"fm1"}]}"#;
        assert_eq!(classify("genred/den/info", info, false), InboundEvent::PeerInfo(peer));
        assert_eq!(classify("genred/den/info", info, true), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/den/fm1/set", "{}", false), set("fm1", command_parser::set(b"{}")));
        assert_eq!(classify("genred/den/fm1/set", "{}", true), set("fm1", command_parser::retained()));
        assert_eq!(classify("genred/den/fm1/set", "", false), InboundEvent::Irrelevant);
        assert_eq!(
            classify("genred/den/fm1/set", &" ".repeat(20_000), false),
            set("fm1", command_parser::too_long())
        );
        assert_eq!(
            classify("genred/den/fm1/label/set", "jazz", false),
            set("fm1", command_parser::label(b"jazz"))
        );
        assert_eq!(
            classify("genred/den/fm1/label/set", "jazz", true),
            set("fm1", command_parser::retained())
        );
        assert_eq!(classify("genred/den/fm1/label/set", "", false), InboundEvent::Irrelevant);
        assert_eq!(
            classify("genred/den/fm1/label/set", &" ".repeat(20_000), false),
            set("fm1", command_parser::too_long())
        );
        // The answer to a command.
        assert_eq!(classify("genred/den/fm1/label", "{}", false), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/den/status", "offline", false), InboundEvent::DeclaredOffline);
        assert_eq!(classify("genred/den/status", "offline", true), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/den/status", "online", false), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/den/fm1/get", "", false), set("fm1", SourceCommand::Get));
        assert_eq!(classify("genred/den/a/b/set", "{}", false), InboundEvent::Irrelevant);
        assert_eq!(classify("genred/attic/fm1/set", "{}", false), InboundEvent::Irrelevant);

        let all = [
            "genred/den/info",
            "genred/den/status",
            "homeassistant/status",
            "genred/den/+/set",
            "genred/den/+/get",
            "genred/den/+/label/set",
        ];
        assert_eq!(subscriptions.filters(), all);
        let quiet = Subscriptions::new(&topics, "r1", &discovery(DiscoveryStyle::Off), false);
        assert_eq!(quiet.filters(), all[..2]);
        let refused =
            subscriptions.refused(&[None, None, Some(ReasonCode::NOT_AUTHORIZED), None, None, None]);
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].0, "homeassistant/status");
    }
}
