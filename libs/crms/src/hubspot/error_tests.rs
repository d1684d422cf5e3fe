//! The catalogue, line by line.

use super::*;
use serde_json::{Value, json};

fn response(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Response {
    let headers =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Response { status, headers, body: body.to_owned().into() }
}

fn judged(status: u16, body: Value) -> (Class, Retry, String) {
    let error = classify(&response(status, &[], &body.to_string()));
    (error.class, error.retry, error.code)
}

#[test]
fn the_catalogue_is_kept_line_by_line() {
    let detail = |code: &str| json!({"category": "VALIDATION_ERROR", "errors": [{"code": code}]});
    let park = Retry::After(PARK_PAUSE);
    for (status, body, class, retry, code) in [
        (400, detail("PROPERTY_DOESNT_EXIST"), Class::StopConfig, Retry::Never, "PROPERTY_DOESNT_EXIST"),
        (400, detail("INVALID_OPTION"), Class::StopConfig, Retry::Never, "INVALID_OPTION"),
        (400, detail("INVALID_DATE"), Class::StopRecord, Retry::Never, "INVALID_DATE"),
        (400, json!({"category": "VALIDATION_ERROR"}), Class::StopRecord, Retry::Never, "VALIDATION_ERROR"),
        (
            401,
            json!({"category": "INVALID_AUTHENTICATION"}),
            Class::Reauth,
            Retry::After(REAUTH_PAUSE),
            "INVALID_AUTHENTICATION",
        ),
        (403, json!({"category": "MISSING_SCOPES"}), Class::StopConfig, Retry::Never, "MISSING_SCOPES"),
        (404, json!({"category": "OBJECT_NOT_FOUND"}), Class::Orphan, Retry::Never, "OBJECT_NOT_FOUND"),
        (404, json!({}), Class::Orphan, Retry::Never, ""),
        (405, json!({}), Class::StopConfig, Retry::Never, ""),
        (409, json!({"category": "CONFLICT"}), Class::Reconcile, Retry::Never, "CONFLICT"),
        (418, json!({}), Class::StopRecord, Retry::Never, ""),
        (422, json!({}), Class::StopRecord, Retry::Never, ""),
        (423, json!({}), Class::RetryFast, Retry::After(LOCKED_PAUSE), ""),
        (429, json!({"errorType": "RATE_LIMIT", "policyName": "DAILY"}), Class::ParkTenant, park, "DAILY"),
        (429, json!({"policyName": "SECONDLY"}), Class::RetryAfter, Retry::After(SECONDLY_PAUSE), "SECONDLY"),
        (
            429,
            json!({"policyName": "TEN_SECONDLY_ROLLING"}),
            Class::RetryAfter,
            Retry::After(ROLLING_PAUSE),
            "TEN_SECONDLY_ROLLING",
        ),
        (
            429,
            json!({"category": "RATE_LIMITS"}),
            Class::RetryAfter,
            Retry::After(ROLLING_PAUSE),
            "RATE_LIMITS",
        ),
        (477, json!({}), Class::ParkTenant, park, ""),
        (500, json!({}), Class::RetryBackoff, Retry::WithBackoff, ""),
        (526, json!({}), Class::RetryBackoff, Retry::WithBackoff, ""),
        (599, json!({}), Class::RetryBackoff, Retry::WithBackoff, ""),
    ] {
        assert_eq!(judged(status, body.clone()), (class, retry, code.to_owned()), "{status} {body}");
    }
}

#[test]
fn the_vendors_own_pause_wins() {
    for (status, class) in [(429, Class::RetryAfter), (477, Class::ParkTenant), (503, Class::RetryBackoff)] {
        let error = classify(&response(status, &[("retry-after", "7")], "{}"));
        assert_eq!((error.class, error.retry), (class, Retry::After(Duration::from_secs(7))), "{status}");
    }
}

#[test]
fn a_rolling_limit_without_retry_after_waits_for_its_interval() {
    let headers = [("x-hubspot-ratelimit-interval-milliseconds", "4000")];
    let error = classify(&response(429, &headers, r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#));
    assert_eq!(error.retry, Retry::After(Duration::from_secs(4)));
}

#[test]
fn an_answer_in_html_is_judged_by_its_status() {
    let html = "<html><body>Bad gateway</body></html>";
    assert_eq!(classify(&response(502, &[], html)).class, Class::RetryBackoff);
    assert_eq!(classify(&response(404, &[], html)).class, Class::StopConfig);
}

#[test]
fn a_configuration_error_wins_over_others_in_the_same_answer() {
    let body = json!({"errors": [{"code": "INVALID_DATE"}, {"code": "INVALID_OPTION"}]});
    assert_eq!(judged(400, body).0, Class::StopConfig);
}

#[test]
fn no_text_of_the_vendor_gets_into_the_error() {
    let body = json!({
        "message": "dana@buyer.test is no stage", "category": "dana@buyer.test is no stage",
        "errors": [{"code": "dana@buyer.test"}], "correlationId": "dana@buyer.test",
    });
    let error = classify(&response(400, &[("x-hubspot-correlation-id", "6d1b2a52-0000")], &body.to_string()));
    assert!(!format!("{error} {error:?}").contains("dana"), "{error:?}");
}

#[test]
fn the_correlation_id_is_taken_from_the_body_or_else_the_header() {
    let headers = [("x-hubspot-correlation-id", "from-header")];
    assert_eq!(classify(&response(500, &headers, "{}")).correlation_id, "from-header");
    assert_eq!(classify(&response(500, &headers, r#"{"correlationId":"c-1"}"#)).correlation_id, "c-1");
}
