//! Components from text that call their host in ways that no compiler would write.

use crate::small::wasm;

/// What a component imports and how its core module calls that.
pub struct Host {
    /// Imports and aliases of the component.
    pub imports: &'static str,
    /// A name in the core module, what is lowered under it, and its core type.
    pub functions: &'static [(&'static str, &'static str, &'static str)],
}

/// Nothing.
pub const NOTHING: Host = Host { imports: "", functions: &[] };

/// Clocks, and pollables that they give.
pub const CLOCK: Host = Host {
    imports: r#"
        (import "wasi:io/poll@0.2.0" (instance $poll
            (export "pollable" (type $pollable (sub resource)))
            (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
            (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer 1 $pollable (type $p))
            (export "pollable" (type $q (eq $p)))
            (export "now" (func (result u64)))
            (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))"#,
    functions: &[
        ("now", r#"canon lower (func $clock "now")"#, "(result i64)"),
        ("subscribe", r#"canon lower (func $clock "subscribe-duration")"#, "(param i64) (result i32)"),
        ("block", r#"canon lower (func $poll "[method]pollable.block")"#, "(param i32)"),
        (
            "poll",
            r#"canon lower (func $poll "poll") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))"#,
            "(param i32 i32 i32)",
        ),
        ("drop", "canon resource.drop $pollable", "(param i32)"),
    ],
};

/// Standard error.
pub const STREAM: Host = Host {
    imports: r#"
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
            (export "get-stderr" (func (result (own $s2))))))"#,
    functions: &[
        ("stderr", r#"canon lower (func $stderr "get-stderr")"#, "(result i32)"),
        (
            "write",
            r#"canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory (core memory $libc "memory"))"#,
            "(param i32 i32 i32 i32)",
        ),
    ],
};

/// Random bytes.
pub const RANDOM: Host = Host {
    imports: r#"
        (import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
            (export "get-random-u64" (func (result u64)))))"#,
    functions: &[
        (
            "random",
            r#"canon lower (func $random "get-random-bytes") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))"#,
            "(param i64 i32)",
        ),
        ("number", r#"canon lower (func $random "get-random-u64")"#, "(result i64)"),
    ],
};

/// Header fields of HTTP messages.
pub const FIELDS: Host = Host {
    imports: r#"
        (import "wasi:http/types@0.2.0" (instance $http
            (export "fields" (type $fields (sub resource)))
            (type $fault (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
            (export "header-error" (type $header-error (eq $fault)))
            (export "[constructor]fields" (func (result (own $fields))))
            (export "[method]fields.append" (func (param "self" (borrow $fields)) (param "name" string)
                (param "value" (list u8)) (result (result (error $header-error)))))))"#,
    functions: &[
        ("new", r#"canon lower (func $http "[constructor]fields")"#, "(result i32)"),
        (
            "append",
            r#"canon lower (func $http "[method]fields.append") (memory (core memory $libc "memory"))"#,
            "(param i32 i32 i32 i32 i32 i32)",
        ),
    ],
};

/// A component whose function `name` runs a core body with what a host gives; memory begins with 4 pages and may grow.
pub fn calling(name: &str, host: &Host, around: &str, body: &str) -> Vec<u8> {
    let signature = format!(r#"(func (export "{name}") (canon lift (core func $i "f")))"#);
    lifted(host, around, &format!(r#"(func (export "f") {body})"#), &signature)
}

/// As [`calling`], with the core functions and the way they are lifted in the caller's hands.
pub fn lifted(host: &Host, around: &str, core: &str, lift: &str) -> Vec<u8> {
    let (mut lowers, mut imports, mut exports) = (String::new(), String::new(), String::new());
    for (name, lower, ty) in host.functions {
        lowers += &format!("(core func ${name} ({lower}))\n");
        imports += &format!(r#"(import "host" "{name}" (func ${name} {ty}))"#);
        exports += &format!(r#"(export "{name}" (func ${name}))"#);
    }
    let wasi = host.imports;
    wasm(&format!(
        r#"(component
            {wasi}
            (core module $libc
                (memory (export "memory") 4)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
            (core instance $libc (instantiate $libc))
            {lowers}
            (core module $m
                (import "libc" "memory" (memory 4))
                {imports}
                {around}
                {core})
            (core instance $host {exports})
            (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "host" (instance $host))))
            {lift})"#
    ))
}
