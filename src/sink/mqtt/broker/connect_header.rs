//! The first bytes of a connection: the fixed header of a CONNECT and its protocol name and level
//! (MQTT 3.1.1 and MQTT 5, §3.1.1 to §3.1.2.2). Pure, for bytes from anybody.

use std::fmt;

/// Packet type and flags of a CONNECT.
const CONNECT: u8 = 0x10;

/// Maximum length of a header, in bytes: type, remaining length, a name of six bytes with its
/// length, level.
pub(super) const MAX_LENGTH: usize = 1 + 4 + 2 + 6 + 1;

/// Return code 1, "unacceptable protocol level" (MQTT 3.1.1 §3.2.2.3), which MQTT 3.1 has, too.
const CONNACK_3: [u8; 4] = [0x20, 2, 0, 1];

/// Result of reading the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectHeader {
    /// More bytes are needed.
    Incomplete,
    /// The library handles the client, or refuses it with the specified code.
    Served,
    Refused(ConnectRefusal),
}

/// Reason for a refused connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectRefusal {
    /// MQTT 3.1: name `MQIsdp`.
    Old,
    /// The first bytes of TLS.
    Tls,
    /// A request of HTTP, such as that for a WebSocket.
    Http,
    Garbage,
    /// Too few bytes in time.
    Silent,
}

impl ConnectRefusal {
    /// CONNACK for the client, if it understands one.
    pub(super) fn answer(self) -> Option<&'static [u8]> {
        (self == Self::Old).then_some(&CONNACK_3)
    }
}

impl fmt::Display for ConnectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Old => "the client speaks MQTT 3.1; set it to 3.1.1 or 5",
            Self::Tls => "the client begins with TLS, which this broker does not speak; use `mqtt://`",
            Self::Http => "the client speaks HTTP or WebSockets, which this broker does not; use `mqtt://`",
            Self::Garbage => "the client does not speak MQTT",
            Self::Silent => "the client did not send its CONNECT in time",
        })
    }
}

/// Reads the header of a CONNECT from at most [`MAX_LENGTH`] bytes.
pub(super) fn read(bytes: &[u8]) -> ConnectHeader {
    let Some((&first, rest)) = bytes.split_first() else { return ConnectHeader::Incomplete };
    if first != CONNECT {
        return ConnectHeader::Refused(match first {
            // A handshake record (RFC 8446 §5.1).
            0x16 => ConnectRefusal::Tls,
            b'A'..=b'Z' => ConnectRefusal::Http,
            _ => ConnectRefusal::Garbage,
        });
    }
    // The last byte of the remaining length, at most the fourth, has its highest bit clear.
    let length = match rest.iter().take(4).position(|byte| byte & 0x80 == 0) {
        Some(last) => last + 1,
        None if rest.len() < 4 => return ConnectHeader::Incomplete,
        None => return ConnectHeader::Refused(ConnectRefusal::Garbage),
    };
    let name = &rest[length..];
    for (known, verdict) in [
        (&b"\0\x04MQTT"[..], ConnectHeader::Served),
        (b"\0\x06MQIsdp", ConnectHeader::Refused(ConnectRefusal::Old)),
    ] {
        if name.starts_with(known) {
            // The level follows; the library would wait for it.
            return if name.len() > known.len() { verdict } else { ConnectHeader::Incomplete };
        }
        if known.starts_with(name) {
            return ConnectHeader::Incomplete;
        }
    }
    ConnectHeader::Refused(ConnectRefusal::Garbage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A CONNECT with `remaining` as its remaining length.
    fn connect(remaining: &[u8], name: &[u8], level: u8) -> Vec<u8> {
        let mut bytes = vec![CONNECT];
        bytes.extend_from_slice(remaining);
        bytes.extend_from_slice(&(name.len() as u16).to_be_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[level, 2, 0, 60, 0, 4, b'a', b'b', b'c', b'd']);
        bytes
    }

    /// Lengths of one to four bytes, the names and levels of MQTT 3.1, 3.1.1 and 5, and every cut
    /// of each.
    #[test]
    fn every_cut_of_every_header() {
        let lengths: [&[u8]; 4] = [&[16], &[0x80, 1], &[0x80, 0x80, 1], &[0xff, 0xff, 0xff, 0x7f]];
        for remaining in lengths {
            for (name, level, verdict) in [
                (&b"MQTT"[..], 4, ConnectHeader::Served),
                (b"MQTT", 5, ConnectHeader::Served),
                // The library answers these by itself.
                (b"MQTT", 6, ConnectHeader::Served),
                (b"MQIsdp", 3, ConnectHeader::Refused(ConnectRefusal::Old)),
            ] {
                let bytes = connect(remaining, name, level);
                let header = 1 + remaining.len() + 2 + name.len() + 1;
                assert!(header <= MAX_LENGTH);
                for cut in 0..bytes.len() {
                    let expected = if cut < header { ConnectHeader::Incomplete } else { verdict };
                    assert_eq!(read(&bytes[..cut]), expected, "{cut} bytes of {bytes:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_mqtt_is_named() {
        let cases: [(&[u8], ConnectRefusal); 7] = [
            (b"\x16\x03\x01\x02\x00", ConnectRefusal::Tls),
            (b"GET /mqtt HTTP/1.1\r\n", ConnectRefusal::Http),
            (b"\x30\x05\x00\x01a12", ConnectRefusal::Garbage),
            // More than four bytes of length.
            (b"\x10\xff\xff\xff\xff\x7f", ConnectRefusal::Garbage),
            (b"\x10\x10\x00\x04MQTX\x04", ConnectRefusal::Garbage),
            (b"\x10\x10\x00\x05MQTT", ConnectRefusal::Garbage),
            (b"\x1f\x10\x00\x04MQTT\x04", ConnectRefusal::Garbage),
        ];
        for (bytes, refusal) in cases {
            assert_eq!(read(bytes), ConnectHeader::Refused(refusal), "{bytes:?}");
        }
    }

    proptest! {
        /// Further bytes do not change a verdict, and `MAX_LENGTH` bytes always give one.
        #[test]
        fn verdicts_are_final(bytes in proptest::collection::vec(any::<u8>(), 0..40), start in 0..3_usize) {
            let heads: [&[u8]; 3] = [b"", b"\x10", b"\x10\x10\x00\x04MQ"];
            let bytes = [heads[start], &bytes].concat();
            let mut verdict = ConnectHeader::Incomplete;
            for cut in 0..=bytes.len() {
                let found = read(&bytes[..cut]);
                if verdict != ConnectHeader::Incomplete {
                    prop_assert_eq!(found, verdict);
                }
                verdict = found;
            }
            if bytes.len() >= MAX_LENGTH {
                prop_assert_ne!(read(&bytes[..MAX_LENGTH]), ConnectHeader::Incomplete);
            }
        }
    }
}
