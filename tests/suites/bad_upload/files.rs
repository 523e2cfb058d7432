//! Files that are not a component a worker can run.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use lovage_tests::lovage_binary;

use super::{refused, refused_file};
use crate::small::{Ground, numbers, wasm};

#[test]
fn file_that_is_no_webassembly_is_told_what_it_is() {
    let ground = Ground::new();
    refused(&ground, b"", &[], &["bad.wasm", "is empty"]);
    refused(&ground, b"fn main() {}\n", &[], &["is text", "push the .wasm file"]);
    refused(&ground, b"(component)", &[], &["is WebAssembly text", "wasm-tools parse"]);
    refused(&ground, b"PK\x03\x04 and more", &[], &["is a zip archive", "unpack it first"]);
    refused(&ground, b"\xff\xfe\xfd\xfc", &[], &["does not begin as WebAssembly does"]);
    refused_file(&ground, &std::env::temp_dir().join("lovage-no-such-file.wasm"), &[], &["lovage-no-such-file.wasm"]);
    refused_file(&ground, &std::env::temp_dir(), &[], &[std::env::temp_dir().to_str().unwrap()]);
}

#[test]
fn compiled_code_is_never_accepted() {
    let ground = Ground::new();
    let words = ["compiled machine code", "never accepted", "push the WebAssembly component it was made from"];
    refused(&ground, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", &[], &words);
    let compiled = compiled(&ground);
    assert!(compiled.len() > 1_000, "the compiler gave {} bytes", compiled.len());
    refused(&ground, &compiled, &[], &words);
    // With the header of a component in front it is no more welcome.
    let disguised = [b"\0asm\x0d\0\x01\0".as_slice(), &compiled].concat();
    refused(&ground, &disguised, &[], &["the file"]);
}

/// A component as our own engine compiles it.
fn compiled(ground: &Ground) -> Vec<u8> {
    let component = File::open(ground.file("good.wasm", &numbers(&[("answer", 1)]))).unwrap();
    let mut command = Command::new(lovage_binary());
    let output = command.arg("compile-child").stdin(component).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn cut_component_is_told_from_a_bad_one() {
    let ground = Ground::new();
    let whole = numbers(&[("answer", 1)]);
    for end in [4, 7, whole.len() / 2, whole.len() - 1] {
        let at = format!("at byte {end}");
        refused(&ground, &whole[..end], &[], &["ends too early", &at, "copy or build it again"]);
    }
    let mut flipped = whole.clone();
    flipped[8] = 0xff;
    refused(&ground, &flipped, &[], &["is not valid WebAssembly"]);
    ground.push("default", &whole, &[]);
}

#[test]
fn import_that_nobody_gives_is_named() {
    let ground = Ground::new();
    let module = wasm(r#"(module (import "env" "foo" (func)) (func (export "_start")))"#);
    refused(&ground, &module, &[], &[r#""foo""#, r#""env""#, "wasm32-wasip2"]);
    for (import, hint) in [
        ("acme:db/client@1.0.0", "compose the component with one that exports acme:db"),
        ("wasi:keyvalue/store@0.2.0-draft", "this worker has wasi:keyvalue@0.2.0-draft2"),
        ("wasi:cli/stdout@0.3.0", "WASI 0.3 is not supported yet; build it for WASI 0.2 (target wasm32-wasip2)"),
        ("wasi:http/types@0.3.0-rc-2025-09-16", "build it for WASI 0.2 (target wasm32-wasip2)"),
    ] {
        let component = with_import(import);
        refused(&ground, &component, &[], &[import, hint]);
    }
    // The same component is good with an import that tasks get.
    ground.push("default", &with_import("wasi:random/random@0.2.0"), &[]);
}

/// A component that runs, were it not for what it imports.
fn with_import(name: &str) -> Vec<u8> {
    wasm(&format!(
        r#"(component
            (import "{name}" (instance))
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))"#
    ))
}

#[test]
fn component_that_exports_nothing_to_run_is_told_what_would_be() {
    let ground = Ground::new();
    let wanted = ["lovage:task/handler", "wasi:http/incoming-handler", "wasi:cli/run", "function of plain types"];
    let nothing = wasm("(component)");
    refused(
        &ground,
        &nothing,
        &[],
        &[&["exports nothing that can be a task", "no exports"], wanted.as_slice()].concat(),
    );
    let module = wasm(r#"(module (func (export "main")))"#);
    refused(&ground, &module, &[], &["exports nothing that can be a task", "it exports main"]);
}

#[test]
fn size_is_limited_to_the_byte() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let size = |size: usize| size.to_string();
    refused(&ground, &component, &["--max-size", &size(component.len() - 1)], &[&size(component.len()), "--max-size"]);
    ground.push("default", &component, &["--max-size", &size(component.len())]);
    // No such file is read: it is as large as its name says, and empty.
    let path = ground.file("large.wasm", b"");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    refused_file(&ground, &path, &[], &["large.wasm", "16777217 bytes", "more than 16MiB", "--max-size, up to 64MiB"]);
    file.set_len((64 << 20) + 1).unwrap();
    refused_file(&ground, &path, &["--max-size", "1GiB"], &["67108865 bytes", "more than 64MiB"]);
}
