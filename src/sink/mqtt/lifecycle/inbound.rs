//! Signals of the broker.

use std::time::{Duration, Instant};

use super::{Lifecycle, LifecycleAction, LifecycleState};
use crate::sink::mqtt::name_probe::PeerInfo;
use crate::sink::mqtt::notice::ConnectionNotice;
use crate::sink::mqtt::protocol::{BrokerSignal, InboundMessage};
use crate::sink::mqtt::reason_code::ReasonCode;
use crate::sink::mqtt::subscriptions::InboundEvent;

/// Time within which a published message is echoed back.
pub(super) const ECHO_TIMEOUT: Duration = Duration::from_secs(10);

/// Delay before refused events are sent again.
const REFUSED_EVENT_RETRY: Duration = Duration::from_secs(60);

/// Maximum of the random delay after a start of Home Assistant, which spreads the answers of
/// several daemons.
const MAX_BIRTH_DELAY: Duration = Duration::from_secs(2);

impl Lifecycle {
    pub(super) fn on_signal(&mut self, signal: BrokerSignal, now: Instant) {
        match signal {
            BrokerSignal::Connected(limits) => self.on_connected(&limits, now),
            BrokerSignal::Subscribed(refusals) => self.on_subscribed(&refusals, now),
            BrokerSignal::Message(message) => {
                if let Some((audit, _)) = &mut self.link.audit {
                    audit.on_message(&message.topic);
                }
                self.handle_inbound(&message, now);
            }
            BrokerSignal::Acknowledged(packet_id, reason) => {
                if let Some(refused) = self.session.acknowledged(packet_id, reason) {
                    self.report(ConnectionNotice::Refused(refused));
                    if self.session.has_refused_events() {
                        self.link.retry_at.get_or_insert(now + REFUSED_EVENT_RETRY);
                    }
                }
            }
            BrokerSignal::Sent(packet_id) => self.session.sent(packet_id),
            BrokerSignal::Disconnected => self.end(),
            BrokerSignal::Other => {}
        }
    }

    fn on_subscribed(&mut self, refusals: &[Option<ReasonCode>], now: Instant) {
        if let Some((audit, deadline)) = &mut self.link.audit
            && !audit.subscribed
        {
            audit.on_subscribed(refusals.iter().map(Option::is_some));
            *deadline = now + ECHO_TIMEOUT;
            return;
        }
        let refused = self.link.subscriptions.refused(refusals);
        // Without the subscription to the own `info`, a missing echo means nothing.
        self.link.is_echoed = !refused.iter().any(|(topic, _)| topic.ends_with("/info"));
        if self.link.is_echoed && self.audited && self.session.has_info() {
            self.link.echo_by = Some(now + ECHO_TIMEOUT);
        }
        if !refused.is_empty() {
            self.report(ConnectionNotice::NotSubscribed(refused));
        }
    }

    fn handle_inbound(&mut self, message: &InboundMessage, now: Instant) {
        match self.link.subscriptions.classify(message) {
            InboundEvent::Irrelevant => {}
            InboundEvent::OwnInfo => self.link.echo_by = None,
            // The will of an earlier connection, or of another daemon that is gone.
            InboundEvent::DeclaredOffline if self.state == LifecycleState::Online => {
                self.session.repeat_online();
            }
            InboundEvent::DeclaredOffline => {}
            InboundEvent::HomeAssistantStarted => {
                let delay = MAX_BIRTH_DELAY.mul_f64(fastrand::f64());
                self.link.birth_at.get_or_insert(now + delay);
            }
            InboundEvent::Request(request) => self.push(LifecycleAction::Forward(request)),
            InboundEvent::PeerInfo(peer) => self.resolve_conflict(peer, now),
        }
    }

    /// Handles another daemon that took the node name at the same time, or while this one was away.
    fn resolve_conflict(&mut self, peer: PeerInfo, now: Instant) {
        let started = self.session.started();
        if self.name.yields_to(&peer, (&started, &self.run), now) {
            let node = self.session.topics().node().to_owned();
            self.report(ConnectionNotice::NameYielded { node });
            self.push(LifecycleAction::DisconnectAndWait);
            self.give_name_up(now);
        } else {
            self.session.overwritten_by(peer.sources);
        }
    }
}
