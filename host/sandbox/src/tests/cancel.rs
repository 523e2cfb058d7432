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

async fn stopped(text: &str, before: bool) {
    let bench = bench();
    let task = bench.function(text, "f");
    let signal = CancelSignal::new();
    let control = AttemptControl { cancel: Some(signal.clone()), events: None };
    if before {
        signal.stop("not wanted");
    }
    // Another thread, since the guest may hold this one for up to a tick.
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        signal.stop("not wanted");
        Instant::now()
    });
    let report = task.run(request("", long()), control).await;
    let ended = Instant::now();
    assert_eq!(report.outcome, Outcome::Cancelled { reason: "not wanted".to_owned() });
    let late = ended.saturating_duration_since(stopper.join().unwrap());
    assert!(late < Duration::from_millis(100), "{late:?}");
}

#[tokio::test]
async fn a_busy_guest_stops_at_once() {
    stopped(&component("", "(loop (br 0))"), false).await;
}

#[tokio::test]
async fn a_sleeping_guest_stops_at_once() {
    stopped(SLEEPER, false).await;
}

#[tokio::test]
async fn a_guest_that_is_not_wanted_does_not_start() {
    stopped(&component("", "unreachable"), true).await;
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
    let sleeper = bench.function(&SLEEPER.replace("(func (export \"f\") (call", "(memory 1) (func (export \"f\") (call"), "f");
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
