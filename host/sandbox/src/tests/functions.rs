//! Plain functions: arguments by name, by position and bare, results, errors, bytes.

use super::support::*;
use crate::LoadError;
use lovage_job::outcome::{Failure, Outcome, RetryHint};

const MATH: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (block $enough
                (loop $grow
                    (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                    (br $grow)))
            (local.get $at))
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func (export "double") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))
        (func (export "nothing"))
        ;; result<u32, string>
        (func (export "checked") (param i32) (result i32)
            (if (i32.eqz (local.get 0))
                (then
                    (i32.store8 (i32.const 0) (i32.const 1))
                    (i32.store (i32.const 4) (i32.const 64))
                    (i32.store (i32.const 8) (i32.const 4)))
                (else
                    (i32.store8 (i32.const 0) (i32.const 0))
                    (i32.store (i32.const 4) (i32.div_u (i32.const 100) (local.get 0)))))
            (i32.const 0))
        ;; gives its argument back
        (func (export "echo") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (local.get 0))
            (i32.store (i32.const 4) (local.get 1))
            (i32.const 0))
        ;; a list of 16 MiB that does not exist
        (func (export "lie") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (i32.const 0))
            (i32.store (i32.const 4) (i32.const 0x1000000))
            (i32.const 0))
        (data (i32.const 64) "zero"))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $mem))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func (export "double") (param "n" s64) (result s64) (canon lift (core func $i "double")))
    (func (export "nothing") (canon lift (core func $i "nothing")))
    (func (export "checked") (param "by" u32) (result (result u32 (error string)))
        (canon lift (core func $i "checked") (memory $mem)))
    (func (export "bytes") (param "data" (list u8)) (result (list u8))
        (canon lift (core func $i "echo") (memory $mem) (realloc (core func $i "realloc"))))
    (func (export "text") (param "data" (list u8)) (result string)
        (canon lift (core func $i "echo") (memory $mem) (realloc (core func $i "realloc"))))
    (func (export "say") (param "what" string) (result string)
        (canon lift (core func $i "echo") (memory $mem) (realloc (core func $i "realloc"))))
    (func (export "numbers") (param "list" (list u16)) (result (list u16))
        (canon lift (core func $i "echo") (memory $mem) (realloc (core func $i "realloc"))))
    (func (export "as-numbers") (param "data" (list u8)) (result (list s8))
        (canon lift (core func $i "echo") (memory $mem) (realloc (core func $i "realloc"))))
    (func (export "lie") (param "data" (list u8)) (result (list u8))
        (canon lift (core func $i "lie") (memory $mem) (realloc (core func $i "realloc"))))
    (func (export "shout-IT") (canon lift (core func $i "nothing")))
)"#;

#[tokio::test]
async fn arguments_come_by_name_or_by_position() {
    let bench = bench();
    let add = bench.function(MATH, "add");
    for good in [r#"{"a":2,"b":40}"#, r#"{"b":2,"a":40}"#, "[2, 40]", " [2,40.0] "] {
        let output = completed(run(&add, good).await);
        assert_eq!((output.body.as_slice(), output.content_type.as_str()), (b"42".as_slice(), "application/json"));
    }
}

#[tokio::test]
async fn bad_arguments_name_the_fault_and_cost_no_fuel() {
    let bench = bench();
    let add = bench.function(MATH, "add");
    for (bad, expected) in [
        ("", "the input is empty"),
        ("{", "EOF"),
        ("{}", "field \"a\" is missing"),
        (r#"{"a":1}"#, "field \"b\" is missing"),
        (r#"{"a":1,"b":2,"c":3}"#, "unknown field \"c\", expected \"a\", \"b\""),
        (r#"{"a":1,"b":2,"a":3}"#, "field \"a\" is there twice"),
        (r#"{"a":-1,"b":2}"#, "expected an integer from 0 to 4294967295"),
        (r#"{"a":4294967296,"b":2}"#, "expected an integer from 0 to 4294967295"),
        (r#"{"a":1.5,"b":2}"#, "expected an integer from 0 to 4294967295"),
        (r#"{"a":"1","b":2}"#, "expected an integer from 0 to 4294967295"),
        ("[1]", "1 items where 2 are expected"),
        ("[1,2,3]", "more than the 2 items"),
        ("7", "an object with the fields \"a\", \"b\""),
        ("[1,2] x", "trailing characters"),
        ("\u{0}", "expected value"),
    ] {
        let report = run(&add, bad).await;
        match &report.outcome {
            Outcome::BadInput { message } => assert!(message.contains(expected), "{bad}: {message}"),
            other => panic!("{bad}: {other:?}"),
        }
        assert_eq!(report.meter.fuel_used, 0);
    }
}

#[tokio::test]
async fn one_parameter_may_come_bare() {
    let bench = bench();
    let double = bench.function(MATH, "double");
    for (input, expected) in [
        ("21", "42"),
        (r#"{"n":21}"#, "42"),
        ("-21", "-42"),
        (r#""4611686018427387903""#, "9223372036854775806"),
        (r#"{"n":"-9223372036854775808"}"#, "0"),
    ] {
        assert_eq!(text(run(&double, input).await), expected, "{input}");
    }
    for bad in ["[21]", "9223372036854775808", r#""9223372036854775808""#, "1e300", r#"{"m":1}"#, "null", r#""+1""#] {
        assert!(matches!(run(&double, bad).await.outcome, Outcome::BadInput { .. }), "{bad}");
    }
}

#[tokio::test]
async fn a_function_without_parameters_takes_nothing() {
    let bench = bench();
    let nothing = bench.function(MATH, "nothing");
    for good in ["", " ", "null", "{}", "[]"] {
        assert_eq!(text(run(&nothing, good).await), "null", "{good:?}");
    }
    for bad in ["1", "{\"a\":1}", "[1]"] {
        assert!(matches!(run(&nothing, bad).await.outcome, Outcome::BadInput { .. }), "{bad}");
    }
}

#[tokio::test]
async fn an_error_result_fails_the_job() {
    let bench = bench();
    let checked = bench.function(MATH, "checked");
    assert_eq!(text(run(&checked, "5").await), "20");
    let failure =
        Failure { message: "zero".to_owned(), details: Some(serde_json::json!("zero")), retry: RetryHint::Never };
    assert_eq!(run(&checked, "0").await.outcome, Outcome::Failed(failure));
}

#[tokio::test]
async fn bytes_pass_through_as_they_are() {
    let bench = bench();
    let echo = bench.function(MATH, "bytes");
    let all: Vec<u8> = (0..=255).collect();
    for input in [Vec::new(), all, vec![7; 1 << 20]] {
        let output = completed(run(&echo, input.clone()).await);
        assert!(output.body == input);
        assert_eq!(output.content_type, "application/octet-stream");
    }
    assert_eq!(text(run(&bench.function(MATH, "text"), "hé").await), "\"hé\"");
    assert_eq!(text(run(&bench.function(MATH, "say"), "\"h\\u00e9\"").await), "\"hé\"");
    assert_eq!(text(run(&bench.function(MATH, "numbers"), "[1,65535]").await), "[1,65535]");
    // Bytes in, something else out: the slow path, with a bound.
    let slow = bench.function(MATH, "as-numbers");
    assert_eq!(text(run(&slow, vec![0, 127, 255]).await), "[0,127,-1]");
    assert!(matches!(run(&slow, vec![0; (1 << 20) + 1]).await.outcome, Outcome::BadInput { .. }));
}

#[tokio::test]
async fn results_that_cannot_be_read_are_the_guests_fault() {
    let bench = bench();
    assert!(matches!(run(&bench.function(MATH, "text"), vec![0xff]).await.outcome, Outcome::Trapped(_)));
    let outcome = run(&bench.function(MATH, "lie"), "").await.outcome;
    assert!(matches!(&outcome, Outcome::Trapped(trap) if trap.message.contains("cannot be read")), "{outcome:?}");
}

#[tokio::test]
async fn too_many_single_values_are_refused() {
    let bench = bench();
    let numbers = bench.function(MATH, "numbers");
    let many = format!("[0{}]", ",0".repeat(1 << 20));
    let outcome = run(&numbers, many).await.outcome;
    assert!(matches!(&outcome, Outcome::BadInput { message } if message.contains("single values")), "{outcome:?}");
}

#[test]
fn entries_that_are_not_there_are_named() {
    let bench = bench();
    let wasm = wat::parse_str(MATH).unwrap();
    let missing = bench.load(&wasm, &function(None, "gone")).unwrap_err();
    assert!(missing.to_string().contains("no function \"gone\""), "{missing}");
    let missing = bench.load(&wasm, &function(Some("a:b/c"), "add")).unwrap_err();
    assert!(missing.to_string().contains("no interface \"a:b/c\""), "{missing}");
    for entry in [lovage_job::catalog::Entry::Command, lovage_job::catalog::Entry::Http] {
        assert!(matches!(bench.load(&wasm, &entry), Err(LoadError::Entry { .. })));
    }
}

#[test]
fn the_catalogue_knows_what_functions_take_and_give() {
    let wasm = wat::parse_str(MATH).unwrap();
    let inspection = crate::inspect(&wasm, &crate::InspectOptions::default()).unwrap();
    let names: Vec<_> = inspection.exports.iter().map(|export| export.name.to_string()).collect();
    assert_eq!(names.join(" "), "add double nothing checked bytes text say numbers as-numbers lie shout-it");
    let add = &inspection.exports[0];
    assert_eq!(
        add.input.schema.as_ref().unwrap(),
        &serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "anyOf": [
                {
                    "type": "object",
                    "properties": {
                        "a": { "type": "integer", "minimum": 0, "maximum": 4294967295u32 },
                        "b": { "type": "integer", "minimum": 0, "maximum": 4294967295u32 }
                    },
                    "required": ["a", "b"],
                    "additionalProperties": false
                },
                {
                    "type": "array",
                    "prefixItems": [
                        { "type": "integer", "minimum": 0, "maximum": 4294967295u32 },
                        { "type": "integer", "minimum": 0, "maximum": 4294967295u32 }
                    ],
                    "minItems": 2,
                    "maxItems": 2
                }
            ]
        })
    );
    assert_eq!(inspection.exports[4].input, lovage_job::catalog::BodyType::BYTES);
    assert_eq!(inspection.exports[4].output, lovage_job::catalog::BodyType::BYTES);
    assert_eq!(inspection.exports[5].output.schema.as_ref().unwrap()["type"], "string");
}
