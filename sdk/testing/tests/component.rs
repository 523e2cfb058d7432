//! The helper against real components: the example tasks, built as anyone would.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use lovage_testing::{LimitsWish, OutcomeKind, RetryPolicy, TaskTest, Verdict};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-tasks");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&folder).args(["build", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"]);
    cargo.args(["-p", "hostile", "-p", "brood", "-p", "crawl", "-p", "counter", "-p", "shelf"]);
    // What the cargo around this test says of this package would build the dependencies of the others again.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "RUSTFLAGS") {
        cargo.env_remove(name);
    }
    assert!(cargo.status().unwrap().success());
    folder.join("target/wasm32-wasip2/release")
});

fn test(component: &str) -> TaskTest {
    TaskTest::new(BUILT.join(format!("{component}.wasm"))).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn result_log_progress_and_use_are_reported() {
    let report = test("hostile").task("speak").input("hello").run().unwrap();
    assert_eq!(report.json::<String>().as_deref(), Some("hello"));
    assert!(report.log.contains("hello"), "{}", report.log);
    assert_eq!(report.progress.len(), 1);
    assert!(report.fuel_used > 0 && report.memory_peak_bytes > 0);
}

#[test]
fn sleeping_takes_no_time_and_the_timeout_holds() {
    let began = Instant::now();
    let slept = test("hostile").task("sleepy").input(20_000).run().unwrap();
    assert_eq!((slept.kind(), slept.took.as_secs()), (OutcomeKind::Completed, 20));
    let limits = LimitsWish { timeout: Some(Duration::from_secs(7_200)), ..LimitsWish::default() };
    let hour = test("hostile").task("sleepy").input(3_600_000).limits(limits).run().unwrap();
    assert_eq!((hour.json::<u64>(), hour.took.as_secs()), (Some(3_600_000), 3_600));
    let over = test("hostile").task("sleepy").input(3_600_000).run().unwrap();
    assert_eq!(over.kind(), OutcomeKind::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(3_600), "the hour was not waited");
}

#[test]
fn soft_timeout_is_reached_on_the_tests_clock() {
    let report = test("hostile").task("until-asked").run().unwrap();
    assert_eq!(report.json::<String>().as_deref(), Some("soft-timeout"));
    assert!((300..400).contains(&report.took.as_millis()), "{:?}", report.took);
    let cancelled = test("hostile").task("until-asked").cancelled("enough").run().unwrap();
    assert_eq!((cancelled.kind(), cancelled.message().as_str()), (OutcomeKind::Cancelled, "enough"));
}

#[test]
fn the_retry_policy_is_followed_on_the_tests_clock() {
    let policy = RetryPolicy { attempts_max: 3, backoff: "list:1s,1m".parse().unwrap(), ..RetryPolicy::default() };
    let run = test("hostile").task("flaky").input(json!({"succeed_on": 3})).retry(policy.clone()).run_to_end().unwrap();
    assert_eq!((run.attempts.len(), run.verdict), (3, Verdict::Finish));
    assert_eq!(run.delays(), [Duration::from_secs(1), Duration::from_secs(60)]);
    assert!(run.took >= Duration::from_secs(61) && run.last.json::<u32>() == Some(3));
    let dead = test("hostile").task("flaky").input(json!({"succeed_on": 4})).retry(policy).run_to_end().unwrap();
    assert_eq!((dead.attempts.len(), dead.verdict), (3, Verdict::Bury));
}

#[test]
fn snoozes_keep_the_attempt_and_checkpoints_stay() {
    let run = test("hostile").task("snoozes").input(json!({"delay_ms": 86_400_000, "times": 2})).run_to_end().unwrap();
    assert_eq!(run.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(run.took.as_secs() / 86_400, 2);
    assert_eq!(run.last.checkpoints["snoozed"], b"2");
    let later = test("hostile").task("snoozes").input(json!({"delay_ms": 1, "times": 2})).checkpoint("snoozed", 2);
    assert_eq!(later.run().unwrap().kind(), OutcomeKind::Completed);
}

#[test]
fn children_are_recorded_once_over_a_retry() {
    let input = json!({"children": 3, "task": "echo", "fail_until": 2});
    let run = test("brood").task("brood").input(input).run_to_end().unwrap();
    assert_eq!((run.attempts.len(), run.last.children.len()), (2, 3));
    assert_eq!(run.last.json::<Value>().unwrap()["new"], 0);
    assert_eq!(
        (run.last.children[2].job.task.as_str(), run.last.children[2].job.input.as_slice()),
        ("echo", &b"2"[..])
    );
    let refused = test("brood").task("chain").without_grants().run().unwrap();
    assert!(refused.text().unwrap().contains("not granted"), "{refused:?}");
    let deep = test("brood").task("chain").depth(32).run().unwrap();
    assert!(deep.text().unwrap().contains("at most 32"), "{deep:?}");
    let full = test("brood").task("brood").input(json!({"children": 3, "task": "echo"})).fanout(2).run().unwrap();
    assert!(full.text().unwrap().contains("submit.fanout"), "{full:?}");
}

#[test]
fn a_batch_past_its_soft_timeout_goes_on_where_it_stopped() {
    let limits = LimitsWish { soft_timeout: Some(Duration::ZERO), ..LimitsWish::default() };
    let pages = json!([{"url": "/", "html": "<a href=\"/next\">next</a>"}]);
    let report = test("crawl").task("crawl-batch").input(pages).limits(limits).run().unwrap();
    assert_eq!((report.kind(), report.message().as_str()), (OutcomeKind::Snoozed, "0 of 1 pages are done"));
}

#[test]
fn the_guests_clock_starts_at_the_given_instant() {
    let report = test("hostile").task("context").bytes("x", "text/plain").at("2026-03-29T00:30:00Z").run().unwrap();
    let seen: Value = report.json().unwrap();
    // the guest reckons what remains by its own clock
    assert_eq!(
        (&seen["deadline_ms"], &seen["remaining_ms"]),
        (&json!(1_774_744_230_000_u64), &json!(30_000)),
        "{seen}"
    );
}

#[test]
fn the_same_test_gives_the_same_report_and_starts_afresh() {
    let first = test("hostile").task("context").bytes("x", "text/plain").seed(7);
    let report = first.run().unwrap();
    assert_eq!(first.run().unwrap(), report);
    let again = first.another().task("context").bytes("x", "text/plain").seed(7).run().unwrap();
    assert_eq!(again, report);
    assert!(first.another().run().is_err(), "another test has no task yet");
}

#[test]
fn mistakes_of_a_test_are_told() {
    let error = test("hostile").task("nothing-like-it").run().unwrap_err().to_string();
    assert!(error.contains("it has") && error.contains("flaky"), "{error}");
    assert!(test("hostile").task("echo").at("yesterday").run().is_err());
    let error = TaskTest::new("not-built.wasm").err().unwrap().to_string();
    assert!(error.contains("cargo build"), "{error}");
    let bad = test("hostile").task("busy").input("soon").run().unwrap();
    assert_eq!(bad.kind(), OutcomeKind::BadInput);
}

#[test]
fn what_a_task_stores_is_found_and_reported() {
    let counter =
        test("counter").allow("keyvalue=counts").allow("config=step=5").allow("secret=api-key").allow("submit");
    let count = counter.task("counter").value("counts", "n", "7").input(json!({"name": "n", "times": 2}));
    let report = count.run().unwrap();
    assert_eq!(report.json::<Value>(), Some(json!({"value": 17})));
    assert_eq!(report.values[&("counts".to_owned(), "n".to_owned())], b"17");
    let order = |act: &str| json!({"container": "shelf", "act": act, "name": "a", "value": "attic", "range": [1, 2]});
    let shelf =
        |act: &str| test("shelf").task("shelf").allow("blobstore=shelf").blob("shelf", "a", "hello").input(order(act));
    assert_eq!(shelf("Get").run().unwrap().json::<Value>(), Some(json!(["el"])));
    let denied = shelf("Copy").run().unwrap();
    assert!(denied.outcome.error().unwrap().message.contains("not granted container \"attic\""), "{denied:?}");
    let copied = shelf("Copy").allow("blobstore=attic").run().unwrap();
    assert_eq!(copied.blobs[&("attic".to_owned(), "a".to_owned())], b"hello");
}

#[test]
fn a_secret_is_taken_out_of_all_that_a_task_says() {
    let value = "0123456789-secret";
    let granted = ["keyvalue=counts", "config=step=1", "secret=api-key", "submit"];
    let used = |name: &str, way: &str| {
        let test = granted.into_iter().fold(test("counter").task("sealed"), TaskTest::allow);
        test.secret("api-key", value).input(json!({"name": name, "way": way})).run().unwrap()
    };
    assert_eq!(used("api-key", "Sign").kind(), OutcomeKind::Completed);
    for way in ["Log", "Progress", "Return", "Fail", "Panic", "Checkpoint", "Put", "Submit"] {
        let report = used("api-key", way);
        assert!(!format!("{report:?}").contains(value), "{way}: {report:?}");
        assert_eq!(report.kind() == OutcomeKind::Completed, ["Log", "Progress"].contains(&way), "{way}: {report:?}");
    }
    assert!(used("api-key", "Log").log.contains("the value is [redacted]"));
    assert!(used("other", "Sign").outcome.error().unwrap().message.contains("not granted secret"));
}
