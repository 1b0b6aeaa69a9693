//! Messages to the client, and their acknowledgements.

use super::{Delivery, Session};
use crate::sink::mqtt::publication::{Publication, encode};
use crate::sink::mqtt::reason_code::ReasonCode;
use crate::sink::mqtt::suppression::{MessageSize, RefusedMessage};
use crate::sink::mqtt::unanswered::UnansweredMessage;
use crate::sink::payload::WindowPayload;

/// Maximum number of windows that the client holds, so that they never hold up a state.
pub(super) const MAX_WINDOWS_IN_FLIGHT: usize = 64;

impl Session {
    /// Next message for the client, which holds it from then on.
    pub(crate) fn take(&mut self) -> Option<Publication> {
        if !self.connected {
            return None;
        }
        if self.one_at_a_time && self.queue.is_empty() && self.outbox.is_empty() && self.in_flight() == 0 {
            self.one_at_a_time = false;
        }
        let room = if self.one_at_a_time { 1 } else { self.limits.max_in_flight };
        while self.in_flight() < room
            && !(self.one_at_a_time && (!self.handed.is_empty() || !self.unanswered.is_empty()))
        {
            let (delivery, mut publication) = self.choose(room)?;
            publication.retain &= self.limits.retain;
            // One at a time needs an answer to each message.
            let least = u8::from(self.one_at_a_time);
            publication.qos = publication.qos.max(least).min(self.limits.max_qos);
            let message = MessageSize { topic: publication.topic.clone(), bytes: publication.payload.len() };
            if !self.limits.allows(&publication) {
                self.oversized.push(message);
                if let Delivery::Event(id, source) = delivery {
                    self.outbox.acknowledged(id, &source);
                }
                continue;
            }
            if delivery.is_dispensable() && self.suppression.suppresses(&message.topic, message.bytes) {
                continue;
            }
            self.handed.push_back((delivery, message));
            return Some(publication);
        }
        None
    }

    /// Takes back the last message from [`take`](Self::take), which the client did not accept.
    pub(crate) fn take_back(&mut self) {
        match self.handed.pop_back() {
            Some((Delivery::Topic(topic), _)) => {
                if let Some(content) = self.latest.get_mut(&topic)
                    && !content.queued
                {
                    content.queued = true;
                    self.queue.push_front(topic);
                }
            }
            Some((Delivery::Event(id, source), _)) => self.outbox.put_back(id, &source),
            Some((Delivery::Window(_) | Delivery::Reply, _)) | None => {}
        }
    }

    /// Records that the client has written the oldest message that it holds; `packet_id` is 0 at
    /// quality of service 0.
    pub(crate) fn sent(&mut self, packet_id: u16) {
        let Some((delivery, message)) = self.handed.pop_front() else { return };
        if self.limits.max_qos > 0 {
            self.unanswered.push(UnansweredMessage {
                packet_id,
                message,
                dispensable: delivery.is_dispensable(),
            });
        }
        if packet_id != 0 {
            self.unacknowledged.insert(packet_id, delivery);
        } else if self.limits.max_qos == 0 {
            // At quality of service 0 there is no other answer.
            self.complete(delivery);
        }
    }

    /// Records a PUBACK, which refuses the message if there is a `reason`. Returns a refused
    /// message.
    pub(crate) fn acknowledged(
        &mut self,
        packet_id: u16,
        reason: Option<ReasonCode>,
    ) -> Option<RefusedMessage> {
        let message = self.unanswered.answered(packet_id);
        let delivery = self.unacknowledged.remove(&packet_id)?;
        let message = message?;
        let Some(reason) = reason else {
            self.suppression.on_accepted(&message.topic, message.bytes);
            self.complete(delivery);
            return None;
        };
        let suppressed = reason.is_lasting();
        match delivery {
            Delivery::Event(id, source) if !suppressed => {
                self.refused_events.insert(source, id);
            }
            delivery => {
                if suppressed && delivery.is_dispensable() {
                    self.suppression.on_refused(&message);
                } else {
                    self.suppression.on_temporary_refusal(&message.topic);
                }
                // The next value is published as if this one had been accepted.
                self.complete(delivery);
            }
        }
        Some(RefusedMessage { message, reason: Some(reason), suppressed })
    }

    /// Completes a delivery.
    pub(super) fn complete(&mut self, delivery: Delivery) {
        let probe = match delivery {
            Delivery::Event(id, source) => {
                self.outbox.acknowledged(id, &source);
                self.probes.remove(&id)
            }
            Delivery::Window(probe) => probe,
            Delivery::Topic(topic) if topic.is_once() => {
                self.latest.remove(&topic);
                None
            }
            Delivery::Topic(_) | Delivery::Reply => None,
        };
        if let Some(probe) = probe {
            probe.record();
        }
    }

    fn choose(&mut self, room: usize) -> Option<(Delivery, Publication)> {
        let Self { queue, latest, outbox, refused_events, .. } = self;
        let due = queue.iter().position(|topic| {
            let after = latest.get(topic).map_or(0, |content| content.after);
            let waits = |source| outbox.has_pending(source, after) && !refused_events.contains_key(source);
            after == 0 || topic.source().is_none_or(|source| !waits(source))
        });
        if let Some(topic) = due.and_then(|at| queue.remove(at)) {
            let mqtt = self.mqtt_stats();
            let content = self.latest.get_mut(&topic)?;
            content.queued = false;
            let publication = topic.publication(&content.value, &self.topics, mqtt);
            return Some((Delivery::Topic(topic), publication));
        }
        if !self.closing
            && let Some((id, source, payload)) = self.outbox.take()
        {
            let topic = self.topics.of_source(&source, "event");
            let publication = Publication { topic, qos: 1, retain: false, payload: payload.to_vec() };
            return Some((Delivery::Event(id, source), publication));
        }
        if let Some(reply) = self.replies.pop_front() {
            return Some((Delivery::Reply, reply));
        }
        if self.in_flight() >= MAX_WINDOWS_IN_FLIGHT.min((2 * room / 3).max(1)) {
            return None;
        }
        let (source, window, probe) = self.windows.pop_front()?;
        let topic = self.topics.of_source(&source, "window");
        let qos = self.window_qos.unwrap_or(0);
        Some((
            Delivery::Window(probe),
            Publication { topic, qos, retain: false, payload: encode(&WindowPayload::from(&*window)) },
        ))
    }
}
