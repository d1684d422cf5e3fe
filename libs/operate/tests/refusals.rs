//! What an operator asks amiss is refused by the name of the field, before anything is touched.

use std::sync::Arc;

use event_log::{EmbeddedSettings, EventLog, Settings};
use jobs::Jobs;
use operate::{DeadLetters, job};
use runtime::clock::Clock;
use tempfile::TempDir;
use tonic::{Code, Status};

async fn log() -> (EventLog, TempDir) {
    let dir = TempDir::new().expect("a directory");
    let settings = Settings::Embedded(EmbeddedSettings::in_dir(dir.path().join("log")));
    (EventLog::open(settings).await.expect("the log opens"), dir)
}

fn names(refused: &Status, field: &str) -> bool {
    refused.code() == Code::InvalidArgument && refused.message().starts_with(&format!("{field}: "))
}

#[tokio::test]
async fn a_wish_about_a_dead_letter_names_itself_a_known_follower_and_a_reason() {
    let (log, _dir) = log().await;
    let letters = DeadLetters::new(log, &["one", "two"]);
    for (request_id, consumer, reason, field) in [
        ("", "one", "a test", "request_id"),
        ("with space", "one", "a test", "request_id"),
        (&"r".repeat(129), "one", "a test", "request_id"),
        ("r1", "three", "a test", "consumer"),
        ("r1", "one", " ", "reason"),
        ("r1", "one", &"x".repeat(201), "reason"),
    ] {
        let refused = letters.discardable(request_id, consumer, 7, reason).expect_err("it is refused");
        assert!(names(&refused, field), "{refused:?}");
    }
    let refused = letters.retry("", "one", 7).await.expect_err("it is refused");
    assert!(names(&refused, "request_id"), "{refused:?}");
    let refused = letters.retry("r1", "three", 7).await.expect_err("it is refused");
    assert!(names(&refused, "consumer") && refused.message().contains("one, two"), "{refused:?}");
}

#[tokio::test]
async fn a_dead_letter_that_there_is_not_is_neither_listed_nor_found() {
    let (log, _dir) = log().await;
    let letters = DeadLetters::new(log, &["one"]);
    assert_eq!(letters.list(0, "").await.expect("a page"), (Vec::new(), String::new()));
    assert!(!letters.retry("r1", "one", 7).await.expect("an answer"));
    let wish = letters.discardable("r1", "one", 7, "a test").expect("a good wish");
    assert!(!letters.discard(&wish).await.expect("an answer"));
    let refused = letters.list(0, "next").await.expect_err("it is no token");
    assert!(names(&refused, "page_token"), "{refused:?}");
}

#[tokio::test]
async fn a_job_is_run_by_its_name_and_connection_only() {
    let (log, _dir) = log().await;
    let settings = jobs::Settings::default();
    let jobs = Jobs::new("test", log.state(), Clock::system(), Arc::new(Vec::new), settings);
    assert_eq!(job::list(&jobs, "").await.expect("a list"), []);
    let refused = job::run(&jobs, "", "crm", "sweep", 0).await.expect_err("it is refused");
    assert!(names(&refused, "request_id"), "{refused:?}");
    let refused = job::run(&jobs, "r1", "no name", "sweep", 0).await.expect_err("it is refused");
    assert!(names(&refused, "connection"), "{refused:?}");
    let unknown = job::run(&jobs, "r1", "crm", "sweep", 0).await.expect_err("there is none");
    assert!(unknown.code() == Code::NotFound && unknown.message().starts_with("name: "), "{unknown:?}");
}
