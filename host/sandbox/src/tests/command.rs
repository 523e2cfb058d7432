//! Programs: core modules of WASI preview 1, adapted at inspection.

use super::support::*;
use crate::AttemptControl;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Failure, Outcome, OutcomeKind, RetryHint};
use lovage_job::unit::ByteSize;
use std::sync::Arc;

/// A program with this body; `$write` writes the first bytes of memory at 1024 to a descriptor.
fn program(body: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 1024) "hello\n")
            (func $write (param $fd i32) (param $size i32)
                (i32.store (i32.const 0) (i32.const 1024))
                (i32.store (i32.const 4) (local.get $size))
                (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
            (func (export "_start") {body}))"#
    )
}

/// Copies standard input to standard output.
const CAT: &str = r#"
    (loop $more
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 65536))
        (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
        (if (i32.load (i32.const 8))
            (then (call $write (i32.const 1) (i32.load (i32.const 8))) (br $more))))"#;

#[tokio::test]
async fn standard_input_and_output_carry_payload_and_result() {
    let bench = bench();
    let cat = bench.command(&program(CAT));
    for input in [Vec::new(), b"hello".to_vec(), vec![7; 300_000]] {
        let output = completed(run(&cat, input.clone()).await);
        assert!(output.body == input);
    }
}

#[tokio::test]
async fn output_is_limited_to_the_byte() {
    let bench = bench();
    let cat = bench.command(&program(CAT));
    let limits = Limits { output: ByteSize(100_000), ..Limits::default() };
    assert_eq!(completed(run_with(&cat, vec![7; 100_000], limits.clone()).await).body.len(), 100_000);
    let outcome = run_with(&cat, vec![7; 100_001], limits).await.outcome;
    assert_eq!(outcome, Outcome::OutputTooLarge { output_bytes: 100_000 });
}

#[tokio::test]
async fn exiting_with_zero_is_success() {
    let bench = bench();
    let text = program("(call $write (i32.const 1) (i32.const 5)) (call $exit (i32.const 0)) unreachable");
    assert_eq!(completed(run(&bench.command(&text), "").await).body, b"hello");
}

#[tokio::test]
async fn another_status_fails_with_the_end_of_the_log() {
    let bench = bench();
    let failure = |message: &str, status: i32| {
        let details = Some(serde_json::json!({ "status": status }));
        Outcome::Failed(Failure { message: message.to_owned(), details, retry: RetryHint::Retry })
    };
    let silent = bench.command(&program("(call $exit (i32.const 1))"));
    assert_eq!(run(&silent, "").await.outcome, failure("the program exited with status 1", 1));
    let loud = program("(call $write (i32.const 2) (i32.const 6)) (call $exit (i32.const 1))");
    let report = run(&bench.command(&loud), "").await;
    assert_eq!(report.outcome, failure("the program exited with status 1: hello", 1));
    assert_eq!(report.log, b"hello\n");
}

#[tokio::test]
async fn a_program_without_imports_runs_too() {
    let bench = bench();
    let task = bench.command(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    assert!(completed(run(&task, "").await).body.is_empty());
}

#[tokio::test]
async fn a_program_that_gets_no_memory_and_gives_up_is_out_of_memory() {
    let bench = bench();
    let text = program("(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then (call $exit (i32.const 1))))");
    assert_eq!(run(&bench.command(&text), "").await.outcome.kind(), OutcomeKind::OutOfMemory);
}

#[tokio::test]
async fn arguments_and_environment_reach_the_program() {
    let bench = bench();
    let text = program(
        r#"(drop (call $args_sizes (i32.const 16) (i32.const 20)))
           (drop (call $args (i32.const 32) (i32.const 1024)))
           (call $write (i32.const 1) (i32.load (i32.const 20)))
           (drop (call $env_sizes (i32.const 16) (i32.const 20)))
           (drop (call $env (i32.const 32) (i32.const 1024)))
           (call $write (i32.const 1) (i32.load (i32.const 20)))"#,
    );
    let task = bench.command(&text);
    let mut request = request("", Limits::default());
    request.args = Arc::from(["-x".to_owned()]);
    request.env = Arc::from([("KEY".to_owned(), "value".to_owned())]);
    let output = completed(task.run(request, AttemptControl::default()).await);
    assert_eq!(String::from_utf8(output.body).unwrap(), "test\0-x\0KEY=value\0");
    // Nothing of the host's own environment is there.
    assert_eq!(completed(run(&task, "").await).body, b"test\0");
}
