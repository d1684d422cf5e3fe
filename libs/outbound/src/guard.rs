//! The guard against server-side request forgery: which addresses a call may go to.
//!
//! A host name is checked where it is resolved, so the address that was checked is the address that is called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::error::OutboundError;

const ADDRESS_RULE: &str = "the address is private, loopback or reserved";

/// Whether an address is on the public internet: not loopback, private, link-local, shared, reserved or multicast,
/// also not in disguise (IPv4 inside IPv6).
pub const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18))
}

const fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = Ipv4Addr::new((g >> 8) as u8, g as u8, (h >> 8) as u8, h as u8);
    match (a, b, c, d, e, f) {
        // mapped (::ffff:0:0/96), compatible (::/96, with loopback and unspecified) and NAT64 (64:ff9b::/96)
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => is_public_v4(embedded),
        (0, 0, 0, 0, 0, 0) => false,
        (0x2002, ..) => is_public_v4(Ipv4Addr::new((b >> 8) as u8, b as u8, (c >> 8) as u8, c as u8)),
        (0x2001, 0x0db8, ..) | (0x0064, 0xff9b, ..) => false,
        // global unicast is 2000::/3; all else is local, multicast or unassigned
        (first, ..) => first & 0xe000 == 0x2000,
    }
}

/// Refuses what can be refused before a name is resolved.
pub(crate) fn check_url(url: &Url, allow_private_addresses: bool) -> Result<(), OutboundError> {
    let refused = |reason| Err(OutboundError::Refused { reason });
    if !matches!(url.scheme(), "http" | "https") {
        return refused("only http and https are spoken");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("credentials in a URL");
    }
    let address: IpAddr = match url.host() {
        None => return refused("no host"),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
    };
    if allow_private_addresses || is_public(address) { Ok(()) } else { refused(ADDRESS_RULE) }
}

/// Says no to a name that leads into our own network.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{ADDRESS_RULE}")]
struct NotPublic;

/// Resolves names with the system's resolver and drops the addresses that are not public.
pub(crate) struct GuardedResolver {
    pub(crate) allow_private_addresses: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private_addresses = self.allow_private_addresses;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found
                .iter()
                .copied()
                .filter(|address| allow_private_addresses || is_public(address.ip()))
                .collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// The guard's refusal, if that is what lies at the bottom of a failed call.
pub(crate) fn refusal(error: &reqwest::Error) -> Option<OutboundError> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<NotPublic>() {
            return Some(OutboundError::Refused { reason: ADDRESS_RULE });
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_public_in_any_disguise() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_public() {
        for address in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_url_with_credentials_or_another_scheme_is_refused() {
        for url in
            ["ftp://vendor.test/", "https://user:secret@vendor.test/", "http://127.0.0.1/", "http://[::1]/"]
        {
            let checked = check_url(&url.parse().unwrap(), false);
            assert!(matches!(checked, Err(OutboundError::Refused { .. })), "{url}");
        }
    }
}
