//! Limits that are not outcomes of their own: what a guest is refused, just below and just above.

use super::endings::component;
use super::support::*;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Outcome, OutcomeKind};
use lovage_job::unit::ByteSize;

async fn kind(text: &str, limits: Limits) -> OutcomeKind {
    let bench = bench();
    run_with(&bench.function(text, "f"), "", limits).await.outcome.kind()
}

#[tokio::test]
async fn fuel_is_enough_or_it_is_not() {
    let bench = bench();
    let task = bench.function(&component("", "(loop (br_if 0 (i32.const 0)))"), "f");
    let used = run(&task, "").await.meter.fuel_used;
    let with = |fuel| Limits { fuel, ..Limits::default() };
    assert_eq!(run_with(&task, "", with(used + 1)).await.outcome.kind(), OutcomeKind::Completed);
    assert_eq!(run_with(&task, "", with(1)).await.outcome, Outcome::OutOfFuel { fuel: 1 });
}

#[tokio::test]
async fn tables_grow_to_their_limit() {
    let text = component(
        "(table $t 1 funcref)",
        "(if (i32.eq (table.grow $t (ref.null func) (i32.const 9)) (i32.const -1)) (then unreachable))",
    );
    let limit = |table_elements| Limits { table_elements, ..Limits::default() };
    assert_eq!(kind(&text, limit(10)).await, OutcomeKind::Completed);
    assert_eq!(kind(&text, limit(9)).await, OutcomeKind::Trapped);
}

#[tokio::test]
async fn instances_are_counted() {
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $a (instantiate $m))
        (core instance $b (instantiate $m))
        (core instance $c (instantiate $m))
        (func (export "f") (canon lift (core func $c "f"))))"#;
    let limit = |instances| Limits { instances, ..Limits::default() };
    assert_eq!(kind(text, limit(3)).await, OutcomeKind::Completed);
    assert_eq!(kind(text, limit(2)).await, OutcomeKind::BadComponent);
}

#[tokio::test]
async fn memories_are_counted_together() {
    let text = component("(memory 2) (memory 1)", "");
    let limit = |memory| Limits { memory, ..Limits::default() };
    assert_eq!(kind(&text, limit(ByteSize::kib(256))).await, OutcomeKind::Completed);
    assert_eq!(kind(&text, limit(ByteSize::kib(255))).await, OutcomeKind::OutOfMemory);
}

/// Takes random bytes in one call.
fn random(count: u64) -> String {
    format!(
        r#"(component
            (import "wasi:random/random@0.2.0" (instance $random
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
            (core module $libc
                (memory (export "memory") 4)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
            (core instance $libc (instantiate $libc))
            (core func $get (canon lower (func $random "get-random-bytes")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $m
                (import "" "get" (func $get (param i64 i32)))
                (func (export "f") (call $get (i64.const {count}) (i32.const 0))))
            (core instance $i (instantiate $m (with "" (instance (export "get" (func $get))))))
            (func (export "f") (canon lift (core func $i "f"))))"#
    )
}

#[tokio::test]
async fn random_bytes_come_in_small_portions() {
    let limits = Limits { random: ByteSize(4096), ..Limits::default() };
    assert_eq!(kind(&random(4096), limits.clone()).await, OutcomeKind::Completed);
    assert_eq!(kind(&random(4097), limits).await, OutcomeKind::Trapped);
}

/// Takes `count` handles of pollables and keeps them.
fn handles(count: u32) -> String {
    format!(
        r#"(component
            (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $pollable (sub resource)))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                (alias outer 1 $pollable (type $p))
                (export "pollable" (type $q (eq $p)))
                (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
            (core func $subscribe (canon lower (func $clock "subscribe-duration")))
            (core module $m
                (import "" "subscribe" (func $subscribe (param i64) (result i32)))
                (func (export "f") (local $n i32)
                    (loop $more
                        (drop (call $subscribe (i64.const 1)))
                        (local.set $n (i32.add (local.get $n) (i32.const 1)))
                        (br_if $more (i32.lt_u (local.get $n) (i32.const {count}))))))
            (core instance $i (instantiate $m (with "" (instance (export "subscribe" (func $subscribe))))))
            (func (export "f") (canon lift (core func $i "f"))))"#
    )
}

#[tokio::test]
async fn handles_are_counted() {
    let limits = Limits { resources: 40, ..Limits::default() };
    assert_eq!(kind(&handles(10), limits.clone()).await, OutcomeKind::Completed);
    assert_eq!(kind(&handles(41), limits).await, OutcomeKind::Trapped);
}

#[tokio::test]
async fn nothing_of_one_guest_is_left_for_the_next() {
    let bench = bench_with(crate::SandboxConfig { concurrency: 1, ..crate::SandboxConfig::default() });
    let body = r#"
        (if (i32.load (i32.const 40000)) (then unreachable))
        (i32.store (i32.const 40000) (i32.const 1))
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (if (i32.load (i32.const 900000)) (then unreachable))
        (i32.store (i32.const 900000) (i32.const 1))"#;
    let task = bench.function(&component("", body), "f");
    for round in 0..50 {
        assert_eq!(run(&task, "").await.outcome.kind(), OutcomeKind::Completed, "round {round}");
    }
}
