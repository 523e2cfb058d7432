//! Every way for a guest to end, and that the meter tells what it used all the same.

use super::support::*;
use crate::{AttemptControl, AttemptEvent, EventSink};
use lovage_job::limits::Limits;
use lovage_job::outcome::{Outcome, OutcomeKind};
use lovage_job::unit::ByteSize;
use std::time::Duration;

/// A component whose function `f` has this core body; `around` stands beside it in the core module.
pub(super) fn component(around: &str, body: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                {around}
                (func $inner {body})
                (func (export "f") (call $inner)))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#
    )
}

async fn end(around: &str, body: &str, limits: Limits) -> crate::AttemptReport {
    let bench = bench();
    run_with(&bench.function(&component(around, body), "f"), "", limits).await
}

fn brief() -> Limits {
    Limits { timeout: Duration::from_millis(100), fuel: u64::MAX >> 2, ..Limits::default() }
}

#[tokio::test]
async fn completed_work_is_metered() {
    let report = end("", "(drop (memory.grow (i32.const 3)))", Limits::default()).await;
    assert_eq!(report.outcome.kind(), OutcomeKind::Completed);
    assert_eq!(report.meter.memory_peak_bytes, 4 * 65536);
    assert!(report.meter.fuel_used > 0 && report.meter.fuel_used < 100, "{:?}", report.meter);
}

#[tokio::test]
async fn unreachable_is_a_trap_with_named_frames() {
    let report = end("", "unreachable", Limits::default()).await;
    let Outcome::Trapped(trap) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(trap.message, "wasm `unreachable` instruction executed");
    assert_eq!(trap.backtrace.len(), 2, "{:?}", trap.backtrace);
    assert_eq!(trap.backtrace[0], "inner");
    assert!(report.meter.fuel_used > 0);
}

#[tokio::test]
async fn wrong_addresses_and_divisions_are_traps() {
    for body in ["(drop (i32.load (i32.const -4)))", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"] {
        assert_eq!(end("", body, Limits::default()).await.outcome.kind(), OutcomeKind::Trapped);
    }
}

#[tokio::test]
async fn endless_loops_run_out_of_fuel() {
    let limits = Limits { fuel: 5_000_000, ..Limits::default() };
    let report = end("", "(loop (br 0))", limits.clone()).await;
    assert_eq!(report.outcome, Outcome::OutOfFuel { fuel: 5_000_000 });
    assert_eq!(report.meter.fuel_used, 5_000_000);
    let in_start = end("(func $s (loop (br 0))) (start $s)", "", limits).await;
    assert_eq!(in_start.outcome, Outcome::OutOfFuel { fuel: 5_000_000 });
}

#[tokio::test]
async fn busy_guests_are_stopped_in_time() {
    for (around, body) in [("", "(loop (br 0))"), ("(func $s (loop (br 0))) (start $s)", "")] {
        let report = end(around, body, brief()).await;
        assert_eq!(report.outcome, Outcome::TimedOut { timeout: Duration::from_millis(100) });
        assert!(report.meter.wall_us >= 100_000 && report.meter.fuel_used > 0, "{:?}", report.meter);
    }
}

#[tokio::test]
async fn busy_guests_let_others_run() {
    let bench = bench();
    let busy = bench.function(&component("", "(loop (br 0))"), "f");
    let quick = bench.function(&component("", ""), "f");
    let busy = run_with(&busy, "", Limits { timeout: Duration::from_secs(5), ..brief() });
    let mut busy = std::pin::pin!(busy);
    tokio::select! {
        biased;
        report = &mut busy => panic!("{:?}", report.outcome),
        report = run(&quick, "") => assert_eq!(report.outcome.kind(), OutcomeKind::Completed),
    }
}

#[tokio::test]
async fn recursion_overflows_the_stack() {
    let report = end("(func $deep (call $deep) (call $deep))", "(call $deep)", Limits::default()).await;
    let Outcome::StackOverflow(trap) = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(!trap.backtrace.is_empty() && trap.backtrace.len() <= 48);
    assert!(report.meter.fuel_used > 0);
}

#[tokio::test]
async fn denied_memory_is_remembered() {
    let limits = Limits { memory: ByteSize::kib(256), ..Limits::default() };
    let fails = "(if (i32.eq (memory.grow (i32.const 4)) (i32.const -1)) (then unreachable))";
    let report = end("", fails, limits.clone()).await;
    assert_eq!(report.outcome, Outcome::OutOfMemory { memory_bytes: 256 << 10 });
    assert_eq!(report.meter.memory_peak_bytes, 65536);
    // A guest that copes with the refusal completes.
    let copes = end("", "(drop (memory.grow (i32.const 4)))", limits.clone()).await;
    assert_eq!(copes.outcome.kind(), OutcomeKind::Completed);
    // Just within the limit.
    let fits = "(if (i32.eq (memory.grow (i32.const 3)) (i32.const -1)) (then unreachable))";
    assert_eq!(end("", fits, limits.clone()).await.outcome.kind(), OutcomeKind::Completed);
    // More than any memory has.
    let absurd = "(if (i32.eq (memory.grow (i32.const -1)) (i32.const -1)) (then unreachable))";
    assert_eq!(end("", absurd, limits).await.outcome.kind(), OutcomeKind::OutOfMemory);
}

#[tokio::test]
async fn a_component_that_starts_larger_than_its_limit_is_out_of_memory() {
    let report = end("", "", Limits { memory: ByteSize(65535), ..Limits::default() }).await;
    assert_eq!(report.outcome, Outcome::OutOfMemory { memory_bytes: 65535 });
    let exact = end("", "", Limits { memory: ByteSize(65536), ..Limits::default() }).await;
    assert_eq!(exact.outcome.kind(), OutcomeKind::Completed);
}

#[tokio::test]
async fn a_panic_of_the_host_is_caught() {
    let bench = bench();
    let task = bench.load(&super::handler::guest(), &super::handler::entry()).unwrap();
    let events = Some(EventSink::new(|_: AttemptEvent| panic!("the sink is broken")));
    let control = AttemptControl { events, ..AttemptControl::default() };
    let report = task.run(request("log", Limits::default()), control).await;
    assert_eq!(report.outcome.kind(), OutcomeKind::HostFault, "{:?}", report.outcome);
    assert!(report.meter.fuel_used > 0 && report.meter.memory_peak_bytes > 0);
    // The sandbox goes on.
    assert_eq!(run(&task, "echo").await.outcome.kind(), OutcomeKind::Completed);
}

#[tokio::test]
async fn slots_are_given_back_however_an_attempt_ends() {
    let bench = bench();
    for body in ["", "unreachable", "(loop (br 0))"] {
        let task = bench.function(&component("", body), "f");
        for _ in 0..6 {
            let limits = Limits { fuel: 100_000, ..Limits::default() };
            assert_ne!(run_with(&task, "", limits).await.outcome.kind(), OutcomeKind::HostFault);
        }
    }
    let metrics = bench.sandbox.metrics();
    assert_eq!((metrics.slots_free, metrics.memory_free_bytes), (4, 1 << 30));
}
