//! Hostile guests, each a component from text with one function.
//!
//! Limits are small enough that a single job ends well within a second: what is measured is many of them.

use lovage_job::limits::LimitsWish;
use std::time::Duration;

/// What a tenant sends without end.
pub(super) struct Input {
    /// For people.
    pub(super) name: &'static str,
    /// The function that it exports.
    pub(super) task: &'static str,
    /// The component.
    pub(super) component: Vec<u8>,
    /// The fuel of an attempt, where it is what stops it.
    fuel: Option<u64>,
    /// The time of an attempt.
    pub(super) timeout: Duration,
    /// Whether it is many small jobs and not a few that are large.
    pub(super) floods: bool,
}

impl Input {
    /// What it is pushed with: so much fuel that it is not what stops it, unless it shall be.
    pub(super) fn limits(&self) -> LimitsWish {
        LimitsWish { fuel: Some(self.fuel.unwrap_or(900_000_000_000)), ..LimitsWish::default() }
    }
}

/// What a core module has beside its function `f`, and the body of that.
type Core = (&'static str, &'static str);

/// A component with a function that runs such a body.
fn runs(task: &str, (around, body): Core) -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(format!(
        r#"(component
            (core module $m {around} (func (export "f") {body}))
            (core instance $i (instantiate $m))
            (func (export "{task}") (canon lift (core func $i "f"))))"#
    ))?)
}

/// A component with a function from bytes to so many bytes.
fn gives(task: &str, bytes: u32) -> anyhow::Result<Vec<u8>> {
    let pages = bytes / 65_536 + 1;
    Ok(wat::parse_str(format!(
        r#"(component
            (core module $m
                (memory (export "memory") {pages})
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
                (func (export "f") (param i32 i32) (result i32)
                    (i32.store (i32.const 16) (i32.const 1024))
                    (i32.store (i32.const 20) (i32.const {bytes}))
                    (i32.const 16)))
            (core instance $i (instantiate $m))
            (func (export "{task}") (param "data" (list u8)) (result (list u8))
                (canon lift (core func $i "f")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    ))?)
}

const LOOP: Core = ("", "(loop (br 0))");
/// One instruction over all memory, again and again: nothing looks at the clock within it.
const FILL: Core = (
    "(memory 1000)",
    "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536))) (br 0))",
);
/// Touches each page that it gets.
const GROW: Core = (
    "(memory 1)",
    "(loop
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1)) (br 0))",
);
const TABLE: Core = (
    "(table $t 1 funcref)",
    "(loop
        (if (i32.eq (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)) (then unreachable)) (br 0))",
);
const TRAP: Core = ("", "unreachable");
const RECURSION: Core = ("(func $r (call $r) (call $r))", "(call $r)");
const NOTHING: Core = ("", "");
/// Asks for the time without end.
const CALLS: &str = r#"
(component
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
    (core func $now (canon lower (func $clock "now")))
    (core module $m
        (import "host" "now" (func $now (result i64)))
        (func (export "f") (loop (drop (call $now)) (br 0))))
    (core instance $i (instantiate $m (with "host" (instance (export "now" (func $now))))))
    (func (export "calls") (canon lift (core func $i "f"))))"#;

/// Waits for what never comes, and drops nothing.
const SLEEP: &str = r#"
(component
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
        (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "host" "block" (func $block (param i32)))
        (func (export "f") (call $block (call $subscribe (i64.const -1)))))
    (core instance $i (instantiate $m (with "host" (instance
        (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
    (func (export "sleep") (canon lift (core func $i "f"))))"#;

/// Writes 4 KiB to standard error, which is its log, without end.
const LOG: &str = r#"
(component
    (import "wasi:io/error@0.2.0" (instance $fault (export "error" (type (sub resource)))))
    (alias export $fault "error" (type $error))
    (import "wasi:io/streams@0.2.0" (instance $streams
        (alias outer 1 $error (type $e))
        (export "error" (type $e2 (eq $e)))
        (type $stream-error (variant (case "last-operation-failed" (own $e2)) (case "closed")))
        (export "stream-error" (type $se (eq $stream-error)))
        (export "output-stream" (type $stream (sub resource)))
        (export "[method]output-stream.blocking-write-and-flush"
            (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $se)))))))
    (alias export $streams "output-stream" (type $stream))
    (import "wasi:cli/stderr@0.2.0" (instance $stderr
        (alias outer 1 $stream (type $s))
        (export "output-stream" (type $s2 (eq $s)))
        (export "get-stderr" (func (result (own $s2))))))
    (core module $libc
        (memory (export "memory") 1)
        (func (export "fill") (memory.fill (i32.const 1024) (i32.const 0x61) (i32.const 4095))
            (i32.store8 (i32.const 5119) (i32.const 10))))
    (core instance $libc (instantiate $libc))
    (core func $get (canon lower (func $stderr "get-stderr")))
    (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
        (memory (core memory $libc "memory"))))
    (core module $m
        (import "host" "get" (func $get (result i32)))
        (import "host" "write" (func $write (param i32 i32 i32 i32)))
        (import "host" "fill" (func $fill))
        (func (export "f") (local $s i32)
            (call $fill)
            (local.set $s (call $get))
            (loop (call $write (local.get $s) (i32.const 1024) (i32.const 4096) (i32.const 0)) (br 0))))
    (core instance $i (instantiate $m (with "host" (instance
        (export "get" (func $get)) (export "write" (func $write)) (export "fill" (func $libc "fill"))))))
    (func (export "log") (canon lift (core func $i "f"))))"#;

/// Every input, in the order in which they are measured.
pub(super) fn inputs() -> anyhow::Result<Vec<Input>> {
    let input = |name, task: &'static str, component| Input {
        name,
        task,
        component,
        fuel: None,
        timeout: Duration::from_secs(10),
        floods: false,
    };
    let core = |name, task, core| anyhow::Ok(input(name, task, runs(task, core)?));
    let text = |name, task, text| anyhow::Ok(input(name, task, wat::parse_str(text)?));
    // nothing but its deadline stops it
    let endless = |input| Input { timeout: Duration::from_millis(300), ..input };
    Ok(vec![
        Input { fuel: Some(50_000_000), ..core("loops that run out of fuel", "burn-fuel", LOOP)? },
        endless(core("loops that run out of time", "burn-time", LOOP)?),
        endless(core("memory filled without end", "fill", FILL)?),
        core("memory grown to the limit", "grow", GROW)?,
        core("tables grown to the limit", "table", TABLE)?,
        endless(text("host calls without end", "calls", CALLS)?),
        endless(text("sleep without end", "sleep", SLEEP)?),
        endless(text("log without end", "log", LOG)?),
        input("the largest output", "output", gives("output", 1 << 20)?),
        input("output that is too large", "too-large", gives("too-large", 60 << 20)?),
        core("traps", "trap", TRAP)?,
        core("recursion without end", "recursion", RECURSION)?,
        Input { floods: true, ..core("a flood of small jobs", "nothing", NOTHING)? },
    ])
}
