//! Jobs, shown and run.

use std::time::Duration;

use contracts::job;
use contracts::wire::envelope as wire;
use domain::ids::{ConnectionId, OperationKey};
use tonic::Status;

use super::Grpc;
use super::refuse::{bad_request, unavailable, violation};

/// Longest wait for the end of a run.
const WAIT_MAX: Duration = Duration::from_secs(20);

impl Grpc {
    /// The jobs of one connection, or of all.
    pub(super) async fn all_jobs(&self, connection: &str) -> Result<wire::ListJobsResponse, Status> {
        let jobs = self.jobs.list().await.map_err(unavailable)?.into_iter();
        let wanted = jobs.filter(|job| connection.is_empty() || job.connection.as_str() == connection);
        Ok(wire::ListJobsResponse { jobs: wanted.map(job::resource).collect() })
    }

    /// Runs a job, once for each request id.
    pub(super) async fn run_now(&self, request: wire::RunJobRequest) -> Result<wire::RunJobResponse, Status> {
        let wire::RunJobRequest { request_id, connection, name, wait_ms } = request;
        let mut violations = Vec::new();
        if let Err(error) = request_id.parse::<OperationKey>() {
            violations.push(violation("request_id", error.to_string()));
        }
        let id = connection.parse::<ConnectionId>();
        let id = id.map_err(|error| violations.push(violation("connection", error.to_string()))).ok();
        let Some(id) = id.filter(|_| violations.is_empty()) else { return Err(bad_request(violations)) };
        let asked = self.jobs.ask(&id, &name, &request_id).await.map_err(refuse)?;
        let at_most = Duration::from_millis(wait_ms).min(WAIT_MAX);
        let (standing, ended) = self.jobs.wait(&id, &name, asked, at_most).await.map_err(refuse)?;
        Ok(wire::RunJobResponse { job: Some(job::resource(standing)), ended })
    }
}

fn refuse(error: ::jobs::AskError) -> Status {
    match error {
        ::jobs::AskError::Unknown { .. } => Status::not_found(format!("name: {error}")),
        ::jobs::AskError::Store(error) => unavailable(error),
    }
}
