//! What stands before every call: the token and the limits, and the headers that tell of them.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::time::Timestamp;
use http::header::AUTHORIZATION;
use simulation::clock;

use super::account::{Account, Calls};
use super::answer;

const INTERVAL: Duration = Duration::from_secs(10);
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// What the headers say when no limit is enforced.
const CALLS_MAX_SHOWN: u32 = 100;
const CALLS_PER_DAY_SHOWN: u32 = 250_000;

/// Lets a call in, or says why not.
pub(super) async fn gate(State(account): State<Account>, request: Request, next: Next) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if token.is_empty() || !account.accepts(token) {
        return answer::error(401, "INVALID_AUTHENTICATION", &correlation_id, &[]);
    }

    let switches = account.switches();
    let search = request.uri().path().ends_with("/search");
    let calls_max = switches.calls_per_ten_seconds_max.unwrap_or(CALLS_MAX_SHOWN);
    let (recent, today, policy) = {
        let mut calls = account.calls();
        let Calls { recent, searches, today } = &mut *calls;
        let now = clock::now();
        forget(recent, now, INTERVAL);
        forget(searches, now, SEARCH_INTERVAL);
        let policy = if switches.calls_per_day_max.is_some_and(|max| *today >= max) {
            Some("DAILY")
        } else if switches.calls_per_ten_seconds_max.is_some() && recent.len() >= calls_max as usize {
            Some("TEN_SECONDLY_ROLLING")
        } else if search && searches.len() >= switches.searches_per_second_max as usize {
            Some("SECONDLY")
        } else {
            *today += 1;
            recent.push_back(now);
            searches.extend(search.then_some(now));
            None
        };
        (u32::try_from(recent.len()).unwrap_or(u32::MAX), *today, policy)
    };

    let mut response = match policy {
        Some(policy) => answer::too_many(policy, &correlation_id),
        None => next.run(request).await,
    };
    if !search {
        let per_day = switches.calls_per_day_max.unwrap_or(CALLS_PER_DAY_SHOWN);
        let remaining = match switches.calls_per_ten_seconds_max {
            Some(max) => max.saturating_sub(recent),
            // nothing is enforced: never pretend that the limit is reached
            None => calls_max.saturating_sub(recent).max(1),
        };
        for (name, number) in [
            ("x-hubspot-ratelimit-daily", per_day),
            ("x-hubspot-ratelimit-daily-remaining", per_day.saturating_sub(today)),
            ("x-hubspot-ratelimit-interval-milliseconds", 10_000),
            ("x-hubspot-ratelimit-max", calls_max),
            ("x-hubspot-ratelimit-remaining", remaining),
        ] {
            answer::set(&mut response, name, &number.to_string());
        }
    }
    response
}

fn forget(calls: &mut VecDeque<Timestamp>, now: Timestamp, interval: Duration) {
    while calls.front().is_some_and(|at| now.since(*at) >= interval) {
        calls.pop_front();
    }
}
