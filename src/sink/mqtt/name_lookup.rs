//! Connection that looks up a node name.

use std::time::{Duration, Instant};

use tokio::time::{timeout, timeout_at};

use super::config::MqttConfig;
use super::failure::ConnectionFailure;
use super::name_probe::{LookupQuery, NameLookup, NameProbe};
use super::protocol::{BrokerLimits, BrokerSignal};
use super::wire::{MqttClient, MqttEvents, open};

/// Time limit for connecting and reading together.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);

/// Time limit for a DISCONNECT.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Reads the retained messages under a node name. Also returns the limits of the broker.
///
/// # Errors
/// Fails if there is no connection or no answer.
pub(crate) async fn look_up(
    config: MqttConfig,
    query: LookupQuery,
) -> Result<(NameLookup, BrokerLimits), ConnectionFailure> {
    let (client, mut events) = open(&config, &query.request)?;
    let time_limit = LOOKUP_TIMEOUT + query.peer_timeout;
    let result = timeout(time_limit, read_retained(&client, &mut events, query))
        .await
        .unwrap_or_else(|_| Err(ConnectionFailure::stalled()))?;
    disconnect(&client, &mut events).await;
    Ok(result)
}

async fn read_retained(
    client: &MqttClient,
    events: &mut MqttEvents,
    query: LookupQuery,
) -> Result<(NameLookup, BrokerLimits), ConnectionFailure> {
    let mut probe = NameProbe::new(query);
    loop {
        let signal = match probe.deadline() {
            Some(deadline) => match timeout_at(deadline.into(), events.poll()).await {
                Ok(signal) => signal?,
                Err(_) => break,
            },
            None => events.poll().await?,
        };
        if matches!(signal, BrokerSignal::Connected(_)) {
            // The queue of a new client is empty.
            client.subscribe(probe.filters());
        }
        if probe.on_signal(signal, Instant::now()) {
            break;
        }
    }
    probe.into_result().ok_or_else(ConnectionFailure::stalled)
}

/// Disconnects without publishing the last will.
pub(crate) async fn disconnect(client: &MqttClient, events: &mut MqttEvents) {
    client.disconnect();
    let disconnected =
        async { while !matches!(events.poll().await, Ok(BrokerSignal::Disconnected) | Err(_)) {} };
    let _ = timeout(DISCONNECT_TIMEOUT, disconnected).await;
}
