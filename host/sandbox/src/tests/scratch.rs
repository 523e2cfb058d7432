//! The scratch folder: there where it is granted, whatever the shape, and of one attempt alone.

use super::support::*;
use crate::{AttemptControl, AttemptReport, Task};
use lovage_job::capability::Grants;
use lovage_job::catalog::Entry;
use lovage_job::limits::Limits;
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::ByteSize;
use std::sync::Arc;

async fn run_granted(task: &Task, quota: Option<ByteSize>, limits: Limits) -> AttemptReport {
    let mut request = request("", limits);
    request.grants = Arc::new(Grants { scratch: quota, ..Grants::default() });
    task.run(request, AttemptControl::default()).await
}

/// A core module that asks `times` for the folders that are open, and gives how many the last answer had.
fn asks(times: u32) -> String {
    format!(
        r#"
        (import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type (sub resource)))))
        (alias export $files "descriptor" (type $descriptor))
        (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
            (alias outer 1 $descriptor (type $d0))
            (export "descriptor" (type $d (eq $d0)))
            (export "get-directories" (func (result (list (tuple (own $d) string)))))))
        (core module $libc
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 8)) (i32.const -8)))))
        (core instance $libc (instantiate $libc))
        (core func $get (canon lower (func $preopens "get-directories")
            (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
        (core module $m
            (import "" "get" (func $get (param i32)))
            (import "libc" "memory" (memory 1))
            (func $count (result i32) (local $left i32)
                (local.set $left (i32.const {times}))
                (loop $again
                    (call $get (i32.const 16))
                    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
                (i32.load (i32.const 20)))
            (func (export "f") (result i32) (call $count))
            (func (export "handle") (param i32 i32) (if (i32.eqz (call $count)) (then unreachable))))
        (core instance $i (instantiate $m
            (with "" (instance (export "get" (func $get)))) (with "libc" (instance $libc))))"#
    )
}

fn function_that_asks(bench: &Bench, times: u32) -> Task {
    let lift = r#"(func (export "f") (result u32) (canon lift (core func $i "f")))"#;
    bench.function(&format!("(component {} {lift})", asks(times)), "f")
}

#[tokio::test]
async fn a_function_has_the_folder_where_it_is_granted() {
    let bench = bench();
    let task = function_that_asks(&bench, 1);
    assert_eq!(text(run_granted(&task, None, Limits::default()).await), "0");
    assert_eq!(text(run_granted(&task, Some(ByteSize::mib(1)), Limits::default()).await), "1");
}

#[tokio::test]
async fn an_http_handler_has_the_folder_where_it_is_granted() {
    let bench = bench();
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $http
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $http "incoming-request" (type $request))
            (alias export $http "response-outparam" (type $out))
            {}
            (func $handle (param "request" (own $request)) (param "response-out" (own $out))
                (canon lift (core func $i "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#,
        asks(1)
    );
    let task = bench.load(&wat::parse_str(text).unwrap(), &Entry::Http).unwrap();
    // It gives no response; without a folder it does not even come that far.
    let kind = async |quota| run_granted(&task, quota, Limits::default()).await.outcome.kind();
    assert_eq!(kind(None).await, OutcomeKind::Trapped);
    assert_eq!(kind(Some(ByteSize::mib(1))).await, OutcomeKind::Failed);
}

#[tokio::test]
async fn handles_on_the_folder_are_counted() {
    let bench = bench();
    let limits = Limits { resources: 40, ..Limits::default() };
    let kind = async |times| {
        let task = function_that_asks(&bench, times);
        run_granted(&task, Some(ByteSize::mib(1)), limits.clone()).await.outcome.kind()
    };
    assert_eq!(kind(40).await, OutcomeKind::Completed);
    assert_eq!(kind(41).await, OutcomeKind::Trapped);
}

/// Makes file `f`, which must not be there, of `size` bytes; ends with the code of the error where that fails.
fn maker(size: u64) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $size (param i32 i64) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 1024) "f")
            (func $tell (param $step i32) (param $code i32)
                (if (local.get $code)
                    (then
                        (i32.store8 (i32.const 2048) (i32.add (i32.const 64) (local.get $step)))
                        (i32.store8 (i32.const 2049) (i32.add (i32.const 32) (local.get $code)))
                        (i32.store (i32.const 0) (i32.const 2048))
                        (i32.store (i32.const 4) (i32.const 2))
                        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))))
            (func (export "_start")
                (call $tell (i32.const 1) (call $prestat (i32.const 3) (i32.const 16)))
                (call $tell (i32.const 2) (call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1)
                    (i32.const 5) (i64.const 0x400042) (i64.const 0) (i32.const 0) (i32.const 32)))
                (call $tell (i32.const 3) (call $size (i32.load (i32.const 32)) (i64.const {size})))))"#
    )
}

/// What a step and an error number of preview 1 are told as.
fn told(step: u8, code: u8) -> String {
    String::from_utf8(vec![64 + step, 32 + code]).unwrap()
}

const EBADF: u8 = 8;
const ENOSPC: u8 = 51;

#[tokio::test]
async fn a_program_without_the_grant_has_no_folder_at_all() {
    let bench = bench();
    let task = bench.command(&maker(0));
    let output = text(run_granted(&task, None, Limits::default()).await);
    assert!(output.starts_with(&told(1, EBADF)) && output.contains(&told(2, EBADF)), "{output}");
    assert_eq!(text(run_granted(&task, Some(ByteSize::mib(1)), Limits::default()).await), "");
}

#[tokio::test]
async fn every_attempt_has_an_empty_folder_and_gives_its_memory_back() {
    let bench = bench();
    let free = bench.sandbox.metrics().memory_free_bytes;
    let task = bench.command(&maker(1 << 20));
    let bare = bench.command(&maker(0));
    let small = run_granted(&bare, Some(ByteSize::mib(2)), Limits::default()).await;
    for round in 0..3 {
        let report = run_granted(&task, Some(ByteSize::mib(2)), Limits::default()).await;
        assert_eq!(report.meter.memory_peak_bytes, small.meter.memory_peak_bytes + (1 << 20), "round {round}");
        assert_eq!(text(report), "", "round {round}");
        assert_eq!(bench.sandbox.metrics().memory_free_bytes, free, "round {round}");
    }
}

#[tokio::test]
async fn the_quota_is_what_was_granted() {
    let bench = bench();
    // An entry of 1 KiB, a name of a byte, and 25 blocks.
    let quota = 1024 + 1 + 25 * 4096;
    let task = bench.command(&maker(100_000));
    assert_eq!(text(run_granted(&task, Some(ByteSize(quota)), Limits::default()).await), "");
    assert_eq!(text(run_granted(&task, Some(ByteSize(quota - 1)), Limits::default()).await), told(3, ENOSPC));
    let huge = bench.command(&maker(1 << 62));
    assert_eq!(text(run_granted(&huge, Some(ByteSize::mib(64)), Limits::default()).await), told(3, ENOSPC));
}

#[tokio::test]
async fn programs_find_the_folder_by_a_variable_that_can_be_set_otherwise() {
    let bench = bench();
    let print = r#"(module
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $sizes (i32.const 16) (i32.const 4)))
            (drop (call $get (i32.const 32) (i32.const 1024)))
            (i32.store (i32.const 0) (i32.const 1024))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    let task = bench.command(print);
    assert_eq!(text(run_granted(&task, None, Limits::default()).await), "");
    assert_eq!(text(run_granted(&task, Some(ByteSize::mib(1)), Limits::default()).await), "TMPDIR=/scratch\0");
    let mut own = request("", Limits::default());
    own.grants = Arc::new(Grants { scratch: Some(ByteSize::mib(1)), ..Grants::default() });
    own.env = Arc::from([("TMPDIR".to_owned(), "/scratch/tmp".to_owned())]);
    assert_eq!(text(task.run(own, AttemptControl::default()).await), "TMPDIR=/scratch/tmp\0");
}
