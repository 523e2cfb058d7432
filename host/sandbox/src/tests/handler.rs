//! Components of the SDK's shape: outcomes, log, progress, cancel, and what they say of themselves.

use super::support::*;
use crate::{AttemptControl, AttemptEvent, CancelSignal, EventSink, InspectOptions, LogLevel, inspect};
use lovage_job::catalog::{Entry, Shape};
use lovage_job::limits::Limits;
use lovage_job::outcome::{Failure, Outcome, OutcomeKind, Output, RetryHint};
use lovage_job::unit::ByteSize;
use std::time::Duration;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// The component that `handler.wat` becomes with the contract of this repository.
pub(super) fn guest() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("task.wit", include_str!("../../../../wit/task.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("task")).unwrap();
    let mut module = wat::parse_str(include_str!("handler.wat")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

pub(super) fn entry() -> Entry {
    Entry::Handler { name: "test-task".to_owned() }
}

#[tokio::test]
async fn every_answer_is_its_own_outcome() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let body = |body: &str| Outcome::Completed(Output { body: body.into(), content_type: "text/plain".to_owned() });
    let failed = |retry| {
        let details = Some(serde_json::json!({ "code": 7 }));
        Outcome::Failed(Failure { message: "failed".to_owned(), details, retry })
    };
    assert_eq!(run(&task, "echo").await.outcome, body("echo"));
    assert_eq!(run(&task, "task").await.outcome, body("test-task"));
    assert_eq!(run(&task, "retry").await.outcome, failed(RetryHint::Retry));
    assert_eq!(run(&task, "after").await.outcome, failed(RetryHint::After(Duration::from_millis(1500))));
    let snoozed = Outcome::Snoozed { delay: Duration::from_millis(1500), message: "failed".to_owned() };
    assert_eq!(run(&task, "snooze").await.outcome, snoozed);
    assert_eq!(run(&task, "permanent").await.outcome, failed(RetryHint::Never));
    assert_eq!(run(&task, "bad").await.outcome, Outcome::BadInput { message: "failed".to_owned() });
}

#[tokio::test]
async fn media_types_cannot_break_lines() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    assert_eq!(completed(run(&task, "no").await).content_type, "application/octet-stream");
}

#[tokio::test]
async fn logs_and_progress_are_heard_and_kept() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let (sink, mut events) = EventSink::channel(8);
    let control = AttemptControl { events: Some(sink), ..AttemptControl::default() };
    let report = task.run(request("log", Limits::default()), control).await;
    assert_eq!(report.outcome.kind(), OutcomeKind::Completed);
    assert_eq!((report.log.as_slice(), report.log_truncated), (b"info hello\n".as_slice(), false));
    let line = AttemptEvent::Log { level: Some(LogLevel::Info), line: "hello".to_owned() };
    let progress = AttemptEvent::Progress { fraction: Some(0.5), message: "half".to_owned() };
    assert_eq!([events.recv().await.unwrap(), events.recv().await.unwrap()], [line, progress]);
}

#[tokio::test]
async fn endless_logging_is_cut_and_ends() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let limits = Limits { log: ByteSize(25), fuel: 1_000_000, ..Limits::default() };
    let report = run_with(&task, "x", limits).await;
    assert_eq!(report.outcome.kind(), OutcomeKind::OutOfFuel);
    assert_eq!(
        (report.log.as_slice(), report.log_truncated),
        (b"error hello\nerror hello\ne\n".get(..25).unwrap(), true)
    );
}

#[tokio::test]
async fn a_polite_guest_sees_that_it_is_cancelled() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let cancel = CancelSignal::new();
    cancel.ask("not wanted");
    let control = AttemptControl { cancel: Some(cancel), ..AttemptControl::default() };
    let report = task.run(request("wait", Limits::default()), control).await;
    assert_eq!(
        report.outcome,
        Outcome::Cancelled { reason: "not wanted".to_owned() },
        "it returned, but its work is not done"
    );
}

#[tokio::test]
async fn a_guest_that_never_asks_completes_though_it_was_cancelled() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let cancel = CancelSignal::new();
    cancel.ask("not wanted");
    let control = AttemptControl { cancel: Some(cancel), ..AttemptControl::default() };
    let report = task.run(request("z", Limits { output: ByteSize::mib(4), ..Limits::default() }), control).await;
    assert_eq!(report.outcome.kind(), OutcomeKind::Completed);
}

#[tokio::test]
async fn results_and_log_lines_are_bounded_by_what_the_host_copies() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let limits = |output| Limits { output, hostcall: ByteSize::kib(64), ..Limits::default() };
    let large = run_with(&task, "z", limits(ByteSize::mib(3))).await;
    assert_eq!(completed(large).body.len(), 3 << 20);
    for output in [ByteSize((3 << 20) - 1), ByteSize::mib(1)] {
        let outcome = run_with(&task, "z", limits(output)).await.outcome;
        assert_eq!(outcome, Outcome::OutputTooLarge { output_bytes: output.0 });
    }
    let outcome = run_with(&task, "y", limits(ByteSize::mib(1))).await.outcome;
    assert!(matches!(&outcome, Outcome::Trapped(trap) if trap.message.contains("too much data")), "{outcome:?}");
    assert_eq!(run_with(&task, "y", limits(ByteSize::mib(3))).await.outcome.kind(), OutcomeKind::Completed);
}

#[tokio::test]
async fn a_component_describes_its_tasks() {
    let bench = bench();
    let wasm = guest();
    let inspection = inspect(&wasm, &InspectOptions::default()).unwrap();
    assert_eq!((inspection.shape, inspection.exports.len(), inspection.adapted), (Shape::Handler, 0, false));
    assert!(inspection.imports.contains(&"lovage:task/job-context@0.1.0".to_owned()), "{:?}", inspection.imports);
    let exports = bench.sandbox.describe(&bench.artifact(&wasm), &Limits::default()).await.unwrap();
    assert_eq!(exports.len(), 1);
    assert_eq!((exports[0].name.as_str(), &exports[0].entry), ("test-task", &entry()));
    let starved = Limits { fuel: 1, ..Limits::default() };
    let error = bench.sandbox.describe(&bench.artifact(&wasm), &starved).await.unwrap_err();
    assert!(matches!(error, crate::DescribeError::Failed { .. }), "{error}");
}
