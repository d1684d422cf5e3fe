//! Asking the orchestrator over gRPC: for an envelope, and for those there were before.

use std::time::Duration;

use contracts::wire::common::RecordRef;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::envelope::{
    CreateEnvelopeRequest, CreateEnvelopeResponse, Envelope, EnvelopeFilter, ListEnvelopesRequest,
};
use runtime::grpc::Client;
use tonic::{Code, Request, Status};

/// Most envelopes of one record and flow that are looked at.
const EARLIER_MAX: u32 = 1000;

/// The orchestrator, as far as crm-sync needs it. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    client: EnvelopeServiceClient<Client>,
    deadline: Duration,
}

/// Why a request was not answered with an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The same request will be refused again; the text names fields, never values.
    Refused(String),
    /// It may pass.
    Later(Code),
}

impl Orchestrator {
    /// A client with a deadline for each call.
    pub fn new(channel: Client, deadline: Duration) -> Self {
        // A document may travel in the request.
        let bytes_max = contracts::envelope::UPLOAD_BYTES_MAX + 1024 * 1024;
        Self { client: EnvelopeServiceClient::new(channel).max_encoding_message_size(bytes_max), deadline }
    }

    /// The envelopes of this record and flow, as far as `min_position` at least.
    pub async fn of_record(
        &self,
        record: &RecordRef,
        flow: &str,
        min_position: u64,
    ) -> Result<Vec<Envelope>, AskError> {
        let filter = EnvelopeFilter {
            record: Some(record.clone()),
            flow: flow.to_owned(),
            ..EnvelopeFilter::default()
        };
        let request = ListEnvelopesRequest {
            filter: Some(filter),
            page_size: EARLIER_MAX,
            page_token: String::new(),
            min_position,
        };
        let answer = self.client.clone().list_envelopes(self.request(request)).await.map_err(read)?;
        Ok(answer.into_inner().envelopes)
    }

    /// Asks for an envelope; the same request again answers with the same one.
    pub async fn create(&self, request: CreateEnvelopeRequest) -> Result<Envelope, AskError> {
        let answer = self.client.clone().create_envelope(self.request(request)).await.map_err(read)?;
        let CreateEnvelopeResponse { envelope, .. } = answer.into_inner();
        envelope.ok_or(AskError::Later(Code::Internal))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }
}

/// Only what the caller did wrong is final.
fn read(status: Status) -> AskError {
    match status.code() {
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::PermissionDenied => AskError::Refused(status.message().to_owned()),
        code @ (Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated) => AskError::Later(code),
    }
}
