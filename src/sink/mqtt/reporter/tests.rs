use std::io;
use std::sync::{Arc, Mutex};

use rumqttc::ConnectionError;

use super::*;
use crate::sink::mqtt::failure::FailureKind;
use crate::sink::mqtt::protocol::ProtocolVersion;
use crate::sink::mqtt::reason_code::ReasonCode;

/// The messages and levels that `said` logs.
fn logged(say: impl FnOnce(&mut ConnectionReporter)) -> Vec<String> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&log);
    let writer = move || Shared(Arc::clone(&shared));
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        say(&mut ConnectionReporter::new(Server { host: "h".to_owned(), ..Server::local(1883) }));
    });
    let bytes = log.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refused() -> ConnectionFailure {
    ConnectionFailure::of(&ConnectionError::Io(io::ErrorKind::ConnectionRefused.into()))
}

#[test]
fn each_reason_is_said_once_and_the_end_with_its_length() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let second = Duration::from_secs(1);
    let lines = logged(|reporter| {
        for seconds in 0..20 {
            reporter.failed(&refused(), at(seconds), second, 0);
        }
        reporter.failed(&ConnectionFailure::stalled(), at(20), second, 3);
        reporter.failed(&refused(), at(700), second, 3);
        reporter.connected(at(701), 3, &BrokerLimits::none(ProtocolVersion::V5));
        // A connection that flaps is not news either.
        reporter.failed(&refused(), at(702), second, 0);
        reporter.healthy();
        reporter.failed(&refused(), at(800), second, 0);
    });
    let starts = [
        "WARN no connection to the MQTT broker, going on without it broker=h:1883 reason=\"connection refused\"",
        "WARN no connection to the MQTT broker, going on without it broker=h:1883 reason=\"the connection has stalled\"",
        "WARN still no connection to the MQTT broker broker=h:1883 reason=\"connection refused\"",
        "INFO connected to the MQTT broker broker=h:1883 protocol=5 down_s=\"701.0\" attempts=22 waiting_events=3",
        "WARN no connection to the MQTT broker, going on without it broker=h:1883 reason=\"connection refused\"",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn losses_are_said_at_once_and_then_seldom() {
    let start = Instant::now();
    let lines = logged(|reporter| {
        reporter.dropped(0, 0, start);
        reporter.dropped(0, 1, start);
        reporter.dropped(0, 50, start + Duration::from_secs(1));
        for events in 1..100 {
            reporter.dropped(events, 50, start + Duration::from_secs(1 + events));
        }
        reporter.dropped(5000, 50, start + REMINDER * 2);
    });
    let figures: Vec<&str> = lines.iter().filter_map(|line| line.split("h:1883 ").nth(1)).collect();
    assert_eq!(figures, ["events=0 windows=1", "events=1 windows=50", "events=5000 windows=50"]);
}

/// Closed and made again and again, a connection leaves one pair of lines.
#[test]
fn a_connection_that_flaps_is_not_logged_each_time() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let limits = BrokerLimits::none(ProtocolVersion::V5);
    let closed = ConnectionFailure::new(
        FailureKind::Closed,
        "the broker closed the connection",
        "see the broker's log",
    );
    let lines = logged(|reporter| {
        reporter.connected(start, 0, &limits);
        for seconds in 0..100 {
            let now = start + Duration::from_secs(seconds);
            reporter.failed(&closed, now, second, 0);
            reporter.connected(now + second / 2, 0, &limits);
        }
    });
    let levels: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(levels, ["INFO", "WARN", "INFO"], "{lines:#?}");
}

#[test]
fn what_is_refused_is_said_once_for_all_sources() {
    let refused = |topic: &str, reason, suppressed| RefusedMessage {
        message: MessageSize { topic: topic.to_owned(), bytes: 700 },
        reason,
        suppressed,
    };
    let lines = logged(|reporter| {
        for source in ["fm1", "fm2"] {
            let topic = format!("genred/den/{source}/event");
            reporter.refused(&refused(&topic, Some(ReasonCode::NOT_AUTHORIZED), false), Instant::now());
            let topic = format!("homeassistant/device/{source}/config");
            reporter.refused(&refused(&topic, None, true), Instant::now());
        }
    });
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("is tried again later: events do not arrive"), "{lines:#?}");
    assert!(lines[0].contains("reason=not authorised (0x87)"), "{lines:#?}");
    assert!(lines[1].contains("not sent again: Home Assistant does not learn"), "{lines:#?}");
}
