//! Rule on the network addresses that a stream may be fetched from.
//!
//! Configured sources may use any address. An address that a client of the API names must be
//! public, so that the daemon does not become a way into its own network. The rule travels with
//! every request of a stream (redirects, playlist entries, HLS variants and segments) and is
//! applied to the resolved addresses that are then connected to, not to the name.
//!
//! Not covered: services of the daemon's network that have public addresses, and translation
//! prefixes that a network assigns itself (RFC 6052, 2.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses that a stream may be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    not(all(feature = "net", feature = "web")),
    allow(dead_code, reason = "streams of clients need both features")
)]
pub(crate) enum AddressPolicy {
    /// All addresses.
    #[default]
    Any,
    /// Addresses of the public Internet.
    Public,
    /// Addresses of the public Internet, and one server that stands for them in tests.
    #[cfg(test)]
    PublicOr(SocketAddr),
}

/// Refusal of an address by an [`AddressPolicy`]. It names neither the resolved address nor its
/// kind, so that clients cannot map a network with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "network streams"))]
pub(super) enum AddressRefusal {
    /// A resolved address is not public.
    NotPublic,
    /// The connection would be made by a proxy, which resolves the name itself.
    Proxied,
}

impl fmt::Display for AddressRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPublic => "is refused: it is not at a public address",
            Self::Proxied => {
                "is refused: it would be fetched through a proxy, where its address cannot be checked"
            }
        })
    }
}

impl std::error::Error for AddressRefusal {}

#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "network streams"))]
impl AddressPolicy {
    /// Checks the resolved addresses of a server. One refused address refuses the server.
    ///
    /// # Errors
    /// An address is not public.
    pub(super) fn check(self, addresses: &[SocketAddr]) -> Result<(), AddressRefusal> {
        match addresses.iter().all(|address| self.allows(address)) {
            true => Ok(()),
            false => Err(AddressRefusal::NotPublic),
        }
    }

    /// Checks that a proxy may connect on the daemon's behalf.
    ///
    /// # Errors
    /// The policy restricts addresses, which only the proxy would know.
    pub(super) fn check_proxy(self) -> Result<(), AddressRefusal> {
        match self {
            Self::Any => Ok(()),
            _ => Err(AddressRefusal::Proxied),
        }
    }

    fn allows(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public => is_public(address.ip()),
            #[cfg(test)]
            Self::PublicOr(server) => *address == server || is_public(address.ip()),
        }
    }
}

/// Returns true for addresses of the public Internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IPv4 networks that are not public: address and prefix length (IANA IPv4 Special-Purpose Address
/// Registry; RFC 1112 and RFC 5771 for multicast and class E).
const RESERVED_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, and metadata services of clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Platform services of Azure.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, class E and the broadcast address.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(network, length): &(Ipv4Addr, u32)| {
        let mask = u32::MAX << (32 - length);
        address.to_bits() & mask == network.to_bits()
    };
    !RESERVED_V4.iter().any(within)
}

/// IPv6 networks within 2000::/3 that are not public: address and prefix length (IANA IPv6
/// Special-Purpose Address Registry).
const RESERVED_V6: [(Ipv6Addr, u32); 3] = [
    // Protocol assignments, Teredo among them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let within =
        |network: Ipv6Addr, length: u32| bits >> (128 - length) == network.to_bits() >> (128 - length);
    let v4_at = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    // IPv4-mapped addresses and NAT64 (RFC 6052) hold an IPv4 address at the end, 6to4 (RFC 3056)
    // after the prefix.
    if within(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96)
        || within(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96)
    {
        return is_public_v4(v4_at(0));
    }
    if within(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16) {
        return is_public_v4(v4_at(80));
    }
    // Only 2000::/3 is assigned as global unicast.
    within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
        && !RESERVED_V6.iter().any(|(network, length)| within(*network, *length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        let check = |public: bool, addresses: &[&str]| {
            for text in addresses {
                let address: IpAddr = text.parse().unwrap();
                assert_eq!(is_public(address), public, "{text}");
                let server = [SocketAddr::new(address, 80)];
                assert_eq!(AddressPolicy::Public.check(&server).is_ok(), public, "{text}");
                assert_eq!(AddressPolicy::Any.check(&server), Ok(()), "{text}");
            }
        };
        check(true, &["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"]);
        check(true, &["126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "168.63.129.17"]);
        check(true, &["172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255"]);
        check(true, &["192.0.1.1", "198.17.255.255", "198.20.0.0"]);
        check(true, &["2606:4700:4700::1111", "2a00:1450:4001::1", "2400::1", "2001:4860:4860::8888"]);
        check(true, &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]);

        // Unspecified and loopback.
        check(false, &["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "::", "::1"]);
        // Private, shared and link-local.
        check(false, &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1"]);
        check(false, &["100.127.255.255", "169.254.0.1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1"]);
        // Metadata and platform services.
        check(false, &["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16"]);
        check(false, &["fd00:ec2::254", "fe80::a9fe:a9fe"]);
        // Multicast, reserved and documentation.
        check(false, &["224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1"]);
        check(false, &["192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"]);
        check(false, &["2001::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"]);
        // Forms that hold an IPv4 address.
        check(false, &["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"]);
        check(false, &["::8.8.8.8", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::808:808"]);
        check(false, &["2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1"]);
    }

    #[test]
    fn one_refused_address_refuses_the_name() {
        let addresses = |text: &[&str]| -> Vec<SocketAddr> {
            text.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 80)).collect()
        };
        assert_eq!(AddressPolicy::Public.check(&addresses(&["8.8.8.8", "2606:4700::1"])), Ok(()));
        let mixed = addresses(&["8.8.8.8", "127.0.0.1"]);
        assert_eq!(AddressPolicy::Public.check(&mixed), Err(AddressRefusal::NotPublic));
        assert_eq!(AddressPolicy::PublicOr(mixed[1]).check(&mixed), Ok(()));
    }

    #[test]
    fn a_proxy_is_used_only_without_restriction() {
        assert_eq!(AddressPolicy::Any.check_proxy(), Ok(()));
        assert_eq!(AddressPolicy::Public.check_proxy(), Err(AddressRefusal::Proxied));
    }
}
