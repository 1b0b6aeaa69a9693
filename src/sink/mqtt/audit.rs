//! Audit of retained messages. MQTT 3.1.1 lets a broker drop a message silently, so the first
//! complete set of retained messages is read back through a subscription. Pure.

use super::suppression::MessageSize;

/// An audit in progress.
#[derive(Debug)]
pub(crate) struct RetainedAudit {
    /// Expected messages, in the order of the subscriptions.
    messages: Vec<MessageSize>,
    received: Vec<bool>,
    refused: Vec<bool>,
    /// The SUBACK has arrived.
    pub(crate) subscribed: bool,
}

impl RetainedAudit {
    /// An audit of `messages`.
    pub(crate) fn new(messages: Vec<MessageSize>) -> Self {
        let none = vec![false; messages.len()];
        Self { received: none.clone(), refused: none, messages, subscribed: false }
    }

    /// Topics to subscribe to.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &String> {
        self.messages.iter().map(|message| &message.topic)
    }

    /// Records the SUBACK: true for each refused subscription, in their order. Messages of a
    /// refused subscription cannot be audited.
    pub(crate) fn on_subscribed(&mut self, refused: impl IntoIterator<Item = bool>) {
        self.subscribed = true;
        for (place, refused) in self.refused.iter_mut().zip(refused) {
            *place = refused;
        }
    }

    /// Records a message on `topic`.
    pub(crate) fn on_message(&mut self, topic: &str) {
        if let Some(at) = self.messages.iter().position(|message| message.topic == topic) {
            self.received[at] = true;
        }
    }

    /// Returns true once no message is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.subscribed && self.missing().next().is_none()
    }

    fn missing(&self) -> impl Iterator<Item = &MessageSize> {
        let states = self.received.iter().zip(&self.refused);
        self.messages
            .iter()
            .zip(states)
            .filter(|(_, (received, refused))| !**received && !**refused)
            .map(|(m, _)| m)
    }

    /// Received and missing messages.
    pub(crate) fn verdict(&self) -> (Vec<MessageSize>, Vec<MessageSize>) {
        let received = self.messages.iter().zip(&self.received).filter(|(_, received)| **received);
        (received.map(|(message, _)| message.clone()).collect(), self.missing().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_not_received_are_missing() {
        let message = |topic: &str| MessageSize { topic: topic.to_owned(), bytes: 1 };
        let mut audit = RetainedAudit::new(vec![message("a"), message("b"), message("c"), message("d")]);
        assert!(audit.topics().eq(["a", "b", "c", "d"].iter()));
        // Some brokers send retained messages before the SUBACK.
        audit.on_message("a");
        assert!(!audit.is_complete());
        audit.on_subscribed([false, true, false]);
        audit.on_message("another topic");
        assert!(!audit.is_complete());
        audit.on_message("d");
        let (received, missing) = audit.verdict();
        assert_eq!((received.len(), missing), (2, vec![message("c")]));
    }
}
