//! Validation of topic prefixes.

/// Reason to refuse a prefix: brokers reject it, or subscribers take it for a filter.
pub(super) fn fault(prefix: &str) -> Option<&'static str> {
    if prefix.is_empty() {
        Some("is empty")
    } else if prefix.starts_with('$') {
        Some("starts with `$`, which brokers keep for themselves")
    } else if prefix.contains(['+', '#']) {
        Some("holds a wildcard")
    } else if prefix.contains(char::is_control) {
        Some("holds a control character")
    } else if prefix.len() > 256 {
        Some("is longer than 256 bytes")
    } else {
        None
    }
}

/// Reason to warn about a prefix that some brokers do not support.
///
/// Tried: nats-server 2.9.10 denies subscriptions to topics with a dot or a space and closes the
/// connection of a client that publishes to one; RabbitMQ 3.10.8 delivers `a.b/x` as `a/b/x`;
/// mosquitto 2.0.11 delivers all of them unchanged.
pub(super) fn trouble(prefix: &str) -> Option<&'static str> {
    if prefix.contains('.') {
        Some("holds a dot: NATS refuses it, and RabbitMQ makes a `/` of it")
    } else if prefix.contains(char::is_whitespace) {
        Some("holds a space: NATS refuses it")
    } else if prefix.split('/').any(str::is_empty) {
        // MQTT 3.1.1, 4.7.1.3: a `/` at the start makes a distinct topic with an empty first level.
        Some(
            "has an empty level (a `/` at its start or end, or `//`), which filters and access lists must have as well",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for refused in ["", "$SYS", "a/#", "a+", "a\0b", "a\nb"] {
            assert!(fault(refused).is_some(), "{refused:?}");
        }
        for (prefix, expected) in [
            ("home.lan/genred", Some("holds a dot")),
            ("my house", Some("holds a space")),
            ("/genred", Some("an empty level")),
            ("genred/", Some("an empty level")),
            ("a//b", Some("an empty level")),
            ("home/genred-2_x", None),
            ("küche", None),
        ] {
            assert_eq!(fault(prefix), None, "{prefix}");
            let found = trouble(prefix);
            assert_eq!(found.is_some(), expected.is_some(), "{prefix}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
}
