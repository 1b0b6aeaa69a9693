//! Reports of the lifecycle for the log.

use std::time::Duration;

use super::failure::ConnectionFailure;
use super::protocol::BrokerLimits;
use super::suppression::{MessageSize, RefusedMessage};

/// An occurrence that the log should show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConnectionNotice {
    Connected {
        limits: BrokerLimits,
        waiting_events: usize,
    },
    /// MQTT 5 was tried, and MQTT 3.1.1 works.
    FellBack,
    /// A connection or an attempt failed.
    Lost {
        failure: ConnectionFailure,
        /// The message that caused it, if known.
        refused: Option<RefusedMessage>,
        /// Duration of the connection; zero for a failed attempt.
        lasted: Duration,
        retry_in: Duration,
        waiting_events: usize,
    },
    /// The daemon ends without a connection.
    Abandoned {
        waiting_events: usize,
    },
    /// The broker refused a message with a reason code.
    Refused(RefusedMessage),
    /// A message exceeds the size limit of the broker.
    Oversized {
        message: MessageSize,
        max_packet: usize,
    },
    /// The audit found retained messages missing.
    Missing {
        messages: Vec<MessageSize>,
        suppressed: bool,
    },
    /// A message on `topic` was not echoed back.
    NotEchoed {
        topic: String,
    },
    /// The broker refused subscriptions: topics, each with the consequence.
    NotSubscribed(Vec<(String, &'static str)>),
    /// Another daemon uses the node name.
    NameTaken {
        node: String,
    },
    /// Another daemon has used the node name for longer.
    NameYielded {
        node: String,
    },
    /// This run publishes under an alternative name.
    Renamed {
        node: String,
    },
    /// The time for waiting events is over.
    FlushTimeout {
        waiting_events: usize,
    },
    /// The broker did not acknowledge `offline` in time.
    LeaveTimeout,
}
