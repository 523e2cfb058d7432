//! Every way a job can end, reached from outside, with what the result and the dead letter say of it.

use futures::{StreamExt, stream::FuturesUnordered};
use lovage_client::NewJob;
use lovage_job::{name::TaskName, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{LEAN_FUEL, Seat, Stage, WITHIN};
use serde_json::json;

/// A plain job and how it must end.
struct Case {
    kind: OutcomeKind,
    task: &'static str,
    payload: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// Part of the message for people.
    says: &'static str,
    /// Whether the guest ran.
    runs: bool,
}

/// How each kind is reached. The match has no other arm, so that a new kind needs a case, too.
fn cases(kind: OutcomeKind) -> Vec<Case> {
    const ONCE: &[(&str, &str)] = &[("Lovage-Retries", "0")];
    const ONCE_SHORT: &[(&str, &str)] = &[("Lovage-Retries", "0"), ("Lovage-Timeout", "400ms")];
    const PAST: &[(&str, &str)] = &[("Lovage-Expires", "2001-02-03T04:05:06Z")];
    const LEAN: &[(&str, &str)] = &[("Lovage-Version", "lean")];
    const BAD: &[(&str, &str)] = &[("Lovage-Retries", "many")];
    let case = |task, payload, headers, says| Case { kind, task, payload, headers, says, runs: true };
    let unrun = |task, payload, headers, says| Case { kind, task, payload, headers, says, runs: false };
    match kind {
        OutcomeKind::Completed => vec![case("echo", "hello", &[], "")],
        OutcomeKind::Failed => vec![
            case("permanent", "\"out of paper\"", &[], "out of paper"),
            case("retry-later", r#"{"delay_ms":1}"#, ONCE, "not yet"),
        ],
        OutcomeKind::Trapped => vec![
            case("trap", "null", ONCE, "unreachable"),
            case("panics", "\"a plate fell\"", ONCE, "a plate fell"),
            case("exit", "3", ONCE, "exited with status 1"),
        ],
        OutcomeKind::OutOfFuel => vec![case("spin", "null", LEAN, "50000000 units of fuel")],
        OutcomeKind::OutOfMemory => vec![case("hog", "null", &[], "64MiB of memory")],
        OutcomeKind::StackOverflow => vec![case("recurse", "null", &[], "stack")],
        OutcomeKind::TimedOut => vec![
            case("sleepy", "20000", ONCE_SHORT, "longer than its 400ms"),
            case("spin", "null", ONCE_SHORT, "longer than its 400ms"),
        ],
        OutcomeKind::OutputTooLarge => vec![case("big-output", "1048577", &[], "larger than 1MiB")],
        OutcomeKind::BadInput => vec![
            case("picky", "\"too blue\"", &[], "too blue"),
            unrun("busy", "\"soon\"", &[], "the payload"),
            unrun("busy", "{", &[], "not valid JSON"),
        ],
        OutcomeKind::Expired => vec![unrun("echo", "late", PAST, "2001-02-03T04:05:06")],
        OutcomeKind::UnknownTask => vec![
            unrun("nobody-pushed-this", "x", &[], "nobody-pushed-this"),
            unrun("echo", "x", &[("Lovage-Version", "17")], "no version 17"),
        ],
        OutcomeKind::Undecodable => vec![unrun("echo", "x", BAD, "Lovage-Retries")],
        // `running_job_stops_soon_after_it_is_cancelled`
        OutcomeKind::Cancelled => vec![],
        // `component_with_the_wrong_digest_in_the_store_is_told_and_disturbs_no_other_task`
        OutcomeKind::BadComponent => vec![],
        // `job_that_finds_the_worker_full_is_the_workers_fault`
        OutcomeKind::HostFault => vec![],
        // ends of their own suites: a snooze is never the end of a job
        OutcomeKind::Snoozed | OutcomeKind::Skipped | OutcomeKind::Quarantined => vec![],
    }
}

#[tokio::test]
async fn every_way_to_end_is_told_in_result_and_dead_letter() {
    let seat = Stage::seat().await;
    let all = OutcomeKind::ALL.into_iter().flat_map(cases).map(|case| show(&seat, case));
    let count = all.collect::<FuturesUnordered<_>>().count().await;
    assert!(count >= 19, "{count} cases");
    // After all of it the same worker runs the next job as ever.
    seat.stage.worker_lives();
    let next = seat.jobs.run(NewJob::new("echo".parse().unwrap(), "still here")).await;
    assert_eq!((next.record.outcome, next.body.as_slice()), (OutcomeKind::Completed, &b"still here"[..]));
}

async fn show(seat: &Seat, case: Case) {
    let label = format!("{} by {} of {}", case.kind, case.task, case.payload);
    let headers: Vec<_> = case.headers.iter().copied().chain([("X-Own", "mine")]).collect();
    let plain = seat.jobs.publish(&format!("job.default.{}", case.task), &headers, case.payload).await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(result.record.outcome, case.kind, "{label}: {:?}", result.error);
    if case.runs {
        ran_once(&result, &label);
    } else {
        assert_eq!((result.record.attempt, result.record.digest.clone()), (0, None), "{label}");
        assert!(result.trail.0.is_empty(), "{label}");
    }
    if case.kind == OutcomeKind::Completed {
        assert_eq!(result.error, None, "{label}");
        assert!(!seat.jobs.has_letter(&plain.id).await, "{label}");
    } else {
        let error = result.error.clone().unwrap();
        assert_eq!(error.kind, case.kind, "{label}");
        assert!(error.message.contains(case.says), "{label}: {}", error.message);
        let letter = seat.jobs.letter(&plain.id).await;
        assert_eq!(letter.payload, case.payload.as_bytes(), "{label}");
        for (name, value) in &headers {
            assert_eq!(letter.headers.get(name), Some(*value), "{label}: {name}");
        }
        assert_eq!((&letter.error, &letter.trail), (&error, &result.trail), "{label}");
        assert_eq!(letter.subject, format!("lovage.default.job.default.{}", case.task));
    }
    seat.jobs.gone(plain.sequence).await;
}

fn ran_once(result: &JobResult, label: &str) {
    let record = &result.record;
    assert_eq!(record.attempt, 1, "{label}");
    assert!(record.digest.is_some() && record.version.is_some(), "{label}");
    let meter = &record.meter;
    assert!(meter.fuel_used > 0 && meter.memory_peak_bytes > 0 && meter.wall_us > 0, "{label}: {meter:?}");
    match record.outcome {
        OutcomeKind::OutOfFuel => assert!(meter.fuel_used >= LEAN_FUEL, "{label}: {meter:?}"),
        OutcomeKind::OutOfMemory => assert!(meter.memory_peak_bytes >= 32 << 20, "{label}: {meter:?}"),
        OutcomeKind::TimedOut => {
            assert!((400_000..10_000_000).contains(&meter.wall_us), "{label}: {meter:?}");
        }
        _ => {}
    }
    if record.outcome != OutcomeKind::Completed {
        let [attempt] = result.trail.0.as_slice() else { panic!("{label}: {:?}", result.trail) };
        assert_eq!((attempt.attempt, attempt.outcome, attempt.meter), (1, record.outcome, *meter), "{label}");
        assert_eq!((attempt.worker.as_str(), &attempt.digest), ("worker", &record.digest), "{label}");
    }
}

#[tokio::test]
async fn trap_is_told_with_the_names_of_the_guests_functions() {
    let seat = Stage::seat().await;
    let job = NewJob::json(task("trap"), &json!(null)).unwrap().retries(0);
    let error = seat.jobs.run(job).await.error.unwrap();
    let place = |name: &str| {
        let found = error.backtrace.iter().position(|frame| frame.contains(name));
        found.unwrap_or_else(|| panic!("no {name} in {:?}", error.backtrace))
    };
    assert!(place("touch_the_wire") < place("lift_the_lid") && place("lift_the_lid") < place("open_the_box"));
}

#[tokio::test]
async fn limits_hold_exactly() {
    let seat = Stage::seat().await;
    for (task, input, kind) in [
        ("big-output", json!(1_048_575), OutcomeKind::Completed),
        ("big-output", json!(1_048_576), OutcomeKind::Completed),
        ("big-output", json!(1_048_577), OutcomeKind::OutputTooLarge),
        ("hog", json!(40), OutcomeKind::Completed),
        ("hog", json!(64), OutcomeKind::OutOfMemory),
        ("recurse", json!(100), OutcomeKind::Completed),
    ] {
        let result = seat.jobs.run(NewJob::json(self::task(task), &input).unwrap().retries(0)).await;
        assert_eq!(result.record.outcome, kind, "{task} {input}: {:?}", result.error);
    }
}

#[tokio::test]
async fn same_work_burns_the_same_fuel() {
    let seat = Stage::seat().await;
    let mut fuel = Vec::new();
    for ms in [1, 1, 4] {
        let result = seat.jobs.run(NewJob::json(task("busy"), &ms).unwrap()).await;
        fuel.push(result.record.meter.fuel_used);
    }
    assert_eq!(fuel[0], fuel[1]);
    assert!(fuel[2] > 2 * fuel[0], "{fuel:?}");
}

#[tokio::test]
async fn attempts_share_no_memory() {
    let seat = Stage::seat().await;
    for _ in 0..6 {
        let result = seat.jobs.run(NewJob::json(task("residue"), &16).unwrap()).await;
        let seen: serde_json::Value = serde_json::from_slice(&result.body).unwrap();
        assert_eq!((seen["bytes"].clone(), seen["nonzero"].clone()), (json!(16 << 20), json!(0)));
    }
}

#[tokio::test]
async fn floods_do_not_hurt_the_worker() {
    let seat = Stage::seat().await;
    for input in [
        json!({"to": "stdout", "lines": 200_000}),
        json!({"to": "stderr", "lines": 200_000}),
        json!({"to": "log", "lines": 200_000}),
    ] {
        let result = seat.jobs.run(NewJob::json(task("flood"), &input).unwrap().retries(0)).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{input}: {:?}", result.error);
        assert_eq!(serde_json::from_slice::<u64>(&result.body).unwrap(), 200_000);
    }
    seat.stage.worker_lives();
}

#[tokio::test]
async fn job_that_fails_for_long_is_buried_after_its_last_attempt() {
    let seat = Stage::seat().await;
    let headers = [("Lovage-Retries", "2"), ("Lovage-Backoff", "fixed:250ms")];
    let plain = seat.jobs.publish("job.default.flaky", &headers, r#"{"succeed_on":99}"#).await;
    let letter = seat.jobs.letter(&plain.id).await;
    let attempts: Vec<_> = letter.trail.0.iter().map(|record| (record.attempt, record.outcome)).collect();
    assert_eq!(attempts, [1, 2, 3].map(|attempt| (attempt, OutcomeKind::Failed)));
    assert_eq!(letter.error.details, Some(json!(3)));
    assert_eq!(letter.headers.get("Lovage-Backoff"), Some("fixed:250ms"));
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Failed, 3));
    assert_eq!(result.record.digest, letter.trail.0[2].digest);
}

#[tokio::test]
async fn job_that_finds_the_worker_full_is_the_workers_fault() {
    let seat = Stage::seat().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("worker.toml");
    std::fs::write(&config, "memory_budget = \"24MiB\"\n").unwrap();
    let mut worker = seat.stage.worker("cramped").arg("--queue").arg("cramped").arg("--config").arg(config).start();
    let headers = [("Lovage-Timeout", "1s"), ("Lovage-Retries", "0")];
    let plain = seat.jobs.publish("job.cramped.hog", &headers, "40").await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::HostFault, 1), "{:?}", result.error);
    assert!(result.error.unwrap().message.contains("the worker is full"));
    let letter = seat.jobs.letter(&plain.id).await;
    assert_eq!((letter.error.kind, letter.payload.as_slice()), (OutcomeKind::HostFault, &b"40"[..]));
    let fits = seat.jobs.publish("job.cramped.hog", &[], "8").await;
    assert_eq!(seat.jobs.result(&fits.id).await.record.outcome, OutcomeKind::Completed);
    worker.sigterm();
    assert_eq!(worker.wait(WITHIN).code(), Some(0));
}

fn task(name: &str) -> TaskName {
    name.parse().unwrap()
}
