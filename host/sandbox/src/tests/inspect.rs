//! Uploads: good ones of every shape, and every bad one by its own name.

use super::support::bench;
use crate::{InspectError, InspectOptions, Inspection, inspect};
use lovage_job::catalog::{Entry, Shape};
use lovage_job::outcome::OutcomeKind;

fn look(bytes: &[u8]) -> Result<Inspection, InspectError> {
    inspect(bytes, &InspectOptions::default())
}

fn refused(text: &str) -> InspectError {
    look(&wat::parse_str(text).unwrap()).unwrap_err()
}

const NOTHING: &str = "(component)";

#[test]
fn files_that_are_not_webassembly_are_told_apart() {
    assert_eq!(look(b"").unwrap_err(), InspectError::Empty);
    assert_eq!(look(b"\x7fELF\x02\x01\x01\0 and code").unwrap_err(), InspectError::Precompiled);
    for (bytes, expected) in [
        (b"hello".as_slice(), "is text"),
        ("é".repeat(600).as_bytes(), "is text"),
        (b"  (component)", "wasm-tools parse"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\xff\xfe\xfd", "does not begin"),
    ] {
        let error = look(bytes).unwrap_err();
        assert!(matches!(&error, InspectError::NotWasm { found } if found.contains(expected)), "{error}");
    }
}

#[test]
fn compiled_code_is_refused() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(&wat::parse_str(NOTHING).unwrap()).unwrap();
    assert_eq!(look(&code).unwrap_err(), InspectError::Precompiled);
}

#[test]
fn cut_files_are_refused_wherever_they_are_cut() {
    let whole = super::handler::guest();
    look(&whole).unwrap();
    for end in 1..whole.len() {
        // Between two sections a file may end, if nothing of what follows is needed.
        let Err(error) = look(&whole[..end]) else { continue };
        let expected = matches!(
            error,
            InspectError::Truncated { .. } | InspectError::NoRunnableExport { .. } | InspectError::Invalid { .. }
        );
        assert!(expected, "{end}: {error}");
    }
    assert!(matches!(look(&whole[..whole.len() / 2]).unwrap_err(), InspectError::Truncated { .. }));
}

#[test]
fn unknown_versions_and_broken_sections_are_invalid() {
    assert!(matches!(look(b"\0asm\x02\0\0\0"), Err(InspectError::Invalid { .. })));
    assert!(matches!(look(b"\0asm\x0d\0\x01\0\xff\x01\0"), Err(InspectError::Invalid { .. })));
    let threads = "(component (core module (memory 1 1 shared)))";
    assert!(matches!(refused(threads), InspectError::Invalid { .. }));
    let wide = "(component (core module (memory i64 1)))";
    assert!(matches!(refused(wide), InspectError::Invalid { .. }));
}

#[test]
fn sizes_are_limited_to_the_byte() {
    let wasm = super::handler::guest();
    let with = |size_max| inspect(&wasm, &InspectOptions { size_max, shape: None });
    with(wasm.len()).unwrap();
    let limit = wasm.len() - 1;
    assert_eq!(with(limit).unwrap_err(), InspectError::TooLarge { size: wasm.len(), limit });
}

/// Core modules, nested in a component or not, with so many small functions.
fn functions(count: usize, nested: bool) -> String {
    let functions = "(func)".repeat(count);
    if nested {
        format!("(component (core module {functions}) (component (core module (func))))")
    } else {
        format!("(module {functions})")
    }
}

#[test]
fn functions_are_counted_over_all_modules() {
    assert!(matches!(refused(&functions(50_000, false)), InspectError::NoRunnableExport { .. }));
    assert_eq!(refused(&functions(60_000, false)), InspectError::TooManyFunctions { count: 60_000, limit: 50_000 });
    assert!(matches!(refused(&functions(49_999, true)), InspectError::NoRunnableExport { .. }));
    assert_eq!(refused(&functions(50_000, true)), InspectError::TooManyFunctions { count: 50_001, limit: 50_000 });
}

#[test]
fn large_functions_and_many_locals_are_refused() {
    let body = |count| format!("(component (core module (func {})))", "nop ".repeat(count));
    assert!(matches!(refused(&body(511_990)), InspectError::NoRunnableExport { .. }));
    assert!(matches!(
        refused(&body(512_000)),
        InspectError::FunctionTooLarge { index: 0, size: 512_002, limit: 512_000 }
    ));
    let locals = |count| format!("(module (func) (func (local {})))", "i32 ".repeat(count));
    assert!(matches!(refused(&locals(5_000)), InspectError::NoRunnableExport { .. }));
    assert_eq!(refused(&locals(5_001)), InspectError::TooManyLocals { index: 1, count: 5_001, limit: 5_000 });
}

#[test]
fn nesting_is_bounded() {
    let nest = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    assert!(matches!(refused(&nest(16)), InspectError::NoRunnableExport { .. }));
    assert!(matches!(refused(&nest(17)), InspectError::NestedTooDeep { .. }));
}

#[test]
fn foreign_imports_are_named() {
    let module = r#"(module (import "env" "foo" (func)) (func (export "_start")))"#;
    let expected = InspectError::UnknownModuleImport { module: "env".to_owned(), name: "foo".to_owned() };
    assert_eq!(refused(module), expected);
    let import = |name: &str| refused(&format!("(component (import \"{name}\" (instance)))"));
    for name in ["wasi:cli/stdout@0.3.0", "wasi:http/types@0.3.0-rc-2025-09-16"] {
        assert_eq!(import(name), InspectError::Wasi03 { name: name.to_owned() });
    }
    for (name, hint) in [
        ("acme:db/client@1.0.0", "compose the component with one that exports acme:db"),
        ("wasi:keyvalue/store@0.2.0-draft", "0.2.0-draft2"),
        ("wasi:http/incoming-handler@0.2.0", "does not have that part of WASI"),
        ("wasi:cli/stdout@0.1.0", "WASI 0.2"),
        ("wasi:cli/stdout", "WASI 0.2"),
        ("lovage:task/job-context@0.2.0", "matching SDK"),
    ] {
        let error = import(name);
        assert!(matches!(&error, InspectError::UnknownImport { hint: given, .. } if given.contains(hint)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(matches!(refused("(component (import \"run\" (func)))"), InspectError::UnknownImport { .. }));
}

#[test]
fn components_that_do_nothing_are_refused() {
    assert_eq!(refused(NOTHING), InspectError::NoRunnableExport { found: vec![] });
    let error = refused(r#"(module (func (export "main")))"#);
    assert_eq!(error, InspectError::NoRunnableExport { found: vec!["main".to_owned()] });
    assert!(error.to_string().contains("it exports main"), "{error}");
}

/// A program and a plain function in one.
const BOTH: &str = r#"(component
    (core module $m (func (export "run") (result i32) (i32.const 0)) (func (export "f")))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.3" (instance $cli))
    (func (export "f") (canon lift (core func $i "f")))
    (instance $ops (export "f" (func 1)) (export "run" (func $run)))
    (export "my:calc/ops@1.2.3" (instance $ops)))"#;

#[test]
fn the_shape_is_chosen_by_precedence_or_by_wish() {
    let wasm = wat::parse_str(BOTH).unwrap();
    let inspection = look(&wasm).unwrap();
    assert_eq!((inspection.shape, inspection.exports.len()), (Shape::Command, 1));
    assert_eq!(inspection.exports[0].entry, Entry::Command);
    let wish = |shape| inspect(&wasm, &InspectOptions { shape: Some(shape), ..InspectOptions::default() });
    let functions = wish(Shape::Function).unwrap();
    let names: Vec<_> = functions.exports.iter().map(|export| export.name.as_str()).collect();
    assert_eq!(names, ["f", "ops-f", "run"]);
    let interface = Some("my:calc/ops@1.2.3".to_owned());
    assert_eq!(functions.exports[1].entry, Entry::Function { interface, function: "f".to_owned() });
    assert!(matches!(wish(Shape::Http), Err(InspectError::ShapeMissing { shape: Shape::Http, .. })));
}

#[tokio::test]
async fn exports_of_interfaces_are_called() {
    let bench = bench();
    let wasm = wat::parse_str(BOTH).unwrap();
    for (interface, function) in [(Some("my:calc/ops@1.2.3"), "f"), (Some("my:calc/ops@1.2.3"), "run"), (None, "f")] {
        let task = bench.load(&wasm, &super::support::function(interface, function)).unwrap();
        let report = super::support::run(&task, "").await;
        assert_eq!(report.outcome.kind(), OutcomeKind::Completed);
    }
    let command = bench.load(&wasm, &Entry::Command).unwrap();
    assert_eq!(super::support::run(&command, "").await.outcome.kind(), OutcomeKind::Completed);
}

#[test]
fn types_that_would_explode_are_not_plain() {
    let mut text = String::from("(component (type $t0 (tuple u8 u8))");
    for level in 1..40 {
        let before = level - 1;
        text.push_str(&format!("(type $t{level} (tuple $t{before} $t{before}))"));
    }
    text.push_str("(import \"lovage:task/types@0.1.0\" (instance (export \"x\" (func (param \"p\" string))))) )");
    // Validation itself bounds the size of a type; ours is far below.
    let error = refused(&text);
    assert!(matches!(error, InspectError::Invalid { .. } | InspectError::NoRunnableExport { .. }), "{error}");
}
