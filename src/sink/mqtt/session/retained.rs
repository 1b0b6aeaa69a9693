//! Retained messages that an audit expects.

use std::collections::BTreeMap;

use super::Session;
use crate::sink::mqtt::retained_topic::RetainedTopic;
use crate::sink::mqtt::suppression::MessageSize;

/// Size limit of the audit's SUBSCRIBE packet, in bytes.
const MAX_SUBSCRIBE: usize = 4096;

impl Session {
    /// Retained messages to audit: `info`, the largest state and attributes, and the announcements,
    /// as many as fit in one SUBSCRIBE packet.
    pub(crate) fn expected_retained(&self) -> Vec<MessageSize> {
        let mut announced = Vec::new();
        let mut largest: BTreeMap<&str, MessageSize> = BTreeMap::new();
        for (topic, entry) in &self.latest {
            let kind = match topic {
                RetainedTopic::Announcement(_) => "",
                RetainedTopic::Info => "info",
                RetainedTopic::State(_) => "state",
                RetainedTopic::Attributes(_) => "attributes",
                _ => continue,
            };
            let publication = topic.publication(&entry.value, &self.topics, self.mqtt_stats());
            let allowed = self.limits.allows(&publication);
            let message = MessageSize { topic: publication.topic, bytes: publication.payload.len() };
            let suppressed = self.suppression.suppresses(&message.topic, message.bytes);
            if !allowed || suppressed || self.suppression.is_temporarily_refused(&message.topic) {
                continue;
            }
            if kind.is_empty() {
                announced.push(message);
            } else if largest.get(kind).is_none_or(|other| other.bytes < message.bytes) {
                largest.insert(kind, message);
            }
        }
        let mut room = MAX_SUBSCRIBE.min(self.limits.max_packet / 2);
        let all = largest.into_values().chain(announced);
        all.take_while(|message| {
            let needed = message.topic.len() + 3;
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        })
        .collect()
    }

    /// Applies the result of an audit. If every missing message is larger than every received one,
    /// suppresses the missing messages and returns true.
    pub(crate) fn on_audit(&mut self, received: &[MessageSize], missing: &[MessageSize]) -> bool {
        let largest = received.iter().map(|message| message.bytes).max();
        let smallest = missing.iter().map(|message| message.bytes).min();
        let is_size = matches!((largest, smallest), (Some(taken), Some(refused)) if refused > taken);
        for message in missing.iter().filter(|_| is_size) {
            self.suppression.on_refused(message);
        }
        is_size
    }
}
