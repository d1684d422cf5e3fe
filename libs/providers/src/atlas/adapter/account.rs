//! On whose behalf calls are made (atlas.md §16).

use http::{HeaderName, HeaderValue};
use outbound::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Adapter;
use crate::error::Call;
use crate::{ConnectError, ConnectionSettings, ProviderError, calls, reading};

/// What an account's external id is called by in the header.
const EXTERNAL: &str = "ext_";

/// Whose envelopes these are. Without it an envelope silently lands on the platform's own account.
pub(super) enum Account {
    /// The key's own account.
    Own,
    /// A connected account of a platform key.
    Connected {
        /// As it is named on every call.
        header: HeaderValue,
        /// How it is made, if it is to be made.
        wish: Option<Wish>,
        /// Whether it is known to be there.
        there: OnceCell<()>,
    },
}

/// A connected account that the vendor makes when it is first needed; asked for again, it is the same one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// What people see.
    name: String,
    /// Whose credits its sends take.
    #[serde(default)]
    billing_mode: Billing,
    /// Credits it begins with, where it pays itself.
    initial_credits: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Billing {
    /// The platform's.
    #[default]
    PlatformPays,
    /// Its own.
    ChildPays,
}

impl Account {
    pub(super) fn new(
        name: Option<&str>,
        wish: Option<Wish>,
        settings: &ConnectionSettings,
    ) -> Result<Self, ConnectError> {
        let wrong = |reason: &str| {
            let (connection, reason) = (settings.connection.clone(), reason.to_owned());
            Err(ConnectError::Options { connection, reason })
        };
        let Some(name) = name else {
            return if wish.is_some() { wrong("provide needs an account") } else { Ok(Account::Own) };
        };
        if wish.is_some() && name.strip_prefix(EXTERNAL).is_none_or(str::is_empty) {
            return wrong("only an account with an external id, ext_…, can be provided");
        }
        let printable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        match printable.then(|| HeaderValue::from_str(name)) {
            Some(Ok(header)) => Ok(Account::Connected { header, wish, there: OnceCell::new() }),
            Some(Err(_)) | None => wrong("account must be printable ASCII"),
        }
    }

    pub(super) fn named_on(&self, request: Request) -> Request {
        match self {
            Account::Own => request,
            Account::Connected { header, .. } => {
                request.header(HeaderName::from_static("atlas-account"), header.clone())
            }
        }
    }
}

impl Adapter {
    /// Makes the connected account if that is wished and it is not known to be there. Many may ask: one call is made.
    pub(super) async fn provide_account(&self) -> Result<(), ProviderError> {
        let Account::Connected { header, wish: Some(wish), there } = &self.account else { return Ok(()) };
        let provide = async {
            let name = header.to_str().unwrap_or_default();
            let external_id = name.strip_prefix(EXTERNAL).unwrap_or(name);
            let billing_mode = match wish.billing_mode {
                Billing::PlatformPays => "platform_pays",
                Billing::ChildPays => "child_pays",
            };
            let mut body =
                json!({"external_id": external_id, "name": wish.name, "billing_mode": billing_mode});
            if let Some(credits) = wish.initial_credits {
                body["initial_credits"] = json!(credits);
            }
            let url = self.calls.url(&["api"], &["platform", "connected-accounts"]);
            // the platform asks for itself: no account is named
            let request = Request::post_json(url, "provide_account", &body).bearer(&self.calls.key());
            let response = self.calls.send(request, Call::Write).await?;
            let response =
                self.check(response, Call::Write).inspect_err(|error| self.calls.slow_down(error))?;
            let answer: Value = calls::json_or_null(&response);
            let said = reading::text(&answer, &["/external_id", "/externalId"]);
            // another account's envelope is worse than none
            if said.is_some_and(|said| said != external_id) {
                return Err(ProviderError::invalid("another_account_provided"));
            }
            Ok(())
        };
        there.get_or_try_init(|| provide).await.map(|_| ())
    }
}
