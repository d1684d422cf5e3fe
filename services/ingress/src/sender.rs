//! Whose address did a delivery come from? Behind proxies of our own the answer stands in a header, and only as far to
//! the right as our proxies wrote it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the sender: the TCP peer, or the one that the outermost of `trusted_proxies` saw. `None` when the
/// header is shorter than that, because then somebody came past the proxies, or it holds no address.
pub fn address(headers: &HeaderMap, peer: Option<SocketAddr>, trusted_proxies: u8) -> Option<IpAddr> {
    let Some(hop) = usize::from(trusted_proxies).checked_sub(1) else { return Some(peer?.ip()) };
    // A proxy may add to a line or add a line; either way what it wrote stands last.
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let entry = entries.map(<[u8]>::trim_ascii).nth(hop)?;
    parse(std::str::from_utf8(entry).ok()?)
}

/// An address, perhaps with a port: some proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str], trusted_proxies: u8) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let peer = "10.0.0.9:4711".parse().unwrap();
        address(&headers, Some(peer), trusted_proxies).map(|address| address.to_string())
    }

    #[test]
    fn without_a_trusted_proxy_the_header_is_not_read() {
        assert_eq!(found(&["52.12.31.116"], 0).as_deref(), Some("10.0.0.9"));
    }

    #[test]
    fn behind_proxies_the_entry_of_the_outermost_one_counts_and_nothing_left_of_it() {
        let forged = ["52.12.31.116, 203.0.113.7", "10.0.0.1"];
        assert_eq!(found(&forged, 1).as_deref(), Some("10.0.0.1"));
        assert_eq!(found(&forged, 2).as_deref(), Some("203.0.113.7"));
        assert_eq!(found(&["52.12.31.116,203.0.113.7 ,  10.0.0.1"], 2).as_deref(), Some("203.0.113.7"));
    }

    #[test]
    fn a_header_that_is_too_short_or_holds_no_address_names_nobody() {
        assert_eq!(found(&[], 1), None);
        assert_eq!(found(&["203.0.113.7"], 2), None);
        for odd in ["", "unknown", "203.0.113", ",", "203.0.113.7;x"] {
            assert_eq!(found(&[odd], 1), None, "{odd:?}");
        }
    }

    #[test]
    fn a_port_beside_the_address_is_forgiven() {
        assert_eq!(found(&["203.0.113.7:443"], 1).as_deref(), Some("203.0.113.7"));
        assert_eq!(found(&["[2001:db8::1]:443"], 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(found(&["[2001:db8::1]"], 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(found(&["2001:db8::1"], 1).as_deref(), Some("2001:db8::1"));
    }
}
