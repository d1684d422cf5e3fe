//! Clients of the services, and their refusals in words.

use anyhow::{Result, anyhow};
use contracts::wire::crmsync::crm_sync_service_client::CrmSyncServiceClient;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use runtime::grpc::{Client, ClientSettings};
use tonic::{Code, Response, Status};

use super::args::Ask;

impl Ask {
    /// The orchestrator.
    pub(super) fn envelopes(&self) -> Result<EnvelopeServiceClient<Client>> {
        Ok(EnvelopeServiceClient::new(client(&self.orchestrator_endpoint)?))
    }

    /// crm-sync.
    pub(super) fn crm_sync(&self) -> Result<CrmSyncServiceClient<Client>> {
        Ok(CrmSyncServiceClient::new(client(&self.crm_sync_endpoint)?))
    }

    /// Verification.
    pub(super) fn verification(&self) -> Result<VerificationServiceClient<Client>> {
        Ok(VerificationServiceClient::new(client(&self.verification_endpoint)?))
    }
}

fn client(endpoint: &str) -> Result<Client> {
    Ok(Client::new(endpoint, ClientSettings::default())?)
}

/// The answer of the orchestrator.
pub(super) fn by_orchestrator<T>(ask: &Ask, answer: Result<Response<T>, Status>) -> Result<T> {
    heard(answer, "the orchestrator", &ask.orchestrator_endpoint, "--orchestrator-endpoint")
}

/// The answer of crm-sync.
pub(super) fn by_crm_sync<T>(ask: &Ask, answer: Result<Response<T>, Status>) -> Result<T> {
    heard(answer, "crm-sync", &ask.crm_sync_endpoint, "--crm-sync-endpoint")
}

/// The answer of verification.
pub(super) fn by_verification<T>(ask: &Ask, answer: Result<Response<T>, Status>) -> Result<T> {
    heard(answer, "verification", &ask.verification_endpoint, "--verification-endpoint")
}

fn heard<T>(answer: Result<Response<T>, Status>, who: &str, at: &str, flag: &str) -> Result<T> {
    match answer {
        Ok(response) => Ok(response.into_inner()),
        Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => Err(anyhow!(
            "{who} does not answer at {at} ({}); start `countersign up`, or name its address with {flag}",
            status.message()
        )),
        Err(status) => Err(anyhow!("{who} refuses ({:?}): {}", status.code(), status.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_not_there_is_named_with_the_flag_that_finds_it() {
        let refused: Result<()> =
            heard(Err(Status::unavailable("refused")), "verification", "http://x", "--v");
        let said = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("http://x") && said.contains("--v"), "{said}");
        let refused: Result<()> = heard(Err(Status::not_found("no such envelope")), "it", "http://x", "--v");
        assert_eq!(
            refused.err().map(|error| error.to_string()).unwrap_or_default(),
            "it refuses (NotFound): no such envelope"
        );
    }
}
