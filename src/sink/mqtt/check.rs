//! `genred test-mqtt`: checks a broker step by step, so that the failing step is known.

mod last_will_step;
mod network;
mod probe;
mod steps;

use std::sync::Arc;

use self::network::{resolve, secure, tcp_connect, within};
use self::probe::BrokerProbe;
use super::config::MqttConfig;
use super::discovery::{Discovery, PreviousRun};
use super::failure::ConnectionFailure;
use super::negotiation::client_id;
use super::publication::encode;
use super::suppression::MessageSize;
use crate::event::{DaemonInfo, SourceIdentity};
use crate::sink::payload::InfoPayload;
use crate::sink::topics::Topics;

/// A step and its result.
#[derive(Debug)]
pub(crate) struct CheckStep {
    /// `resolve`, `connect`, `tls`, `authenticate`, `last will`, `subscribe`, `publish`, `read
    /// back`, `retain`, `message size`, `discovery`.
    pub(crate) stage: &'static str,
    /// Finding or failure.
    pub(crate) outcome: Result<String, ConnectionFailure>,
}

/// Content of the `info` that the daemon would publish.
#[derive(Debug, Clone)]
pub(crate) struct CheckContents {
    /// Labels of the head.
    pub(crate) labels: Vec<Arc<str>>,
    pub(crate) sources: Vec<SourceIdentity>,
}

/// Runs all steps and reports each. Returns true if all succeed. Leaves nothing at the broker.
/// `run` is a random id.
pub(crate) async fn check(
    config: &MqttConfig,
    node: &str,
    run: &str,
    contents: CheckContents,
    report: &mut dyn FnMut(&CheckStep),
) -> bool {
    let mut all_succeeded = true;
    let mut record = |stage, outcome: Result<String, ConnectionFailure>| {
        let succeeded = outcome.is_ok();
        report(&CheckStep { stage, outcome });
        all_succeeded &= succeeded;
        succeeded
    };
    let server = &config.server;
    let addresses = match within(resolve(server)).await {
        Ok(addresses) => {
            let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            record("resolve", Ok(format!("{} is {}", server.host, list.join(", "))));
            addresses
        }
        Err(failure) => return record("resolve", Err(failure)),
    };
    let stream = match within(tcp_connect(&addresses)).await {
        Ok(stream) => {
            let peer = stream.peer_addr().map_or(String::new(), |peer| peer.to_string());
            record("connect", Ok(format!("{peer} listens")));
            stream
        }
        Err(failure) => return record("connect", Err(failure)),
    };
    if server.transport.is_secured() && !record("tls", within(secure(config, stream)).await) {
        return false;
    }
    let topics = Topics::new(config.prefix.clone(), node.into());
    let largest = largest(config, &topics, run, contents);
    let probe = BrokerProbe::new(config, topics, client_id(node, run), largest);
    probe.run(&mut record).await;
    all_succeeded
}

/// Largest message that the daemon would publish after it connects.
fn largest(config: &MqttConfig, topics: &Topics, run: &str, contents: CheckContents) -> MessageSize {
    let info = DaemonInfo {
        run: run.into(),
        instance: Some(run.into()),
        version: env!("CARGO_PKG_VERSION"),
        started: jiff::Timestamp::now(),
        model: "model".into(),
        model_sha256: "0".repeat(64).into(),
        head: "head".into(),
        labels: contents.labels,
        execution_provider: "cpu",
        execution_provider_reason: "".into(),
        lookahead_ms: 0.0,
        hop_s: 1.0,
        sources: contents.sources,
    };
    let plan = Discovery::of(config).plan(topics, &info, &PreviousRun::default());
    let announced = plan.announcements.into_iter().map(|message| (message.topic, message.payload.len()));
    let all = announced.chain([(topics.of_node("info"), encode(&InfoPayload::from(&info)).len())]);
    let (topic, bytes) = all.max_by_key(|(_, bytes)| *bytes).unwrap_or_default();
    MessageSize { topic, bytes }
}
