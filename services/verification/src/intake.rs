//! From a raw delivery to durable signals: verify, split, append each once.

use std::time::Duration;

use domain::intake::{RawDelivery, Refusal};
use event_log::{EventLog, TraceContext};
use runtime::clock::Clock;
use runtime::config::QuarantineLimits;

use crate::append::StoreError;
use crate::connections::Connections;
use crate::refusal::{Came, Home, Refusals};
use crate::signals::{Proved, Signals, Stored, count};

/// When a sender is asked to come again while the log takes no writes.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Verified and durable: so many signals are new, so many were known.
    Accepted {
        /// Appended now.
        new: u32,
        /// There already.
        known: u32,
    },
    /// Not believed.
    Refused(Refusal),
    /// No such connection, and nobody was told that the delivery is kept.
    UnknownConnection,
    /// The log takes no writes: nothing is kept, the sender must come again.
    Unavailable {
        /// After this pause.
        retry_after: Duration,
    },
}

/// Takes deliveries in.
pub struct Intake {
    clock: Clock,
    connections: Connections,
    refusals: Refusals,
    signals: Signals,
}

impl Intake {
    pub(crate) fn new(log: EventLog, clock: Clock, connections: Connections) -> Self {
        let refusals = Refusals::new(log.clone(), clock.clone());
        Self { clock, connections, refusals, signals: Signals::new(log) }
    }

    pub(crate) const fn connections(&self) -> &Connections {
        &self.connections
    }

    pub(crate) const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    pub(crate) const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The time now.
    pub(crate) fn now(&self) -> domain::time::Timestamp {
        self.clock.now()
    }

    /// How long ago something was.
    pub(crate) fn since(&self, then: domain::time::Timestamp) -> Duration {
        self.clock.now().since(then)
    }

    /// Judges a delivery that came like this. Any verdict but [`Verdict::Unavailable`] and
    /// [`Verdict::UnknownConnection`] is durable, except that of a refusal of which only the number is kept: that is
    /// durable a moment later, and its sender was told no.
    ///
    /// One that was parked is kept whatever becomes of it, for its sender was answered 200: if its connection is not in
    /// the configuration any more, in quarantine, from where it can be released once it is back. Handed over again, or
    /// after it came straight and its verdict came too late, it is the same arrival, and is counted once.
    pub async fn accept(&self, delivery: RawDelivery, came: Came, trace: TraceContext) -> Verdict {
        if let Some(tenant) = &came.parked {
            match self.refusals.refused_before(tenant, came.arrival).await {
                Ok(None) => {}
                Ok(Some(refusal)) => return Verdict::Refused(refusal),
                Err(error) => return unavailable(&error),
            }
        }
        let Some(known) = self.connections.get(&delivery.connection) else {
            let Some(tenant) = came.parked.clone() else { return Verdict::UnknownConnection };
            let home = Home { tenant: &tenant, limits: &QuarantineLimits::default() };
            return self.refuse(home, delivery, came, Refusal::ConnectionUnknown, &trace).await;
        };
        let key_id = match known.prove(&delivery, came.peer, None) {
            Ok(key_id) => key_id,
            Err(refusal) => {
                let home = Home { tenant: &known.tenant, limits: &known.quarantine };
                return self.refuse(home, delivery, came, refusal, &trace).await;
            }
        };
        let arrival = came.arrival.id();
        let proved = Proved {
            known: &known,
            key_id: &key_id,
            arrival: &arrival,
            replayed: false,
            delivery: &delivery,
            trace: &trace,
        };
        match self.signals.store_all(proved).await {
            Ok(Stored { new, known }) => Verdict::Accepted { new, known },
            Err(error) => unavailable(&error),
        }
    }

    async fn refuse(
        &self,
        home: Home<'_>,
        delivery: RawDelivery,
        came: Came,
        refusal: Refusal,
        trace: &TraceContext,
    ) -> Verdict {
        count(&delivery.connection, "quarantined");
        match self.refusals.take(home, delivery, came, refusal, trace).await {
            Ok(()) => Verdict::Refused(refusal),
            Err(error) => unavailable(&error),
        }
    }
}

impl Intake {
    /// Takes a delivery that did not arrive by itself: we fetched it from the vendor's list of missed ones, where it
    /// has this name. Judged like any other, by the keys in force when it was made and by those in force now; taken
    /// twice it is taken once. One that is not believed is left with the vendor and not kept: if it ever arrived here,
    /// it is in quarantine already, and it can be fetched again once the key is mended.
    pub async fn accept_fetched(
        &self,
        name: &str,
        made_at: domain::time::Timestamp,
        delivery: RawDelivery,
    ) -> Verdict {
        let Some(known) = self.connections.get(&delivery.connection) else {
            return Verdict::UnknownConnection;
        };
        let trace = TraceContext::current();
        if let Err(refusal) = known.prove_fetched(&delivery, made_at, self.clock.now()) {
            return Verdict::Refused(refusal);
        }
        let arrival = format!("fetched {} {name}", delivery.connection);
        // It says nothing about which key the vendor signs with now.
        let proved = Proved {
            known: &known,
            key_id: "",
            arrival: &arrival,
            replayed: true,
            delivery: &delivery,
            trace: &trace,
        };
        match self.signals.store_all(proved).await {
            Ok(Stored { new, known }) => Verdict::Accepted { new, known },
            Err(error) => unavailable(&error),
        }
    }
}

fn unavailable(error: &StoreError) -> Verdict {
    tracing::error!(%error, "the log takes no deliveries");
    Verdict::Unavailable { retry_after: RETRY_AFTER }
}
