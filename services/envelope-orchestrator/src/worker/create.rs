//! Making the envelope at the provider, once.
//!
//! The key comes from the order, and the way on which the first call went from the log, so a repeated call is the same
//! call, whatever became of the connection's options meanwhile. Where the provider has no keys, may have
//! forgotten ours, or answers nothing good to it, an earlier try is searched for first; what it left is adopted.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::envelope::{Command, CreateFailure, Document, Order, SendPolicy, Source as From, Stage};
use domain::personal::Personal;
use providers::{
    CLIENT_REFERENCE_KEY, Class, CreateOrder, Created, ENVELOPE_ID_KEY, EXTERNAL_ID_KEY, ProviderError,
    Snapshot, Source,
};

use super::halt::{Halt, Step, told};
use super::look::{is_out, observation};
use super::{Job, Worker};
use crate::alarms;
use crate::holds::Turn;

/// After so many tries under one key it is also looked for what an earlier one may have left: a twin
/// that never ends, or a provider that breaks over this very call, would else be asked until the key is forgotten.
const KEY_TRIES: u32 = 5;
/// Tries to learn the review link of an envelope whose id a webhook told.
const LINK_TRIES: u32 = 8;

impl Worker {
    pub(super) async fn create(&self, job: &mut Job) -> Step {
        let Some(order) = job.envelope.order.clone() else { return Err(Halt::Settled) };
        let can = job.provider.capabilities();
        // from before the key was first used: a key that the provider has forgotten would make another envelope
        let since = job.envelope.requested_at.or(job.envelope.created_at).unwrap_or(job.asked_at);
        let known = job.envelope.provider_id.is_some();
        if known && !(can.review_link && can.idempotency_keys && self.now().since(since) < can.key_window) {
            // Only a call that the provider remembers may be made for its answer.
            return Err(Halt::Settled);
        }
        let auto_send = order.send == SendPolicy::Auto && matches!(order.document, Document::Template { .. });
        if auto_send
            && !known
            && let Turn::Wait(pause) = self.holds.turn(&job.connection, job.position, self.now())
        {
            return Err(Halt::retry(pause, "sends of this connection wait for credits"));
        }
        if job.envelope.stage == Stage::Creating {
            if let Some(found) = self.left_by_earlier_try(job, &order).await? {
                return self.adopt(job, found).await;
            }
        } else if !known {
            let way = match &order.document {
                Document::Upload { .. } => job.provider.upload_way().map(str::to_owned),
                Document::Url(_) | Document::Template { .. } => None,
            };
            self.tell(job, "start_create", Command::StartCreate { way, at: self.now() }).await?;
        }
        let Some(source) = self.source(&order.document).await? else {
            return self.fail(job, CreateFailure::InvalidRequest, None).await;
        };
        let wish = CreateOrder {
            source,
            parties: order.parties.clone(),
            auto_send,
            correlation: correlation(job, &order),
            webhook_url: None,
            name: order.title.clone(),
            way: job.envelope.create_way.clone(),
        };
        match job.provider.create(&wish, &format!("{}:create", order.operation_key)).await {
            Ok(created) => self.created(job, created).await,
            Err(error) => self.not_created(job, &error).await,
        }
    }

    /// What an earlier try made, if the key alone does not answer that.
    async fn left_by_earlier_try(&self, job: &Job, order: &Order) -> Result<Option<Snapshot>, Halt> {
        let can = job.provider.capabilities();
        let started = self.now().since(job.envelope.stage_since);
        let remembered = can.idempotency_keys && started < can.key_window;
        if remembered && !job.attempt.is_multiple_of(KEY_TRIES) {
            return Ok(None);
        }
        if !can.idempotency_keys && job.attempt == 1 && can.search_lag > Duration::ZERO {
            // Whoever tried before has died with it, perhaps just now: what it made may not be found yet.
            return Err(Halt::retry(can.search_lag, "an earlier try may not be found yet"));
        }
        match job.provider.find(&job.subject.id, &order.correlation.external_id).await {
            Ok(found) => Ok(found),
            // The call itself answers as well, as long as its key is remembered.
            Err(_) if remembered => Ok(None),
            Err(error) => Err(self.after_read(job, &error)),
        }
    }

    async fn adopt(&self, job: &mut Job, found: Snapshot) -> Step {
        let created = Created {
            provider_id: found.provider_id.clone(),
            review_link: found.review_link.clone(),
            sent: is_out(&found.claim),
        };
        self.created(job, created).await?;
        let reopens = job.provider.capabilities().reopens;
        let seen =
            Command::Observe { observation: observation(found), source: From::Poll, reopens, at: self.now() };
        self.tell(job, "observe_found", seen).await
    }

    async fn created(&self, job: &mut Job, created: Created) -> Step {
        tracing::info!(envelope.id = %job.subject.id, provider.id = %created.provider_id, "created at the provider");
        let sent = created.sent;
        let confirm = Command::ConfirmCreated {
            provider_id: created.provider_id,
            review_link: created.review_link,
            sent,
            at: self.now(),
        };
        self.tell(job, "confirm_created", confirm).await?;
        match sent {
            true => self.holds.passed(&job.connection, job.position),
            false => self.holds.dropped(&job.connection, job.position),
        }
        Ok(())
    }

    async fn not_created(&self, job: &mut Job, error: &ProviderError) -> Step {
        if job.envelope.provider_id.is_some() {
            // Only the link is missing: not worth a dead letter, nor keeping later effects waiting for long.
            return Err(match self.after(job, error, &self.tuning.write_backoff) {
                halt @ Halt::Retry { .. } if job.attempt < LINK_TRIES => halt,
                Halt::Retry { .. } | Halt::Settled | Halt::GiveUp { .. } => Halt::Settled,
            });
        }
        let said = error.detail.clone();
        match error.class {
            Class::InvalidRequest | Class::NotFound => {
                self.fail(job, CreateFailure::InvalidRequest, said).await
            }
            Class::Forbidden => {
                alarms::key_refused(&job.connection, &told(error));
                self.fail(job, CreateFailure::Forbidden, said).await
            }
            Class::TooLarge => self.fail(job, CreateFailure::TooLarge, said).await,
            Class::QuotaExhausted => {
                self.holds.refused(&job.connection, job.position, self.now());
                Err(Halt::retry(self.tuning.turn_pause.min(self.tuning.probe_pause), told(error)))
            }
            Class::Unauthorized
            | Class::NotReady
            | Class::Conflict
            | Class::Locked
            | Class::RateLimited
            | Class::OutcomeUnknown
            | Class::Transient => {
                let started = self.now().since(job.envelope.stage_since);
                if started > self.tuning.write_budget && job.attempt > 1 {
                    return self.fail(job, CreateFailure::Exhausted, None).await;
                }
                match self.after(job, error, &self.tuning.write_backoff) {
                    Halt::GiveUp { .. } => self.fail(job, CreateFailure::Exhausted, None).await,
                    halt @ (Halt::Settled | Halt::Retry { .. }) => Err(halt),
                }
            }
        }
    }

    async fn fail(&self, job: &mut Job, failure: CreateFailure, reason: Option<Personal>) -> Step {
        tracing::warn!(envelope.id = %job.subject.id, ?failure, "creation failed for good");
        self.holds.dropped(&job.connection, job.position);
        self.tell(job, "fail_create", Command::FailCreate { failure, reason, at: self.now() }).await
    }

    /// The document for the provider; `None` when it was erased or is gone, so that it can never be made.
    async fn source(&self, document: &Document) -> Result<Option<Source>, Halt> {
        match document {
            Document::Url(url) => Ok(url.reveal().map(|url| Source::Url(url.to_owned()))),
            Document::Upload { digest, file_name, content_type } => {
                let blob = self.store.log().blobs().get(digest).await;
                let bytes = blob.map_err(|error| Halt::retry(self.tuning.turn_pause, error.to_string()))?;
                Ok(bytes.map(|bytes| Source::Upload {
                    file_name: file_name.clone(),
                    content_type: content_type.clone(),
                    bytes,
                }))
            }
            Document::Template { template_id, prefill } => {
                let known =
                    prefill.iter().map(|(label, text)| Some((label.clone(), text.reveal()?.to_owned())));
                let prefill = known.collect::<Option<BTreeMap<_, _>>>();
                Ok(prefill.map(|prefill| Source::Template { id: template_id.clone(), prefill }))
            }
        }
    }
}

fn correlation(job: &Job, order: &Order) -> BTreeMap<String, String> {
    BTreeMap::from([
        (ENVELOPE_ID_KEY.to_owned(), job.subject.id.to_string()),
        (EXTERNAL_ID_KEY.to_owned(), order.correlation.external_id.clone()),
        (CLIENT_REFERENCE_KEY.to_owned(), order.correlation.client_reference_id.clone()),
    ])
}
