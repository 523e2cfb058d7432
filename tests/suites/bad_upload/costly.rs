//! Components that are valid and small, and dear to compile.

use std::{
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use lovage_tests::{Worker, shared_cache};

use super::refused;
use crate::small::{Ground, job, number, numbers, run, wasm};

#[test]
fn component_of_200_000_functions_is_refused_before_it_is_compiled() {
    let functions = "(func)".repeat(200_000);
    let component = wasm(&format!(
        r#"(component
            (core module $m (func (export "f")) {functions})
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#
    ));
    refused(&Ground::new(), &component, &[], &["200001 functions", "at most 50000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn function_that_is_too_dear_to_compile_disturbs_no_running_job() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("answer", 42)]), &[]);
    let mut worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let client = ground.client("default").await;
    let bomb = branchy();
    assert!((200 << 10..300 << 10).contains(&bomb.len()), "{} bytes", bomb.len());
    let compiling = AtomicBool::new(true);
    let refusal = || {
        refused(&ground, &bomb, &[], &["compiling the component takes more than", "make its functions smaller"]);
        compiling.store(false, Ordering::Relaxed);
    };
    let mut completed = 0;
    thread::scope(|scope| {
        let push = scope.spawn(refusal);
        let runtime = tokio::runtime::Handle::current();
        while compiling.load(Ordering::Relaxed) && !push.is_finished() {
            let result = tokio::task::block_in_place(|| runtime.block_on(run(&client, job("answer"))));
            assert_eq!(number(&result), 42);
            completed += 1;
        }
        push.join().unwrap();
    });
    assert!(completed >= 10, "{completed} jobs completed while the bomb was looked at");
    assert!(worker.ended().is_none());
}

/// A function of loops within loops, all of which carry every local variable: the compiler's own data are the product
/// of both.
fn branchy() -> Vec<u8> {
    const LOOPS: usize = 30_000;
    const LOCALS: usize = 5_000;
    let mut body = "loop\n".repeat(LOOPS);
    for local in 0..LOCALS {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "local.get {local} i32.const 1 i32.add local.set {local}");
    }
    body.push_str(&"local.get 0 br_if 0 end\n".repeat(LOOPS));
    let locals = "i32 ".repeat(LOCALS);
    wasm(&format!(
        r#"(component
            (core module $m (func (export "f") (local {locals}) {body}))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#
    ))
}
