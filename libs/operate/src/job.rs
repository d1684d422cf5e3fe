//! Jobs, shown and run.

use std::time::Duration;

use contracts::job;
use contracts::wire::common::Job;
use domain::ids::ConnectionId;
use jobs::{AskError, Jobs};
use runtime::grpc::status::bad_field;
use tonic::Status;

use crate::{check_request_id, unavailable};

/// Longest wait for the end of a run.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The jobs of one connection, or of all when it is empty.
///
/// # Errors
/// `Unavailable` when the store does not answer.
pub async fn list(jobs: &Jobs, connection: &str) -> Result<Vec<Job>, Status> {
    let all = jobs.list().await.map_err(unavailable)?.into_iter();
    let wanted = all.filter(|job| connection.is_empty() || job.connection.as_str() == connection);
    Ok(wanted.map(job::resource).collect())
}

/// Runs a job, once for each request id, and waits for its end: `wait_ms` milliseconds, 20 seconds at most. Says how the
/// job stands then, and whether the run has ended.
///
/// # Errors
/// `InvalidArgument` for what is wrong with the request; `NotFound` for a job that there is not; `Unavailable` when the
/// store does not answer.
pub async fn run(
    jobs: &Jobs,
    request_id: &str,
    connection: &str,
    name: &str,
    wait_ms: u64,
) -> Result<(Job, bool), Status> {
    check_request_id(request_id)?;
    let connection = connection.parse::<ConnectionId>();
    let connection = connection.map_err(|error| bad_field("connection", error.to_string()))?;
    let asked = jobs.ask(&connection, name, request_id).await.map_err(refuse)?;
    let at_most = Duration::from_millis(wait_ms).min(WAIT_MAX);
    let (standing, ended) = jobs.wait(&connection, name, asked, at_most).await.map_err(refuse)?;
    Ok((job::resource(standing), ended))
}

fn refuse(error: AskError) -> Status {
    match error {
        AskError::Unknown { .. } => Status::not_found(format!("name: {error}")),
        AskError::Store(error) => unavailable(error),
    }
}
