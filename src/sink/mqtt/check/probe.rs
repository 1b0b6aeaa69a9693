//! Connections of a check.

use std::time::Duration;

use tokio::time::timeout;

use super::network::{STEP_TIMEOUT, within};
use crate::sink::mqtt::config::{MqttConfig, Protocol};
use crate::sink::mqtt::failure::{ConnectionFailure, FailureKind};
use crate::sink::mqtt::name_lookup::disconnect;
use crate::sink::mqtt::negotiation::Negotiation;
use crate::sink::mqtt::protocol::{BrokerLimits, BrokerSignal, ConnectRequest, ProtocolVersion};
use crate::sink::mqtt::publication::Publication;
use crate::sink::mqtt::suppression::MessageSize;
use crate::sink::mqtt::wire::{MqttClient, MqttEvents, open};
use crate::sink::topics::Topics;

/// Time limit for an echo.
pub(super) const ECHO_TIMEOUT: Duration = Duration::from_secs(5);

/// State of the steps that use MQTT.
pub(super) struct BrokerProbe<'a> {
    pub(super) config: &'a MqttConfig,
    pub(super) topics: Topics,
    pub(super) id: String,
    /// Largest message that the daemon would publish.
    pub(super) largest: MessageSize,
    pub(super) negotiation: Negotiation,
    pub(super) connection: Option<(MqttClient, MqttEvents, BrokerLimits)>,
}

impl<'a> BrokerProbe<'a> {
    pub(super) fn new(config: &'a MqttConfig, topics: Topics, id: String, largest: MessageSize) -> Self {
        let negotiation = Negotiation::new(config.protocol);
        Self { config, topics, id, largest, negotiation, connection: None }
    }

    /// Connects as the daemon does for its first lookup.
    pub(super) async fn authenticate(&mut self) -> Result<String, ConnectionFailure> {
        let limits = self.connect().await?;
        let who = match &self.config.login {
            Some(login) => format!("accepted as `{}`", login.username),
            None => "accepted without a login".to_owned(),
        };
        let id = match &limits.assigned_id {
            Some(id) => format!("client id `{id}`, which the broker chose"),
            None => format!("client id `{}`", self.id),
        };
        let fell_back = self.config.protocol == Protocol::Auto && limits.version == ProtocolVersion::V311;
        let note = if fell_back { " (the broker does not speak 5)" } else { "" };
        Ok(format!("{who}, MQTT {}{note}, {id}", limits.version))
    }

    /// Connects without a last will, in the version that the broker accepts.
    pub(super) async fn connect(&mut self) -> Result<BrokerLimits, ConnectionFailure> {
        loop {
            let request = self.negotiation.request(&self.id, None);
            match attempt(self.config, &request).await {
                Ok((client, events, limits)) => {
                    self.negotiation.accepted(&request, &limits);
                    let limits = self.negotiation.restricted(limits);
                    self.connection = Some((client, events, limits.clone()));
                    return Ok(limits);
                }
                Err(failure) if self.negotiation.failed(&request, &failure) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Connects again if the last connection was lost.
    pub(super) async fn ensure_connected(&mut self) -> Result<(), ConnectionFailure> {
        if self.connection.is_none() {
            self.connect().await?;
        }
        Ok(())
    }

    pub(super) async fn leave(&mut self) {
        if let Some((client, mut events, _)) = self.connection.take() {
            disconnect(&client, &mut events).await;
        }
    }

    pub(super) async fn subscribe(&mut self, topic: &str) -> Result<(), ConnectionFailure> {
        self.ensure_connected().await?;
        let Some((client, events, _)) = &mut self.connection else {
            return Err(ConnectionFailure::stalled());
        };
        // The queue is empty between steps.
        client.subscribe([topic.to_owned()]);
        let refusal = within(wait(events, |signal| match signal {
            BrokerSignal::Subscribed(refusals) => Some(refusals.iter().flatten().next().copied()),
            _ => None,
        }))
        .await;
        match self.check_connection(refusal)? {
            None => Ok(()),
            Some(reason) => Err(ConnectionFailure::new(
                FailureKind::Other,
                format!("the broker refuses the subscription to {topic}: {reason}"),
                "allow this user to read the topic, in the broker's access list",
            )),
        }
    }

    /// Publishes, and waits for the acknowledgement and the echo. Returns true if there was an
    /// echo.
    pub(super) async fn publish(
        &mut self,
        topic: &str,
        payload: Vec<u8>,
        retain: bool,
    ) -> Result<bool, ConnectionFailure> {
        self.ensure_connected().await?;
        let Some((client, events, limits)) = &mut self.connection else {
            return Err(ConnectionFailure::stalled());
        };
        let qos = limits.max_qos;
        let length = payload.len();
        client.publish(Publication { topic: topic.to_owned(), qos, retain, payload });
        let (mut echoed, mut answer) = (false, (qos == 0).then_some(None));
        let echo = wait(events, |signal| {
            match signal {
                BrokerSignal::Message(message)
                    if message.topic == topic && message.payload.len() == length =>
                {
                    echoed = true
                }
                BrokerSignal::Acknowledged(_, reason) => answer = Some(*reason),
                _ => {}
            }
            let refused = matches!(answer, Some(Some(_)));
            (refused || echoed && answer.is_some()).then_some(())
        });
        let outcome = timeout(ECHO_TIMEOUT, echo).await.unwrap_or(Ok(()));
        self.check_connection(outcome)?;
        match answer {
            None => Err(ConnectionFailure::stalled()),
            Some(None) => Ok(echoed),
            Some(Some(reason)) => Err(ConnectionFailure::new(
                FailureKind::Message(reason),
                format!("the broker refuses the message: {reason}"),
                reason.cure(),
            )),
        }
    }

    /// Drops a failed connection.
    pub(super) fn check_connection<T>(
        &mut self,
        outcome: Result<T, ConnectionFailure>,
    ) -> Result<T, ConnectionFailure> {
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }
}

/// Connects. A failure is early if the broker did not accept the connection.
pub(super) async fn attempt(
    config: &MqttConfig,
    request: &ConnectRequest,
) -> Result<(MqttClient, MqttEvents, BrokerLimits), ConnectionFailure> {
    let (client, mut events) = open(config, request)?;
    let granted = wait(&mut events, |signal| match signal {
        BrokerSignal::Connected(limits) => Some(limits.clone()),
        _ => None,
    });
    let limits = match timeout(STEP_TIMEOUT, granted).await {
        Ok(granted) => granted?,
        Err(_) => return Err(ConnectionFailure { early: true, ..ConnectionFailure::stalled() }),
    };
    Ok((client, events, limits))
}

/// Polls until `select` returns a value.
pub(super) async fn wait<T>(
    events: &mut MqttEvents,
    mut select: impl FnMut(&BrokerSignal) -> Option<T>,
) -> Result<T, ConnectionFailure> {
    loop {
        if let Some(found) = select(&events.poll().await?) {
            return Ok(found);
        }
    }
}
