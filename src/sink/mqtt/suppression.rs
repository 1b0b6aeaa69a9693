//! Suppression of messages that the broker refuses. Pure.
//!
//! MQTT 5 refuses with a reason code. In MQTT 3.1.1 a broker drops the message silently or closes
//! the connection. The refused message is found by sending one at a time: it is the one that was
//! unanswered when the connection was closed, twice in a row.

use std::collections::{HashMap, HashSet};

use super::reason_code::ReasonCode;

/// Topic and payload size of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageSize {
    pub(crate) topic: String,
    /// Size of the payload, in bytes.
    pub(crate) bytes: usize,
}

/// A message that the broker refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedMessage {
    pub(crate) message: MessageSize,
    /// Reason code; `None` if the broker closed the connection.
    pub(crate) reason: Option<ReasonCode>,
    /// The message is not sent again.
    pub(crate) suppressed: bool,
}

/// End of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// The broker closed it.
    Closed,
    /// The broker refused the oldest unanswered message.
    Refused(ReasonCode),
    Other,
}

/// Messages known to be refused.
#[derive(Debug, Default)]
pub(crate) struct Suppression {
    /// Topics that are not published to.
    topics: HashSet<String>,
    /// Topics that were refused for a reason that may pass. They are published to all the same.
    temporary: HashSet<String>,
    /// Size limits by the first level of the topic, on which access rights depend.
    sizes: HashMap<String, SizeLimits>,
    /// The single unanswered message when the last connection was closed.
    suspect: Option<MessageSize>,
}

#[derive(Debug)]
struct SizeLimits {
    largest_accepted: usize,
    /// Smallest refused size that is larger than any accepted one.
    smallest_refused: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self { largest_accepted: 0, smallest_refused: usize::MAX }
    }
}

impl Suppression {
    /// Returns true if the message must not be sent.
    pub(crate) fn suppresses(&self, topic: &str, bytes: usize) -> bool {
        if self.topics.contains(topic) {
            return true;
        }
        self.sizes.get(first_level(topic)).is_some_and(|sizes| bytes >= sizes.smallest_refused)
    }

    /// Records a refusal for a reason that may pass.
    pub(crate) fn on_temporary_refusal(&mut self, topic: &str) {
        self.temporary.insert(topic.to_owned());
    }

    /// Returns true if the last message on `topic` was refused for a reason that may pass.
    pub(crate) fn is_temporarily_refused(&self, topic: &str) -> bool {
        self.temporary.contains(topic)
    }

    /// Records an accepted message.
    pub(crate) fn on_accepted(&mut self, topic: &str, bytes: usize) {
        if self.suspect.as_ref().is_some_and(|suspect| suspect.topic == topic) {
            self.suspect = None;
        }
        self.temporary.remove(topic);
        let sizes = self.sizes.entry(first_level(topic).to_owned()).or_default();
        sizes.largest_accepted = sizes.largest_accepted.max(bytes);
        if bytes >= sizes.smallest_refused {
            sizes.smallest_refused = usize::MAX;
        }
    }

    /// Records a refused message and suppresses its topic. Returns false if it already was.
    pub(crate) fn on_refused(&mut self, message: &MessageSize) -> bool {
        let MessageSize { topic, bytes } = message;
        let sizes = self.sizes.entry(first_level(topic).to_owned()).or_default();
        if *bytes > sizes.largest_accepted {
            sizes.smallest_refused = sizes.smallest_refused.min(*bytes);
        }
        self.suspect = None;
        self.topics.insert(topic.clone())
    }

    /// Records that the broker closed the connection while only `message` was unanswered. Returns
    /// true if that is the second time in a row; the message is then suppressed if it is
    /// `dispensable`.
    pub(crate) fn on_closed(&mut self, message: MessageSize, dispensable: bool) -> bool {
        let repeated = self.suspect.as_ref().is_some_and(|suspect| suspect.topic == message.topic);
        if repeated && dispensable {
            self.on_refused(&message);
        }
        self.suspect = (!(repeated && dispensable)).then_some(message);
        repeated
    }

    /// Forgets the suspect: the connection ended for another reason.
    pub(crate) fn clear_suspect(&mut self) {
        self.suspect = None;
    }
}

fn first_level(topic: &str) -> &str {
    topic.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, bytes: usize) -> MessageSize {
        MessageSize { topic: topic.to_owned(), bytes }
    }

    #[test]
    fn two_closed_connections_in_a_row_suppress_a_message() {
        let mut suppression = Suppression::default();
        let large = || message("homeassistant/device/a/config", 3400);
        assert!(!suppression.on_closed(large(), true));
        suppression.clear_suspect();
        assert!(!suppression.on_closed(large(), true));
        assert!(!suppression.on_closed(message("genred/den/info", 700), true));
        assert!(!suppression.on_closed(large(), true));
        assert!(!suppression.suppresses("homeassistant/device/a/config", 3400));
        assert!(suppression.on_closed(large(), true));
        assert!(suppression.suppresses("homeassistant/device/a/config", 1));
        // Others of at least that size are suppressed, too.
        assert!(suppression.suppresses("homeassistant/device/b/config", 3400));
        assert!(!suppression.suppresses("homeassistant/device/b/config", 3399));
        assert!(!suppression.suppresses("genred/den/info", 3400));
    }

    #[test]
    fn an_accepted_size_is_not_the_cause_of_a_refusal() {
        let mut suppression = Suppression::default();
        suppression.on_accepted("genred/den/info", 900);
        assert!(suppression.on_refused(&message("genred/den/a/attributes", 600)));
        assert!(!suppression.on_refused(&message("genred/den/a/attributes", 600)));
        assert!(suppression.suppresses("genred/den/a/attributes", 10));
        assert!(!suppression.suppresses("genred/den/b/attributes", 600));
        // A larger one may be.
        assert!(suppression.on_refused(&message("genred/den/c/attributes", 1200)));
        assert!(suppression.suppresses("genred/den/d/attributes", 1200));
        suppression.on_accepted("genred/den/info", 1300);
        assert!(!suppression.suppresses("genred/den/d/attributes", 1200));
    }

    #[test]
    fn an_accepted_message_is_no_suspect() {
        let mut suppression = Suppression::default();
        assert!(!suppression.on_closed(message("genred/den/info", 10), true));
        suppression.on_accepted("genred/den/info", 10);
        assert!(!suppression.on_closed(message("genred/den/info", 10), true));
    }
}
