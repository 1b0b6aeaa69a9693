//! Node-name conflicts: claim, alternative names, refusal.

use super::tests::Harness;
use super::*;
use crate::sink::mqtt::name_probe::PeerInfo;

fn taken() -> NameLookup {
    let peer = PeerInfo { run: "r2".into(), ..PeerInfo::default() };
    NameLookup { peer: Some(peer), online: true, peer_is_alive: true, ..NameLookup::default() }
}

#[test]
fn a_taken_name_is_numbered_if_it_may_be() {
    let mut harness = Harness::new(NodeName::allow_alternatives);
    harness.take();
    harness.look_up_result(taken());
    assert_eq!(harness.notices, [ConnectionNotice::NameTaken { node: "den".to_owned() }]);
    assert_eq!(harness.take(), ["look up den-2"]);
    harness.look_up_result(taken());
    assert_eq!(harness.take(), ["look up den-3"]);
    harness.find_name_free();
    assert_eq!(harness.take(), ["connect genred/den-3/status"]);
    assert_eq!(harness.notices.pop(), Some(ConnectionNotice::Renamed { node: "den-3".to_owned() }));
}

#[test]
fn a_taken_name_that_is_fixed_ends_the_daemon_and_keeps_its_events() {
    let mut harness = Harness::new(|_| {});
    harness.take();
    harness.look_up_result(taken());
    let seen = harness.take();
    assert!(seen[0].starts_with("another genred publishes as node `den`"), "{seen:?}");
    harness.event(1);
    assert_eq!(harness.lifecycle.outbox().len(), 1);
    assert_eq!(harness.lifecycle.deadline(), None);
    harness.close_inbox();
    assert!(harness.lifecycle.has_ended());
}

/// The `info` of a peer is answered once; a live peer repeats it.
#[test]
fn the_run_that_started_later_yields_to_a_live_peer() {
    for fixed in [true, false] {
        let mut harness = Harness::new(|name| {
            if !fixed {
                name.allow_alternatives()
            }
        });
        harness.find_name_free();
        harness.connect();
        harness.acknowledge_all();
        harness.take();
        harness.info_of_peer("r2", "2020-01-01T00:00:00.000Z");
        assert!(harness.take().contains(&"genred/den/info".to_owned()), "the own info is published again");
        harness.acknowledge_all();
        harness.take();
        harness.info_of_peer("r2", "2020-01-01T00:00:00.000Z");
        let seen = harness.take();
        assert_eq!(seen[0], "disconnect and wait");
        let next = if fixed { "another genred publishes as node `den`" } else { "look up den-2" };
        assert!(seen[1].starts_with(next), "{seen:?}");
    }
}

#[test]
fn the_run_that_started_first_keeps_the_name() {
    let mut harness = Harness::online();
    for _ in 0..3 {
        harness.info_of_peer("r2", "2099-01-01T00:00:00.000Z");
        let seen = harness.take();
        assert!(seen.contains(&"genred/den/status".to_owned()), "{seen:?}");
        harness.acknowledge_all();
        harness.take();
    }
}

#[test]
fn an_old_echo_of_a_peer_is_not_a_conflict() {
    let mut harness = Harness::online();
    for _ in 0..3 {
        harness.info_of_peer("r2", "2020-01-01T00:00:00.000Z");
        harness.acknowledge_all();
        harness.now += Duration::from_secs(40);
    }
    assert_eq!(harness.lifecycle.state, LifecycleState::Online);
}
