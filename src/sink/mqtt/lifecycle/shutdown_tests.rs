//! Shutdown: drain, deadlines, `offline`, disconnect.

use super::shutdown::{FLUSH_TIMEOUT, OUTBOX_DRAIN_TIMEOUT, SHUTDOWN_TIMEOUT};
use super::tests::Harness;
use super::*;

#[test]
fn a_stop_publishes_offline_and_disconnects() {
    let mut harness = Harness::online();
    harness.close_inbox();
    // Nothing waits, so that flushing is complete at once.
    assert_eq!(harness.take(), ["genred/den/status"]);
    assert_eq!(harness.published.last().unwrap().payload, b"offline");
    assert!(matches!(harness.lifecycle.state, LifecycleState::Leaving { .. }));
    assert!(!harness.lifecycle.is_accepting());
    harness.acknowledge_all();
    assert_eq!(harness.take().last().unwrap(), "disconnect");
    harness.signal(BrokerSignal::Disconnected);
    assert!(harness.lifecycle.has_ended());
}

#[test]
fn a_stop_leaves_450_ms_for_events_and_ends_after_800_ms() {
    let mut harness = Harness::online();
    let start = harness.now;
    harness.event(1);
    harness.take();
    harness.close_inbox();
    assert!(matches!(harness.lifecycle.state, LifecycleState::Flushing { .. }));
    assert!(harness.take().is_empty(), "the event is not acknowledged");
    harness.fire();
    assert_eq!(harness.now - start, FLUSH_TIMEOUT);
    assert_eq!(harness.notices.pop(), Some(ConnectionNotice::FlushTimeout { waiting_events: 1 }));
    assert_eq!(harness.take(), ["genred/den/status"]);
    harness.fire();
    assert_eq!(harness.now - start, SHUTDOWN_TIMEOUT);
    assert_eq!(harness.notices.pop(), Some(ConnectionNotice::LeaveTimeout));
    assert!(harness.lifecycle.has_ended());
    assert_eq!(harness.take(), ["drop"]);
}

#[test]
fn an_event_that_is_acknowledged_in_time_shortens_the_flush() {
    let mut harness = Harness::online();
    harness.event(1);
    harness.close_inbox();
    harness.acknowledge_all();
    assert!(harness.notices.iter().all(|notice| !matches!(notice, ConnectionNotice::FlushTimeout { .. })));
    assert!(matches!(harness.lifecycle.state, LifecycleState::Leaving { .. }));
}

#[test]
fn a_lost_connection_ends_a_quick_stop() {
    let mut harness = Harness::online();
    harness.event(1);
    harness.close_inbox();
    harness.fail();
    assert!(harness.lifecycle.has_ended());
}

#[test]
fn a_draining_stop_reconnects_for_waiting_events() {
    let mut harness = Harness::online();
    harness.lifecycle.set_drains(true);
    let start = harness.now;
    harness.event(1);
    harness.close_inbox();
    harness.fail();
    assert!(matches!(harness.lifecycle.state, LifecycleState::BackingOff { .. }));
    harness.fire();
    harness.take();
    harness.connect();
    assert!(harness.take().contains(&"genred/den/fm1/event".to_owned()));
    assert!(matches!(harness.lifecycle.state, LifecycleState::Flushing { .. }));
    harness.acknowledge_all();
    harness.acknowledge_all();
    harness.signal(BrokerSignal::Disconnected);
    assert!(harness.lifecycle.has_ended() && harness.now - start < OUTBOX_DRAIN_TIMEOUT);
}

#[test]
fn a_draining_stop_gives_up_after_10_s_without_a_connection() {
    let mut harness = Harness::new(|_| {});
    harness.lifecycle.set_drains(true);
    harness.event(1);
    harness.find_name_free();
    let start = harness.now;
    harness.close_inbox();
    assert!(!harness.lifecycle.has_ended());
    harness.fail();
    while !harness.lifecycle.has_ended() {
        harness.fire();
        if harness.lifecycle.state == LifecycleState::Connecting {
            harness.fail();
        }
    }
    assert_eq!(harness.now - start, OUTBOX_DRAIN_TIMEOUT);
    assert_eq!(harness.notices.pop(), Some(ConnectionNotice::Abandoned { waiting_events: 1 }));
}

#[test]
fn a_quick_stop_without_a_connection_ends_at_once() {
    let mut harness = Harness::new(|_| {});
    harness.close_inbox();
    assert!(harness.lifecycle.has_ended());
    assert_eq!(harness.notices, [ConnectionNotice::Abandoned { waiting_events: 0 }]);
}
