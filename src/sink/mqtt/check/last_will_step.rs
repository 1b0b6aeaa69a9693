//! The step `last will` of `genred test-mqtt`: checks that the broker accepts the last will.

use super::probe::{BrokerProbe, attempt};
use crate::sink::mqtt::failure::{ConnectionFailure, FailureKind};
use crate::sink::mqtt::last_will::LastWill;
use crate::sink::mqtt::name_lookup::disconnect;
use crate::sink::mqtt::protocol::ConnectRequest;

impl BrokerProbe<'_> {
    /// Checks the last will of the daemon, on a connection of its own that ends with a DISCONNECT.
    pub(super) async fn check_last_will(&mut self) -> Result<String, ConnectionFailure> {
        self.leave().await;
        let topic = LastWill::topic(&self.topics);
        let request = self.negotiation.request(&self.id, None);
        let wish = |retain, qos| {
            let last_will = Some(LastWill { topic: topic.clone(), qos, retain });
            ConnectRequest { last_will, ..request.clone() }
        };
        // The limits of the broker are known before a will is tried.
        let outcome = match (self.negotiation.retain(), self.negotiation.max_qos()) {
            (false, _) => Err(ConnectionFailure::new(FailureKind::WillRetain, "", "")),
            (true, 0) => Err(ConnectionFailure::new(FailureKind::WillQos, "", "")),
            (true, _) => attempt(self.config, &wish(true, 1)).await,
        };
        let failure = match outcome {
            Ok((client, mut events, _)) => {
                disconnect(&client, &mut events).await;
                return Ok(format!("`offline` on {topic}, retained, quality of service 1"));
            }
            Err(failure) => failure,
        };
        // MQTT 3.1.1 has no code for a refused will: the cause is found by trying others.
        let mut kind = failure.kind;
        if kind == FailureKind::Closed {
            for (retain, qos, found) in [(false, 1, FailureKind::WillRetain), (true, 0, FailureKind::WillQos)]
            {
                if let Ok((client, mut events, _)) = attempt(self.config, &wish(retain, qos)).await {
                    disconnect(&client, &mut events).await;
                    self.negotiation.restrict(retain, qos);
                    kind = found;
                    break;
                }
            }
        }
        Err(match kind {
            FailureKind::WillRetain => ConnectionFailure::new(
                kind,
                "the broker takes no retained messages: late subscribers see nothing until the next message, and Home Assistant forgets the entities at its restart",
                "allow retained messages (mosquitto: `retain_available true`); genred does without until then",
            ),
            FailureKind::WillQos => ConnectionFailure::new(
                kind,
                "the broker offers quality of service 0 alone: events may be lost",
                "allow quality of service 1 (mosquitto: `max_qos 1`); genred does without until then",
            ),
            _ => ConnectionFailure {
                reason: format!(
                    "a last will on {topic} is not accepted ({}): a daemon that dies stays `online`",
                    failure.reason
                ),
                ..failure
            },
        })
    }
}
