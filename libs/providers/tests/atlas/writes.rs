//! Every write call × everything that can go wrong with it: what is known afterwards, how often it was tried, and
//! that trying again with the same key has the effect once.

use std::time::Duration;

use domain::ids::ProviderEnvelopeId;
use domain::intake::Claim;
use domain::personal::Personal;
use domain::retry::Retry;
use providers::atlas::Adapter;
use providers::{Class, CreateOrder, FieldEdit, Provider, ProviderError};
use serde_json::{Value, json};

use super::{CREDITS, Desk, order, parties, template_source, until, upload_source, url_source};

/// The calls that change something at the vendor, in the dialect that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    CreateFromUrl,
    CreateFromTemplate,
    CreateAndSend,
    CreateFromFile,
    CreateInline,
    Send,
    EditFields,
    Remind,
    Void,
}

const FIRST: [Write; 9] = [
    Write::CreateFromUrl,
    Write::CreateFromTemplate,
    Write::CreateAndSend,
    Write::CreateFromFile,
    Write::CreateInline,
    Write::Send,
    Write::EditFields,
    Write::Remind,
    Write::Void,
];

const SECOND: [Write; 5] =
    [Write::CreateFromUrl, Write::CreateInline, Write::Send, Write::Remind, Write::Void];

/// What happens to the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    TooFast,
    TooFastWithoutHint,
    KeyRefused,
    BrokenBefore,
    BrokenAfter,
    Proxy,
    SilentBefore,
    SilentAfter,
    LineDropped,
    AnswerCut,
}

impl Trouble {
    fn fault(self) -> Value {
        match self {
            Self::TooFast => {
                json!({"status": 429, "headers": {"retry-after": "1"}, "body": {"code": "rate_limited"}})
            }
            Self::TooFastWithoutHint => json!({"status": 429}),
            Self::KeyRefused => json!({"status": 401, "body": {"code": "unauthorized"}}),
            Self::BrokenBefore => json!({"status": 503}),
            Self::BrokenAfter => json!({"status": 500, "after_apply": true}),
            Self::Proxy => json!("html_502"),
            Self::SilentBefore => json!("timeout_before_apply"),
            Self::SilentAfter => json!("timeout_after_apply"),
            Self::LineDropped => json!("drop_connection"),
            Self::AnswerCut => json!("truncate_body"),
        }
    }

    fn expected(self) -> (Class, Retry) {
        match self {
            Self::TooFast => (Class::RateLimited, Retry::After(Duration::from_secs(1))),
            Self::TooFastWithoutHint => (Class::RateLimited, Retry::WithBackoff),
            Self::KeyRefused => (Class::Unauthorized, Retry::Never),
            Self::BrokenBefore
            | Self::BrokenAfter
            | Self::Proxy
            | Self::SilentBefore
            | Self::SilentAfter
            | Self::LineDropped
            | Self::AnswerCut => (Class::OutcomeUnknown, Retry::WithBackoff),
        }
    }
}

/// One write in one dialect.
#[derive(Clone, Copy)]
struct Case {
    write: Write,
    dialect: &'static str,
}

impl Case {
    fn options(self) -> Value {
        match self.write {
            Write::CreateInline if self.dialect == "g1" => json!({"dialect": "g1", "uploads": "inline"}),
            Write::CreateInline
            | Write::CreateFromUrl
            | Write::CreateFromTemplate
            | Write::CreateAndSend
            | Write::CreateFromFile
            | Write::Send
            | Write::EditFields
            | Write::Remind
            | Write::Void => json!({"dialect": self.dialect}),
        }
    }

    /// Method and path of the call.
    fn call(self, id: &str) -> (&'static str, String) {
        let envelope = |rest: &str| match self.dialect {
            "g1" => format!("/api/envelope/{id}/{rest}"),
            _ => format!("/api/v1/envelopes/{id}/{rest}"),
        };
        match self.write {
            Write::CreateFromUrl | Write::CreateFromFile | Write::CreateInline if self.dialect == "g1" => {
                ("POST", "/api/envelope".to_owned())
            }
            Write::CreateFromUrl | Write::CreateFromFile | Write::CreateInline => {
                ("POST", "/api/v1/envelopes".to_owned())
            }
            Write::CreateFromTemplate | Write::CreateAndSend => {
                ("POST", format!("/api/templates/{}/send", super::TEMPLATE))
            }
            Write::Send => ("POST", envelope("send")),
            Write::EditFields => ("PATCH", envelope("fields")),
            Write::Remind => ("POST", envelope("remind")),
            Write::Void => ("POST", envelope("void")),
        }
    }

    /// What it is done to, made ready; its version where that is needed.
    async fn subject(self, desk: &Desk, adapter: &Adapter) -> (Option<ProviderEnvelopeId>, Option<u64>) {
        match self.write {
            Write::CreateFromUrl
            | Write::CreateFromTemplate
            | Write::CreateAndSend
            | Write::CreateFromFile
            | Write::CreateInline => (None, None),
            Write::Send | Write::EditFields => {
                let (id, version) = desk.draft(adapter, 1).await;
                (Some(id), version)
            }
            Write::Remind | Write::Void => (Some(desk.sent(adapter, 1).await), None),
        }
    }

    async fn once(
        self,
        desk: &Desk,
        adapter: &Adapter,
        (id, version): &(Option<ProviderEnvelopeId>, Option<u64>),
    ) -> Result<(), ProviderError> {
        let id = || id.as_ref().expect("an envelope");
        let create = async |order: CreateOrder| adapter.create(&order, "deal-1:create").await.map(drop);
        let template = || order(1, template_source(&[("amount", "EUR 12")]));
        match self.write {
            Write::CreateFromUrl => create(order(1, url_source(desk))).await,
            Write::CreateFromTemplate => create(template()).await,
            Write::CreateAndSend => create(CreateOrder { auto_send: true, ..template() }).await,
            Write::CreateFromFile | Write::CreateInline => create(order(1, upload_source())).await,
            Write::Send => adapter.send(id(), &parties(), *version, "deal-1:send:1:1").await,
            Write::EditFields => {
                let edit = FieldEdit { id: "fld_1".to_owned(), value: Personal::new("PO-8812") };
                adapter.edit_fields(id(), version.expect("a version"), &[edit]).await.map(drop)
            }
            Write::Remind => adapter.remind(id()).await,
            Write::Void => adapter.void(id(), "order cancelled").await,
        }
    }

    /// Once more, as the answer asks for it: after the pause, with the same key.
    async fn again(
        self,
        desk: &Desk,
        adapter: &Adapter,
        subject: &(Option<ProviderEnvelopeId>, Option<u64>),
    ) -> Result<(), ProviderError> {
        loop {
            match self.once(desk, adapter, subject).await {
                // held back by ourselves, because the vendor asked for it: nothing was sent
                Err(ProviderError {
                    class: Class::RateLimited,
                    http: None,
                    retry: Retry::After(pause),
                    ..
                }) => {
                    tokio::time::sleep(pause).await;
                }
                answer => return answer,
            }
        }
    }

    /// What a repeated call may say whose first try had its effect, where the vendor takes no key for it.
    fn may_say(self, refused: Class) -> bool {
        match self.write {
            Write::EditFields | Write::Void => refused == Class::Conflict,
            // a look before the second try shows that it is out
            Write::Send => refused == Class::Conflict,
            Write::Remind => refused == Class::RateLimited,
            Write::CreateFromUrl
            | Write::CreateFromTemplate
            | Write::CreateAndSend
            | Write::CreateFromFile
            | Write::CreateInline => false,
        }
    }

    /// That the effect is there, once.
    async fn check(self, desk: &Desk, adapter: &Adapter, id: Option<&ProviderEnvelopeId>, case: &str) {
        let envelopes = desk.envelopes(1).await;
        assert_eq!(envelopes.len(), 1, "{case}: one envelope");
        let (credits, invited, reminded, status) = match self.write {
            Write::CreateFromUrl
            | Write::CreateFromTemplate
            | Write::CreateFromFile
            | Write::CreateInline => (CREDITS, 0, 0, "draft"),
            Write::CreateAndSend | Write::Send => (CREDITS - 1, 1, 0, "pending"),
            Write::EditFields => (CREDITS, 0, 0, "draft"),
            Write::Remind => (CREDITS - 1, 1, 1, "pending"),
            Write::Void => (CREDITS, 1, 0, "voided"),
        };
        assert_eq!(desk.credits().await, credits, "{case}: credits");
        assert_eq!(desk.mails("invitation").await, invited, "{case}: invitations");
        assert_eq!(desk.mails("reminder").await, reminded, "{case}: reminders");
        assert_eq!(envelopes[0]["status"], status, "{case}");
        if let (Write::EditFields, Some(id)) = (self.write, id) {
            until(adapter, id, |seen| seen.fields_version == Some(2)).await;
        }
        if let (Write::Void, Some(id)) = (self.write, id) {
            until(adapter, id, |seen| seen.claim == Claim::Voided).await;
        }
    }
}

/// Every write of both dialects meets this trouble once.
async fn every_write_meets(trouble: Trouble) {
    let first = FIRST.map(|write| Case { write, dialect: "g1" });
    let second = SECOND.map(|write| Case { write, dialect: "g2" });
    for case in first.into_iter().chain(second) {
        let name = format!("{} {:?} {trouble:?}", case.dialect, case.write);
        let desk = Desk::open().await;
        let adapter = desk.adapter(case.options());
        let subject = case.subject(&desk, &adapter).await;
        let (method, path) = case.call(subject.0.as_ref().map_or("", |id| id.as_str()));
        let before = desk.requests(method, &path).await;
        desk.spoil(method, &path, 1, trouble.fault()).await;

        let error = match case.once(&desk, &adapter, &subject).await {
            Err(error) => error,
            // these answers are not read: what is cut off them is not missed
            Ok(()) if trouble == Trouble::AnswerCut => continue,
            Ok(()) => panic!("{name}: it should have gone wrong"),
        };
        assert_eq!((error.class, error.retry), trouble.expected(), "{name}: {error}");
        assert_eq!(
            desk.requests(method, &path).await,
            before + 1,
            "{name}: nothing is tried twice behind our back"
        );

        let mut tries = 2;
        if let Err(second) = case.again(&desk, &adapter, &subject).await {
            assert!(case.may_say(second.class), "{name}: {second}");
            tries -= usize::from(case.write == Write::Send && second.http.is_none());
        }
        assert_eq!(desk.requests(method, &path).await, before + tries, "{name}: two tries, no storm");
        case.check(&desk, &adapter, subject.0.as_ref(), &name).await;
    }
}

#[tokio::test]
async fn a_write_that_came_too_fast_waits_as_long_as_it_is_told_and_has_its_effect_once() {
    every_write_meets(Trouble::TooFast).await;
}

#[tokio::test]
async fn a_write_that_came_too_fast_without_a_hint_has_its_effect_once() {
    every_write_meets(Trouble::TooFastWithoutHint).await;
}

#[tokio::test]
async fn a_write_under_a_refused_key_is_not_repeated_by_itself_and_has_its_effect_once() {
    every_write_meets(Trouble::KeyRefused).await;
}

#[tokio::test]
async fn a_write_that_broke_before_it_was_done_has_its_effect_once() {
    every_write_meets(Trouble::BrokenBefore).await;
    every_write_meets(Trouble::Proxy).await;
}

#[tokio::test]
async fn a_write_that_broke_after_it_was_done_has_its_effect_once() {
    every_write_meets(Trouble::BrokenAfter).await;
}

#[tokio::test]
async fn a_write_that_was_never_heard_has_its_effect_once() {
    every_write_meets(Trouble::SilentBefore).await;
    every_write_meets(Trouble::LineDropped).await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_has_its_effect_once() {
    every_write_meets(Trouble::SilentAfter).await;
    every_write_meets(Trouble::AnswerCut).await;
}
