//! What one tenant leaves behind, looked for by another: H21.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, stream};
use lovage_client::NewJob;
use lovage_job::{outcome::OutcomeKind, retry::Backoff};
use lovage_tests::Jobs;
use serde_json::{Value, json};

use super::{
    arena::{Arena, Turn, VICTIM},
    text::{NOTHING, lifted},
};
use crate::small::wasm;

/// Rounds in which each tenant finds whatever the other has just left.
const ROUNDS: usize = 12;

/// Has both tenants run a task in turns and at the same time, and returns what each run found.
async fn both(turn: &Turn, task: &str, input: Value) -> Vec<Value> {
    let tenants: [&Jobs; 2] = [&turn.jobs, turn.victim()];
    let runs = stream::iter((0..ROUNDS * 2).map(|round| tenants[round % 2])).map(async |jobs| {
        let result = jobs.run(NewJob::json(task.parse().unwrap(), &input).unwrap()).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
        serde_json::from_slice(&result.body).unwrap()
    });
    runs.buffer_unordered(4).collect().await
}

/// Pushes a component for both tenants.
async fn push(turn: &Turn, component: Vec<u8>) {
    turn.push(component.clone(), &[]).await;
    let cli = turn.arena.victim();
    let pushed = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("task.wasm");
        std::fs::write(&file, component).unwrap();
        cli.ok(["push", file.to_str().unwrap()])
    });
    pushed.await.unwrap();
}

#[tokio::test]
async fn fresh_memory_holds_nothing_of_another_tenant() {
    let turn = Arena::turn("a search of grown memory").await;
    for found in both(&turn, "residue", json!(16)).await {
        assert_eq!((&found["bytes"], &found["nonzero"]), (&json!(16 << 20), &json!(0)));
    }
    turn.end().await;
}

#[tokio::test]
async fn first_memory_tables_and_locals_hold_nothing_of_another_tenant() {
    let turn = Arena::turn("a search of memory, tables and locals").await;
    let locals = "i64 ".repeat(60);
    let sum: String = (0..60).map(|n| format!("(i64.or (local.get {n})")).collect();
    let (sum, ends) = (sum, ")".repeat(60));
    // Counts what is not zero or null, then leaves a canary wherever it can.
    let core = format!(
        r#"
        (table $t 10000 20000 funcref)
        (elem declare func $canary)
        (func $canary)
        (func $locals (result i32) (local {locals}) (i64.ne (i64.const 0) {sum} (i64.const 0) {ends}))
        (func $deep (param i64)
            (local {locals})
            (if (i64.eqz (local.get 0)) (then return))
            (call $deep (i64.sub (local.get 0) (i64.const 1)))
            (local.set 30 (i64.const -6510615555426900571)))
        (func (export "f") (result i32) (local $n i32) (local $found i32)
            (drop (memory.grow (i32.const 60)))
            (drop (table.grow $t (ref.null func) (i32.const 5000)))
            (local.set $n (i32.const 8))
            (loop $memory
                (if (i32.load (local.get $n)) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
                (local.set $n (i32.add (local.get $n) (i32.const 4)))
                (br_if $memory (i32.lt_u (local.get $n) (i32.const 4194304))))
            (local.set $n (i32.const 0))
            (loop $table
                (if (i32.eqz (ref.is_null (table.get $t (local.get $n))))
                    (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
                (table.set $t (local.get $n) (ref.func $canary))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $table (i32.lt_u (local.get $n) (i32.const 15000))))
            (local.set $found (i32.add (local.get $found) (call $locals)))
            (call $deep (i64.const 500))
            (memory.fill (i32.const 8) (i32.const 0xa5) (i32.const 4194296))
            (local.get $found))"#
    );
    let lift = r#"(func (export "search") (result u32) (canon lift (core func $i "f")))"#;
    push(&turn, lifted(&NOTHING, "", &core, lift)).await;
    assert_eq!(both(&turn, "search", Value::Null).await, vec![json!(0); ROUNDS * 2]);
    turn.end().await;
}

#[tokio::test]
async fn random_numbers_of_two_tenants_are_never_the_same() {
    let turn = Arena::turn("random numbers").await;
    let component = wasm(
        r#"(component
            (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
            (import "wasi:random/insecure@0.2.0" (instance $insecure
                (export "get-insecure-random-u64" (func (result u64)))))
            (core func $a (canon lower (func $random "get-random-u64")))
            (core func $b (canon lower (func $insecure "get-insecure-random-u64")))
            (core module $m
                (import "" "a" (func $a (result i64)))
                (import "" "b" (func $b (result i64)))
                (memory (export "memory") 1)
                (func (export "f") (result i32)
                    (i64.store (i32.const 16) (call $a))
                    (i64.store (i32.const 24) (call $b))
                    (i32.const 16)))
            (core instance $i (instantiate $m (with "" (instance (export "a" (func $a)) (export "b" (func $b))))))
            (func (export "draw") (result (tuple u64 u64))
                (canon lift (core func $i "f") (memory (core memory $i "memory")))))"#,
    );
    push(&turn, component).await;
    let drawn = both(&turn, "draw", Value::Null).await;
    let all: HashSet<String> = drawn.iter().flat_map(|pair| pair.as_array().unwrap()).map(Value::to_string).collect();
    assert_eq!(all.len(), ROUNDS * 4, "{drawn:?}");
    turn.end().await;
}

#[tokio::test]
async fn what_a_job_keeps_is_not_there_for_a_job_of_another_tenant_with_its_id() {
    let turn = Arena::turn("a job id that two tenants have").await;
    let id = || "same".parse().unwrap();
    let steps = |input: Value| NewJob::json("steps".parse().unwrap(), &input).unwrap().id(id());
    // The victim's job has kept two steps and waits to be tried again.
    let first = steps(json!({"steps": 3, "fail_after": 2})).backoff(Backoff::Fixed(Duration::from_secs(3600)));
    turn.victim().client.submit(first).await.unwrap();
    let waits = async || match turn.victim().client.find(&id()).await.unwrap() {
        lovage_client::JobState::WaitingRetry { .. } => Ok(()),
        other => Err(format!("{other:?}")),
    };
    lovage_tests::eventually("the victim's job to wait", lovage_tests::WITHIN, waits).await;
    let result = turn.jobs.run(steps(json!({"steps": 3}))).await;
    let worked: Value = serde_json::from_slice(&result.body).unwrap();
    assert_eq!(worked["worked"], json!(3), "a step of {VICTIM} was found: {worked}");
    turn.victim().client.cancel(&id(), "done").await.unwrap();
    turn.end().await;
}
