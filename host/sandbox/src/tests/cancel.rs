//! Stopping a guest: busy, asleep, waiting for its turn.

use super::endings::component;
use super::support::*;
use crate::{AttemptControl, CancelSignal, SandboxConfig};
use lovage_job::limits::Limits;
use lovage_job::outcome::{Outcome, OutcomeKind};
use std::time::{Duration, Instant};

/// Sleeps for an hour.
const SLEEPER: &str = r#"(component
    (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $pollable (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $p))
        (export "pollable" (type $q (eq $p)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core module $m
        (import "" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "" "block" (func $block (param i32)))
        (func (export "f") (call $block (call $subscribe (i64.const 3600000000000)))))
    (core instance $i (instantiate $m (with "" (instance
        (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
    (func (export "f") (canon lift (core func $i "f"))))"#;

fn long() -> Limits {
    Limits { timeout: Duration::from_secs(600), fuel: u64::MAX >> 2, ..Limits::default() }
}

/// How long a guest goes on after it was stopped.
async fn lateness(task: &crate::Task) -> Duration {
    let signal = CancelSignal::new();
    let control = AttemptControl { cancel: Some(signal.clone()), ..AttemptControl::default() };
    let stop = async {
        // Polled when the guest is asleep or yields at a tick: it runs by now.
        tokio::task::yield_now().await;
        signal.stop("not wanted");
        Instant::now()
    };
    let (report, stopped) = tokio::join!(task.run(request("", long()), control), stop);
    assert_eq!(report.outcome, Outcome::Cancelled { reason: "not wanted".to_owned() });
    assert!(report.meter.memory_peak_bytes > 0 || report.meter.fuel_used > 0);
    stopped.elapsed()
}

async fn stops_at_once(text: &str) {
    let bench = bench();
    let task = bench.function(text, "f");
    let mut best = Duration::MAX;
    // A busy host may hold up this thread; once is enough to show it.
    for _ in 0..5 {
        best = best.min(lateness(&task).await);
    }
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[tokio::test]
async fn a_busy_guest_stops_at_once() {
    stops_at_once(&component("", "(loop (br 0))")).await;
}

#[tokio::test]
async fn a_sleeping_guest_stops_at_once() {
    stops_at_once(SLEEPER).await;
}

#[tokio::test]
async fn a_guest_that_is_not_wanted_does_not_start() {
    let bench = bench();
    let task = bench.function(&component("", "unreachable"), "f");
    let signal = CancelSignal::new();
    signal.stop("not wanted");
    let control = AttemptControl { cancel: Some(signal), ..AttemptControl::default() };
    let report = task.run(request("", long()), control).await;
    assert_eq!(report.outcome, Outcome::Cancelled { reason: "not wanted".to_owned() });
    assert_eq!(report.meter.fuel_used, 0);
}

#[tokio::test(start_paused = true)]
async fn sleeping_guests_are_timed_out() {
    let bench = bench();
    let report = run(&bench.function(SLEEPER, "f"), "").await;
    assert_eq!(report.outcome, Outcome::TimedOut { timeout: Duration::from_secs(30) });
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_slot_in_time_is_not_to_blame() {
    let bench = bench_with(SandboxConfig { concurrency: 1, ..SandboxConfig::default() });
    let sleeper = bench.function(SLEEPER, "f");
    let slow = Limits { timeout: Duration::from_secs(60), ..Limits::default() };
    let (first, second) = tokio::join!(run_with(&sleeper, "", slow), run(&sleeper, ""));
    assert_eq!(first.outcome.kind(), OutcomeKind::TimedOut);
    assert_eq!(second.outcome.kind(), OutcomeKind::HostFault);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_memory_in_vain_is_not_to_blame() {
    let budget = lovage_job::unit::ByteSize(65536);
    let bench = bench_with(SandboxConfig { memory_budget: budget, ..SandboxConfig::default() });
    let sleeper =
        bench.function(&SLEEPER.replace("(func (export \"f\") (call", "(memory 1) (func (export \"f\") (call"), "f");
    let slow = Limits { timeout: Duration::from_secs(60), ..Limits::default() };
    let (first, second) = tokio::join!(run_with(&sleeper, "", slow), run(&sleeper, ""));
    assert_eq!(first.outcome.kind(), OutcomeKind::TimedOut);
    assert_eq!(second.outcome.kind(), OutcomeKind::HostFault, "{:?}", second.outcome);
}

#[test]
fn attempts_may_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let bench = bench();
    let task = bench.function(&component("", ""), "f");
    drop(is_send(task.run(request("", Limits::default()), AttemptControl::default())));
}
