//! Does it come from where the vendor says its webhooks come from? This only adds to the signature.

use std::net::IpAddr;

use domain::ids::ConnectionId;
use domain::intake::Refusal;
use runtime::config::{Connection, SourceIpsMode};
use signatures::WebhookScheme;

/// The addresses one connection's deliveries may come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    mode: SourceIpsMode,
    expected: Vec<IpAddr>,
}

impl Sources {
    /// What the configuration says, with the addresses that the vendor publishes for its regions.
    pub fn of(connection: &Connection, scheme: &dyn WebhookScheme) -> Self {
        let settings = &connection.source_ips;
        let published = settings.regions.iter().flat_map(|region| scheme.sources(region).iter());
        let expected = published.chain(&settings.addresses).map(IpAddr::to_canonical).collect();
        Self { mode: settings.mode, expected }
    }

    /// Judges the address of a delivery that verified. One that is not known is none that is expected.
    ///
    /// # Errors
    /// [`Refusal::SourceUnexpected`] where the list is enforced.
    pub fn judge(&self, connection: &ConnectionId, peer: Option<IpAddr>) -> Result<(), Refusal> {
        let expected = || peer.is_some_and(|peer| self.expected.contains(&peer.to_canonical()));
        if self.mode == SourceIpsMode::Off || expected() {
            return Ok(());
        }
        metrics::counter!("verification_unexpected_sources_total", "connection" => connection.to_string())
            .increment(1);
        match self.mode {
            SourceIpsMode::Off => Ok(()),
            SourceIpsMode::Log => {
                // Whoever holds the key is the vendor: the address is of one of its machines, not of a person.
                tracing::warn!(%connection, peer = ?peer, "a delivery verified but came from an unexpected address");
                Ok(())
            }
            SourceIpsMode::Enforce => Err(Refusal::SourceUnexpected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(mode: SourceIpsMode, peer: Option<&str>) -> Result<(), Refusal> {
        let sources = Sources { mode, expected: vec!["52.12.31.116".parse().unwrap()] };
        sources.judge(&"pandadoc-sales".parse().unwrap(), peer.map(|peer| peer.parse().unwrap()))
    }

    #[test]
    fn an_expected_address_passes_in_either_form_of_writing() {
        assert_eq!(judged(SourceIpsMode::Enforce, Some("52.12.31.116")), Ok(()));
        assert_eq!(judged(SourceIpsMode::Enforce, Some("::ffff:52.12.31.116")), Ok(()));
    }

    #[test]
    fn another_address_or_none_is_refused_only_where_the_list_is_enforced() {
        for peer in [Some("52.12.31.117"), None] {
            assert_eq!(judged(SourceIpsMode::Enforce, peer), Err(Refusal::SourceUnexpected));
            assert_eq!(judged(SourceIpsMode::Log, peer), Ok(()));
            assert_eq!(judged(SourceIpsMode::Off, peer), Ok(()));
        }
    }
}
