//! Every call that changes something at a signature provider, and everything that can go wrong with it, through the
//! whole house: a real process on the embedded log, driven over gRPC, beside the vendors' simulators.
//!
//! After each trouble the envelope stands as wished, the vendor shows one effect, and the vendor's journal holds no
//! more attempts than the trouble made necessary. What an adapter makes of an answer is judged in its own room; here
//! it is the orchestrator's patience.

mod troubles;
mod vendors;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope as wire;
use contracts::wire::envelope::create_envelope_request::Document;
use contracts::wire::envelope::{NewParty, SendPolicy, Stage as At};
use countersign::journeys::{Addresses, Stage};
use system_tests::condition::eventually;
use system_tests::process::{Countersign, Options};

use troubles::{Trouble, troubles};
use vendors::{Call, Vendor};

/// Nothing here takes longer, unless it is broken.
const DEADLINE: Duration = Duration::from_secs(60);

/// One envelope on its way through one trouble.
struct Case<'a> {
    stage: &'a Stage,
    vendor: Vendor,
    call: Call,
    trouble: &'a Trouble,
    /// What its title ends with: unique in the process.
    number: String,
}

/// Plays every trouble of these calls, one after the other: two troubles at once would open the connection's breaker.
async fn play(vendor: fn(&Stage) -> Vendor, calls: &[Call]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let process = Countersign::up(&Options::embedded(directory.path())).await?;
    let addresses: Addresses = serde_json::from_value(process.ready.clone())?;
    let stage = Stage::new(addresses)?;
    for call in calls {
        for (number, trouble) in troubles().iter().enumerate() {
            let vendor = vendor(&stage);
            if !vendor.knows(trouble) {
                continue;
            }
            let number = format!("{call:?}-{number}");
            let case = Case { stage: &stage, vendor, call: *call, trouble, number };
            case.play().await.with_context(|| format!("{call:?}, {}", trouble.name))?;
        }
    }
    process.stop().await
}

impl Case<'_> {
    async fn play(&self) -> Result<()> {
        let before = matches!(self.call, Call::Create | Call::Send);
        if before {
            self.vendor.spoil(self.stage, self.call, self.trouble).await?;
        }
        let id = self.create().await?;
        let envelope = self.until(&id, At::Sent).await?;
        if !before {
            self.vendor.spoil(self.stage, self.call, self.trouble).await?;
            self.act(&id).await?;
        }
        if self.call == Call::Void {
            self.until(&id, At::Voided).await?;
        }
        if self.call != Call::Void {
            // What follows comes only once the spoiled call is done with: afterwards nothing is on its way any more.
            self.until_made(&envelope).await?;
            self.void(&id).await?;
            self.until(&id, At::Voided).await?;
        }
        self.judge(&envelope).await
    }

    /// Waits until the call was made as often as it must be at least.
    async fn until_made(&self, envelope: &wire::Envelope) -> Result<()> {
        let needed = *self.trouble.attempts(self.call).start();
        eventually("the attempts", DEADLINE, || async move {
            let attempts = self.vendor.attempts(self.stage, self.call, envelope).await?;
            ensure!(attempts >= needed, "{attempts} attempts, needed were {needed}");
            Ok(Some(()))
        })
        .await
    }

    /// One effect, and only so many attempts as were needed for it.
    async fn judge(&self, envelope: &wire::Envelope) -> Result<()> {
        let (wanted, needed) = (self.trouble.effects(self.call), self.trouble.attempts(self.call));
        eventually("the effect", DEADLINE, || async move {
            let effects = self.vendor.effects(self.stage, self.call, envelope).await?;
            ensure!(effects >= wanted, "{effects} effects instead of {wanted}");
            Ok(Some(()))
        })
        .await?;
        let effects = self.vendor.effects(self.stage, self.call, envelope).await?;
        let attempts = self.vendor.attempts(self.stage, self.call, envelope).await?;
        ensure!(effects == wanted, "{effects} effects instead of {wanted}, after {attempts} attempts");
        ensure!(needed.contains(&attempts), "{attempts} attempts, needed were {needed:?}");
        Ok(())
    }

    fn title(&self) -> String {
        format!("Order {}", self.number)
    }

    async fn create(&self) -> Result<String> {
        let party = |role: &str, name: &str, email: String| NewParty {
            role: role.to_owned(),
            name: name.to_owned(),
            email,
        };
        let request = wire::CreateEnvelopeRequest {
            request_id: format!("matrix-{}", self.number),
            provider: self.vendor.connection.to_owned(),
            document: Some(Document::Url(self.vendor.document())),
            parties: vec![
                party(self.vendor.roles[0], "Dana Buyer", format!("dana.{}@buyer.test", self.number)),
                party(self.vendor.roles[1], "Sam Seller", "sam@acme.test".to_owned()),
            ],
            send: SendPolicy::Auto.into(),
            title: self.title(),
            ..Default::default()
        };
        let answer = self.stage.envelopes().create_envelope(request).await?.into_inner();
        Ok(answer.envelope.context("an answer without an envelope")?.envelope_id)
    }

    async fn act(&self, id: &str) -> Result<()> {
        match self.call {
            Call::Create | Call::Send => Ok(()),
            Call::Remind => {
                let request = wire::RemindEnvelopeRequest {
                    request_id: format!("remind-{id}"),
                    envelope_id: id.to_owned(),
                };
                self.stage.envelopes().remind_envelope(request).await?;
                Ok(())
            }
            Call::Void => self.void(id).await,
        }
    }

    async fn void(&self, id: &str) -> Result<()> {
        let request =
            wire::VoidEnvelopeRequest { request_id: format!("void-{id}"), envelope_id: id.to_owned() };
        self.stage.envelopes().void_envelope(request).await?;
        Ok(())
    }

    async fn until(&self, id: &str, stage: At) -> Result<wire::Envelope> {
        let look = || async {
            let envelope = self.stage.envelope(id).await?;
            let now = envelope.stage();
            ensure!(now == stage, "{} is {}", self.title(), now.as_str_name());
            Ok(Some(envelope))
        };
        eventually(stage.as_str_name(), DEADLINE, look).await
    }
}

#[tokio::test]
async fn creating_and_sending_at_atlas() -> Result<()> {
    play(Vendor::atlas, &[Call::Create, Call::Send]).await
}

#[tokio::test]
async fn reminding_and_voiding_at_atlas() -> Result<()> {
    play(Vendor::atlas, &[Call::Remind, Call::Void]).await
}

#[tokio::test]
async fn creating_and_sending_at_pandadoc() -> Result<()> {
    play(Vendor::pandadoc, &[Call::Create, Call::Send]).await
}

#[tokio::test]
async fn reminding_and_voiding_at_pandadoc() -> Result<()> {
    play(Vendor::pandadoc, &[Call::Remind, Call::Void]).await
}
