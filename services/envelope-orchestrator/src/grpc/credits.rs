//! How many credits are left.

use std::time::Duration;

use contracts::wire::envelope as wire;
use event_log::Position;
use tonic::Status;

use super::Grpc;
use crate::credits::Account;

/// How long an answer waits for the view.
const WAIT: Duration = Duration::from_secs(5);

impl Grpc {
    pub(super) async fn credit_accounts(
        &self,
        request: wire::GetCreditsRequest,
    ) -> Result<wire::GetCreditsResponse, Status> {
        let rebuilt = |error: projection::ProjectionError| Status::unavailable(error.to_string());
        if request.min_position > 0 {
            self.credits.wait_for(Position(request.min_position), WAIT).await.map_err(rebuilt)?;
        }
        let position = self.credits.position().0;
        let accounts = self.credits.accounts(&request.provider).map_err(rebuilt)?;
        if accounts.is_empty() && !request.provider.is_empty() {
            return Err(Status::not_found("no connection of this name counts credits"));
        }
        Ok(wire::GetCreditsResponse { credits: accounts.iter().map(shown).collect(), position })
    }
}

fn shown(account: &Account) -> wire::Credits {
    let Account { connection, pool, terms, own, statement, held } = account;
    wire::Credits {
        provider: connection.to_string(),
        sent: own.ever.spent,
        refunded: own.ever.refunded(terms),
        remaining: statement.remaining,
        exhausted: statement.exhausted,
        used_per_day: statement.per_day,
        runs_out_at_ms: statement.runs_out.map_or(0, |at| at.0),
        known: terms.known.map(|(left, _)| left),
        known_at_ms: terms.known.map_or(0, |(_, at)| at.0),
        last_sent_at_ms: own.spent_at.map_or(0, |at| at.0),
        last_refused_at_ms: own.refused_at.map_or(0, |at| at.0),
        held_sends: u32::try_from(*held).unwrap_or(u32::MAX),
        pool: pool.clone().unwrap_or_default(),
    }
}
