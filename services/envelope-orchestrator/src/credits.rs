//! How many credits each connection has used, for vendors that count them. What is left, and how fast it goes, is told of
//! all connections together that draw on one pool.
//!
//! A view of its own over the category envelopes: how each envelope stands with the credits, what was spent and came
//! back minute by minute, and when a send was last refused for want of credits. No vendor is asked: none tells. What
//! the numbers mean is decided in `domain::credits`, with the terms of the connection's adapter.

mod view;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::credits::{Book, Count, PACE_WINDOW, Statement, Terms};
use domain::ids::ConnectionId;
use domain::time::Timestamp;
use event_log::{Category, Position};
use projection::{Projection, ProjectionError};
use runtime::clock::Clock;
use runtime::config::{Configuration, SharedConfiguration};
use tokio_util::sync::CancellationToken;

use crate::Providers;
use crate::holds::Holds;
use crate::store::Store;
pub(crate) use view::Spending;
use view::{Last, MINUTE};

/// Pause between two refreshes of the metrics.
const REFRESH: Duration = Duration::from_secs(30);
/// Minutes read at once.
const MINUTES_PAGE: usize = 5_000;

/// What is told of one connection.
#[derive(Clone, Debug)]
pub struct Account {
    pub(crate) connection: ConnectionId,
    /// The pool it shares, if it shares one.
    pub(crate) pool: Option<String>,
    /// Those of the pool.
    pub(crate) terms: Terms,
    /// What is known of the connection alone.
    pub(crate) own: Last,
    /// That of the pool.
    pub(crate) statement: Statement,
    /// Sends that wait for credits.
    pub(crate) held: usize,
}

/// A cheap handle to the view of the credits.
#[derive(Clone)]
pub struct Credits {
    projection: Projection<Spending>,
    clock: Clock,
    providers: Providers,
    configuration: SharedConfiguration,
    holds: Arc<Holds>,
}

impl Credits {
    /// Opens the view in `dir`.
    ///
    /// # Errors
    /// When the directory cannot be used at all.
    pub async fn open(
        dir: &Path,
        store: &Store,
        providers: Providers,
        configuration: SharedConfiguration,
        holds: Arc<Holds>,
    ) -> Result<Self, ProjectionError> {
        let projection = Projection::open(dir, store.log().clone(), Category::Envelopes, Spending).await?;
        Ok(Self { projection, clock: store.clock().clone(), providers, configuration, holds })
    }

    /// Keeps the view and the metrics up to date until `shutdown`.
    ///
    /// # Errors
    /// When the log holds a record that cannot be read.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), ProjectionError> {
        let refresh = async {
            let mut ticks = tokio::time::interval(REFRESH);
            loop {
                ticks.tick().await;
                if let Err(error) = self.show() {
                    tracing::debug!(%error, "credits are not shown");
                }
            }
        };
        tokio::select! {
            outcome = self.projection.run(shutdown) => outcome,
            () = refresh => Ok(()),
        }
    }

    fn show(&self) -> Result<(), ProjectionError> {
        for account in self.accounts("")? {
            let connection = account.connection.to_string();
            let used = account.own.ever.used(&account.terms);
            let exhausted = u8::from(account.statement.exhausted);
            // a number that nobody knows is no zero
            let remaining = account.statement.remaining.map_or(f64::NAN, |remaining| remaining as f64);
            metrics::gauge!("orchestrator_credits_used", "connection" => connection.clone()).set(used as f64);
            metrics::gauge!("orchestrator_credits_exhausted", "connection" => connection.clone())
                .set(exhausted);
            metrics::gauge!("orchestrator_credits_remaining", "connection" => connection).set(remaining);
        }
        Ok(())
    }

    /// How far the view has come.
    pub fn position(&self) -> Position {
        self.projection.position()
    }

    /// Returns once the view has reached `position`.
    ///
    /// # Errors
    /// When it has not within `deadline`.
    pub async fn wait_for(&self, position: Position, deadline: Duration) -> Result<(), ProjectionError> {
        self.projection.wait_for(position, deadline).await
    }

    /// Every connection whose vendor counts credits, or only `wanted`.
    ///
    /// # Errors
    /// While the view is being rebuilt.
    pub fn accounts(&self, wanted: &str) -> Result<Vec<Account>, ProjectionError> {
        let current = self.configuration.current();
        let configuration = current.configuration();
        let named = configuration.connections.keys();
        let named = named.filter(|id| wanted.is_empty() || id.as_str() == wanted);
        let counting = named.filter_map(|id| Some((id, (self.providers)(id)?.credits()?)));
        counting.map(|(id, terms)| self.account(configuration, id, terms)).collect()
    }

    fn account(
        &self,
        configuration: &Configuration,
        connection: &ConnectionId,
        own_terms: Terms,
    ) -> Result<Account, ProjectionError> {
        let now = self.clock.now();
        let sharing = configuration.sharing_credits_with(connection);
        // Whoever looked at the dashboard last knows best, whichever connection it was written down at.
        let known = sharing.iter().filter_map(|id| (self.providers)(id)?.credits()?.known);
        let terms = Terms { known: known.max_by_key(|(_, at)| *at), ..own_terms };
        let known = terms.known.map(|(_, at)| at);
        let lately =
            Timestamp(now.0.saturating_sub(i64::try_from(PACE_WINDOW.as_millis()).unwrap_or(i64::MAX)));
        let mut book = Book::default();
        for id in &sharing {
            let last = self.last(id)?;
            book.last_spent = book.last_spent.max(last.spent_at);
            book.last_refused = book.last_refused.max(last.refused_at);
            self.minutes(id, known.map_or(lately, |known| known.min(lately)), |at, count| {
                if known.is_some_and(|known| at.0 >= view::floor(known)) {
                    add(&mut book.since_known, count);
                }
                if at >= lately {
                    add(&mut book.lately, count);
                    book.lately_from = Some(book.lately_from.map_or(at, |from| from.min(at)));
                }
            })?;
        }
        let pool = configuration.connections.get(connection).and_then(|known| known.credit_pool.clone());
        Ok(Account {
            connection: connection.clone(),
            pool,
            terms,
            own: self.last(connection)?,
            statement: book.statement(&terms, now),
            held: self.holds.waiting(connection),
        })
    }

    fn last(&self, connection: &ConnectionId) -> Result<Last, ProjectionError> {
        let last = self.projection.get(view::LAST, connection.as_str().as_bytes())?;
        Ok(last.and_then(|bytes| Last::read(&bytes)).unwrap_or_default())
    }

    /// Every minute from `from` on in which something moved.
    fn minutes(
        &self,
        connection: &ConnectionId,
        from: Timestamp,
        mut take: impl FnMut(Timestamp, Count),
    ) -> Result<(), ProjectionError> {
        let prefix = view::minutes_of(connection.as_str());
        let before = Timestamp(from.0.saturating_sub(MINUTE));
        let mut after = view::minute_key(connection.as_str(), before);
        loop {
            let page = self.projection.scan(view::MINUTES, &prefix, MINUTES_PAGE, Some(&after))?;
            let last = page.len() < MINUTES_PAGE;
            for row in page {
                if let Some((at, count)) = view::minute(&row.key, &row.value) {
                    take(at, count);
                }
                after = row.key;
            }
            if last {
                return Ok(());
            }
        }
    }
}

fn add(sum: &mut Count, count: Count) {
    sum.spent = sum.spent.saturating_add(count.spent);
    sum.returned = sum.returned.saturating_add(count.returned);
}
