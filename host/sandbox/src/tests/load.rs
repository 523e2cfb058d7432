//! Loading: what does not link, what was changed on disk, what is shared.

use super::endings::component;
use super::support::*;
use crate::inspect::import::{DRAFTS, WASI_INTERFACES};
use crate::{CacheError, LoadError};
use lovage_job::name::Digest;

#[test]
fn imports_that_nobody_gives_do_not_link() {
    let bench = bench();
    let wasm = wat::parse_str(r#"(component (import "my:own/thing" (instance (export "f" (func)))))"#).unwrap();
    let error = bench.load(&wasm, &function(None, "f")).unwrap_err();
    assert!(matches!(&error, LoadError::Link { message } if message.contains("my:own/thing")), "{error}");
}

#[test]
fn every_interface_that_inspection_lets_through_links() {
    let bench = bench();
    let wasi = WASI_INTERFACES.iter().map(|name| format!("{name}@0.2.0"));
    let missing: Vec<_> = wasi
        .chain(DRAFTS.iter().map(|(name, version)| format!("{name}@{version}")))
        .filter(|name| {
            // An instance without members links wherever its interface is known.
            let text = format!("(component (import \"{name}\" (instance)))");
            let wasm = wat::parse_str(text).unwrap();
            matches!(bench.load(&wasm, &function(None, "f")), Err(LoadError::Link { .. }))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn changed_artefacts_are_not_loaded() {
    let bench = bench();
    let wasm = wat::parse_str(component("", "")).unwrap();
    let artifact = bench.artifact(&wasm);
    drop(bench.sandbox.load(&artifact, &function(None, "f")).unwrap());
    let mut code = std::fs::read(artifact.path()).unwrap();
    let last = code.len() - 1;
    code[last] ^= 1;
    std::fs::write(artifact.path(), code).unwrap();
    let error = bench.sandbox.load(&artifact, &function(None, "f")).unwrap_err();
    assert!(matches!(error, LoadError::Artifact(CacheError::Tampered { .. })), "{error}");
    assert!(bench.cache.get(&Digest::of(&wasm)).unwrap().is_none());
    let error = bench.sandbox.load(&artifact, &function(None, "f")).unwrap_err();
    assert!(matches!(error, LoadError::Artifact(CacheError::Missing { .. })), "{error}");
}

#[tokio::test]
async fn entries_of_one_component_share_it() {
    let bench = bench();
    let wasm = wat::parse_str(component("", "")).unwrap();
    let artifact = bench.artifact(&wasm);
    let tasks: Vec<_> = (0..3).map(|_| bench.sandbox.load(&artifact, &function(None, "f")).unwrap()).collect();
    assert_eq!(bench.sandbox.metrics().components, 1);
    // Mapped code outlives its file.
    bench.cache.remove(&Digest::of(&wasm)).unwrap();
    completed(run(&tasks[0], "").await);
    drop(tasks);
    assert_eq!(bench.sandbox.metrics().components, 0);
}

#[test]
fn two_sandboxes_stand_side_by_side() {
    let (one, two) = (bench(), bench());
    let wasm = wat::parse_str(component("", "")).unwrap();
    let artifact = one.artifact(&wasm);
    one.sandbox.load(&artifact, &function(None, "f")).unwrap();
    two.sandbox.load(&artifact, &function(None, "f")).unwrap();
}
