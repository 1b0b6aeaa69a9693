//! Steps that use MQTT.

use tokio::time::timeout;

use super::probe::{BrokerProbe, ECHO_TIMEOUT, wait};
use crate::sink::mqtt::config::DiscoveryStyle;
use crate::sink::mqtt::failure::{ConnectionFailure, FailureKind};
use crate::sink::mqtt::protocol::BrokerSignal;
use crate::sink::mqtt::publication::Publication;
use crate::sink::mqtt::suppression::MessageSize;

/// Content of test messages, and last level of their topic.
const TEST: &str = "test";

const RETAIN_CURE: &str = "allow retained messages (mosquitto: `retain_available true`)";

impl BrokerProbe<'_> {
    /// Runs all steps; `record` returns true for a success.
    pub(super) async fn run(
        mut self,
        record: &mut impl FnMut(&'static str, Result<String, ConnectionFailure>) -> bool,
    ) {
        if !record("authenticate", self.authenticate().await) {
            return;
        }
        record("last will", self.check_last_will().await);
        let test = self.topics.of_node(TEST);
        let subscribed = self.subscribe(&test).await;
        let goes_on = record("subscribe", subscribed.map(|()| test.clone()));
        if !goes_on {
            return self.leave().await;
        }
        let published = self.publish(&test, TEST.into(), false).await;
        let reads = published.as_ref().is_ok_and(|back| *back);
        let refusal = published.as_ref().err().map(|failure| failure.kind);
        // A refusal in MQTT 5 corresponds to a missing echo in MQTT 3.1.1.
        let published = published.map(|_| test.clone()).map_err(|failure| ConnectionFailure {
            reason: format!(
                "a message on {test} is not accepted ({}): nobody would see anything of genred",
                failure.reason
            ),
            cure: match failure.kind {
                FailureKind::Closed => {
                    "allow this user to publish under `mqtt.prefix`, in the broker's access list"
                }
                _ => failure.cure,
            },
            ..failure
        });
        let published = record("publish", published);
        if published {
            let reads_back = reads.then(|| test.clone()).ok_or_else(|| {
                ConnectionFailure::new(
                    FailureKind::Other,
                    format!(
                        "what is published on {test} is not passed on: nobody would see anything of genred"
                    ),
                    "allow this user to publish under `mqtt.prefix`, in the broker's access list",
                )
            });
            record("read back", reads_back);
        }
        if reads {
            record("retain", self.retain(&test).await);
            record("message size", self.size(&test).await);
        }
        if self.config.discovery != DiscoveryStyle::Off && refusal != Some(FailureKind::Silent) {
            record("discovery", self.discovery().await);
        }
        self.leave().await;
    }

    /// Checks that a retained message reaches a later subscriber.
    async fn retain(&mut self, topic: &str) -> Result<String, ConnectionFailure> {
        let lost = "late subscribers, and a restarted Home Assistant, see nothing until the next message";
        if !self.negotiation.retain() {
            return Err(ConnectionFailure::new(
                FailureKind::Other,
                format!("the broker takes no retained messages: {lost}"),
                RETAIN_CURE,
            ));
        }
        let outcome = self.publish(topic, TEST.into(), true).await;
        let kept = match outcome {
            Ok(_) => self.is_kept(topic).await,
            Err(failure) => Err(failure),
        };
        // Erased in any case.
        let _ = self.publish(topic, Vec::new(), true).await;
        match kept {
            Ok(true) => Ok(format!("{topic} is kept for late subscribers")),
            Ok(false) => Err(ConnectionFailure::new(
                FailureKind::Other,
                format!("{topic} is not kept: {lost}"),
                RETAIN_CURE,
            )),
            Err(failure) => {
                let reason = format!("a retained message is not accepted ({}): {lost}", failure.reason);
                Err(ConnectionFailure { reason, cure: RETAIN_CURE, ..failure })
            }
        }
    }

    async fn is_kept(&mut self, topic: &str) -> Result<bool, ConnectionFailure> {
        // A new connection, as that of a later subscriber.
        self.leave().await;
        self.ensure_connected().await?;
        let Some((client, events, _)) = &mut self.connection else {
            return Err(ConnectionFailure::stalled());
        };
        client.subscribe([topic.to_owned()]);
        let kept = wait(events, |signal| match signal {
            BrokerSignal::Message(message) => (message.topic == topic).then_some(()),
            _ => None,
        });
        match timeout(ECHO_TIMEOUT, kept).await {
            Ok(outcome) => self.check_connection(outcome).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Checks a message as large as the largest of the daemon.
    async fn size(&mut self, topic: &str) -> Result<String, ConnectionFailure> {
        let MessageSize { topic: largest, bytes } = self.largest.clone();
        let lost = match largest.ends_with("/config") {
            true => "Home Assistant would not learn of the entities",
            false => "subscribers would not learn what runs here",
        };
        let cure = "raise the broker's limit (mosquitto: `message_size_limit`, `max_packet_size`), or use fewer labels";
        self.ensure_connected().await?;
        let limit = self.connection.as_ref().map(|(_, _, limits)| limits.clone());
        // The size includes the longer topic of that message.
        let payload = vec![b' '; bytes + largest.len().saturating_sub(topic.len())];
        let message = Publication { topic: topic.to_owned(), qos: 1, retain: true, payload: payload.clone() };
        if let Some(limits) = limit.filter(|limits| !limits.allows(&message)) {
            let limit = limits.max_packet;
            let reason =
                format!("{largest} has {bytes} bytes and the broker takes packets of {limit}: {lost}");
            return Err(ConnectionFailure::new(FailureKind::Other, reason, cure));
        }
        // A new connection is subscribed to nothing.
        self.subscribe(topic).await?;
        let why = match self.publish(topic, payload, false).await {
            Ok(true) => return Ok(format!("{bytes} bytes, as {largest} has")),
            Ok(false) => "is not passed on".to_owned(),
            Err(failure) => format!("is not accepted ({})", failure.reason),
        };
        let reason = format!("a message of {bytes} bytes, as {largest} has, {why}: {lost}");
        Err(ConnectionFailure::new(FailureKind::Other, reason, cure))
    }

    /// Checks the topics of Home Assistant. An empty message announces nothing.
    async fn discovery(&mut self) -> Result<String, ConnectionFailure> {
        let prefix = &self.config.discovery_prefix;
        let topic = format!("{prefix}/device/genred_{}__{TEST}/config", self.topics.node());
        let birth = format!("{prefix}/status");
        let lost = "Home Assistant would not learn of the entities";
        let cure =
            "allow this user to publish under `mqtt.discovery_prefix`, or set `mqtt.discovery = \"off\"`";
        let subscribed = self.subscribe(&topic).await;
        let why = match self.publish(&topic, Vec::new(), false).await {
            Ok(true) => {
                return self.subscribe(&birth).await.map(|()| topic);
            }
            // Without a subscription there is no echo.
            Ok(false) if subscribed.is_err() => {
                return Err(subscribed.err().unwrap_or_else(ConnectionFailure::stalled));
            }
            Ok(false) => "is not passed on".to_owned(),
            Err(failure) => format!("is not accepted ({})", failure.reason),
        };
        Err(ConnectionFailure::new(
            FailureKind::Other,
            format!("what is published on {topic} {why}: {lost}"),
            cure,
        ))
    }
}
