//! Messages that were written and not yet answered, in the order of writing. Pure.

use std::collections::VecDeque;

use super::suppression::MessageSize;

/// A written message.
#[derive(Debug)]
pub(crate) struct UnansweredMessage {
    /// 0 at quality of service 0, which is never answered.
    pub(crate) packet_id: u16,
    pub(crate) message: MessageSize,
    /// The daemon is of use without this message.
    pub(crate) dispensable: bool,
}

/// All unanswered messages, oldest first.
#[derive(Debug, Default)]
pub(crate) struct UnansweredMessages(VecDeque<UnansweredMessage>);

impl UnansweredMessages {
    pub(crate) fn push(&mut self, message: UnansweredMessage) {
        self.0.push_back(message);
    }

    /// Removes the answered message, and messages of quality of service 0 before it: brokers read
    /// in order.
    pub(crate) fn answered(&mut self, packet_id: u16) -> Option<MessageSize> {
        let index = self.0.iter().position(|message| message.packet_id == packet_id)?;
        let answered = self.0.remove(index);
        let mut before = index;
        self.0.retain(|message| {
            let processed = before > 0 && message.packet_id == 0;
            before = before.saturating_sub(1);
            !processed
        });
        answered.map(|message| message.message)
    }

    /// Removes and returns the oldest.
    pub(crate) fn pop_oldest(&mut self) -> Option<UnansweredMessage> {
        self.0.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_covers_earlier_messages_of_quality_of_service_0() {
        let mut unanswered = UnansweredMessages::default();
        for (packet_id, topic) in [(1, "a"), (0, "b"), (2, "c"), (0, "d"), (3, "e")] {
            let message = MessageSize { topic: topic.to_owned(), bytes: 1 };
            unanswered.push(UnansweredMessage { packet_id, message, dispensable: true });
        }
        assert_eq!(unanswered.answered(2).unwrap().topic, "c");
        assert_eq!(unanswered.answered(2), None);
        let mut left = Vec::new();
        while let Some(message) = unanswered.pop_oldest() {
            left.push(message.message.topic);
        }
        assert_eq!(left, ["a", "d", "e"]);
    }
}
