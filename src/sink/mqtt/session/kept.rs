//! Messages that a broker should have once everything has been published.

use std::collections::BTreeMap;

use super::Session;
use crate::sink::mqtt::slot::Slot;
use crate::sink::mqtt::withheld::Sized;

/// Bytes of topics that one subscription may name.
const SUBSCRIPTION: usize = 4096;

impl Session {
    /// Messages that the broker keeps if all is well: `info`, the largest state and attributes, and the announcements.
    /// As many as one subscription may name.
    pub fn kept(&self) -> Vec<Sized> {
        let mut announced = Vec::new();
        let mut largest: BTreeMap<&str, Sized> = BTreeMap::new();
        for (slot, content) in &self.slots {
            let kind = match slot {
                Slot::Announcement(_) => "",
                Slot::Info => "info",
                Slot::State(_) => "state",
                Slot::Attributes(_) => "attributes",
                _ => continue,
            };
            let publication = slot.publication(&content.value, &self.topics, self.mqtt_stats());
            let fits = self.limits.fits(&publication);
            let message = Sized { topic: publication.topic, bytes: publication.payload.len() };
            let withheld = self.withheld.holds(&message.topic, message.bytes);
            if !fits || withheld || self.withheld.is_known(&message.topic) {
                continue;
            }
            if kind.is_empty() {
                announced.push(message);
            } else if largest.get(kind).is_none_or(|other| other.bytes < message.bytes) {
                largest.insert(kind, message);
            }
        }
        let mut room = SUBSCRIPTION.min(self.limits.max_packet / 2);
        let all = largest.into_values().chain(announced);
        all.take_while(|message| {
            let needed = message.topic.len() + 3;
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        })
        .collect()
    }

    /// Of the messages of [`kept`](Self::kept), the broker has `there` and lacks `missing`. Whether those are withheld
    /// from now on, because all of them are larger than any that is there.
    pub fn audited(&mut self, there: &[Sized], missing: &[Sized]) -> bool {
        let largest = there.iter().map(|message| message.bytes).max();
        let smallest = missing.iter().map(|message| message.bytes).min();
        let is_size = matches!((largest, smallest), (Some(taken), Some(refused)) if refused > taken);
        for message in missing.iter().filter(|_| is_size) {
            self.withheld.refused(message);
        }
        is_size
    }
}
