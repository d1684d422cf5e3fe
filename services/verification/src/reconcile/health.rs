//! Looks whether a vendor still delivers to us, and turns its subscription on again where it has given up.
//!
//! It is turned on only while our own address answers as ingress does: a vendor that meets the same errors again gives
//! up again. What was missed meanwhile is fetched by the job beside this one, which is asked for at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::ConnectionId;
use http::Method;
use jobs::{Failure, Report, Run, Work};
use outbound::{Outbound, Request};
use providers::{Subscription, SubscriptionStanding};
use url::Url;

use super::gaps::Place;
use super::{GAPS, HEALTH, Reconciler};

/// How long our own address may take to answer.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// The job of one connection.
pub struct Health {
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) connection: ConnectionId,
}

#[async_trait]
impl Work for Health {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        let provider = self.reconciler.provider(&self.connection)?;
        let failing = self.failing_for().await?;
        let label = self.connection.to_string();
        metrics::gauge!("verification_subscription_failing_seconds", "connection" => label.clone())
            .set(failing.as_secs_f64());
        let subscription = provider.subscription().await.map_err(Failure::new)?;
        let active = subscription.as_ref().is_some_and(|one| one.standing == SubscriptionStanding::Active);
        metrics::gauge!("verification_subscription_active", "connection" => label).set(if active {
            1.0
        } else {
            0.0
        });
        match subscription {
            None => {
                tracing::warn!(connection = %self.connection, "the vendor has no subscription that reports to us");
                let note = "no subscription reports to our address: make one at the vendor";
                Ok(Report { looked: 1, attention: true, note: note.to_owned(), ..Report::default() })
            }
            Some(_) if active => Ok(self.delivers(failing)),
            Some(subscription) => self.revive(run, provider.as_ref(), &subscription).await,
        }
    }
}

impl Health {
    /// How long deliveries have failed in a row.
    async fn failing_for(&self) -> Result<Duration, Failure> {
        let Some(jobs) = self.reconciler.jobs.get() else { return Ok(Duration::ZERO) };
        let words = jobs.place(&self.connection, GAPS).await.map_err(Failure::new)?;
        let arrived = self.reconciler.last_arrival(&self.connection)?;
        Ok(Place::read(words.as_deref()).failing_for(arrived, self.reconciler.clock.now()))
    }

    fn delivers(&self, failing: Duration) -> Report {
        let (tuning, day) = (&self.reconciler.tuning, 86_400.0);
        let attention = failing >= tuning.failing_warning;
        let note = match failing {
            Duration::ZERO => "active".to_owned(),
            failing => format!(
                "active, but deliveries fail for {:.1} of {:.0} days",
                failing.as_secs_f64() / day,
                tuning.deactivated_after.as_secs_f64() / day
            ),
        };
        if attention {
            tracing::warn!(connection = %self.connection, note, "the vendor will turn its subscription off");
        }
        Report { looked: 1, attention, note, ..Report::default() }
    }

    /// Turns the subscription on again and asks for what was missed.
    async fn revive(
        &self,
        run: &Run,
        provider: &dyn providers::Provider,
        subscription: &Subscription,
    ) -> Result<Report, Failure> {
        let was = match subscription.standing {
            SubscriptionStanding::Active => "active",
            SubscriptionStanding::Inactive => "turned off",
            SubscriptionStanding::Deactivated => "given up by the vendor",
        };
        tracing::warn!(connection = %self.connection, was, "the vendor does not deliver");
        let report = |found, note: String| Report { looked: 1, found, attention: true, note, more: false };
        if let Err(why) = self.our_address_answers().await {
            return Ok(report(0, format!("{was}; not turned on again, because our own address {why}")));
        }
        provider.activate_subscription(&subscription.id).await.map_err(Failure::new)?;
        metrics::counter!("verification_subscriptions_revived_total", "connection" => self.connection.to_string())
            .increment(1);
        tracing::info!(connection = %self.connection, "the subscription is turned on again; what was missed is fetched");
        if let Some(jobs) = self.reconciler.jobs.get()
            && provider.capabilities().replays_deliveries
        {
            let request = format!("{HEALTH}-{}", run.started_at.0);
            jobs.ask(&self.connection, GAPS, &request).await.map_err(Failure::new)?;
        }
        Ok(report(1, format!("was {was}; turned on again, what was missed is fetched")))
    }

    /// Whether somebody answers at the address the vendor reports to, as ingress would. Without an address in the
    /// configuration nobody can be asked, and it is taken for well.
    async fn our_address_answers(&self) -> Result<(), String> {
        let Some(url) = self.reconciler.intake.connections().webhook_url(&self.connection) else {
            return Ok(());
        };
        let url: Url = url.parse().map_err(|_| "is not an address".to_owned())?;
        let mut settings = outbound::Settings::new("own-address");
        // Our own configuration names it, and inside a cluster it often is a private one.
        settings.allow_private_addresses = true;
        let outbound = Outbound::new(settings).map_err(|error| error.to_string())?;
        let request = Request::new(Method::GET, url, "probe_own_address").deadline(PROBE_DEADLINE);
        match outbound.send(request).await {
            Ok(answer) if answer.status == 410 || answer.status >= 500 => {
                Err(format!("answers {}", answer.status))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(format!("does not answer ({})", error.code())),
        }
    }
}
