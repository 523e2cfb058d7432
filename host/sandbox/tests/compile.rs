//! The compiler with its real child: cache hits, refusals, and components that cost too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use lovage_job::name::Digest;
use lovage_sandbox::{ArtifactCache, CompileError, CompileLimits, Compiler, Exhausted};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Workshop {
    folder: tempfile::TempDir,
    cache: ArtifactCache,
}

impl Workshop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(folder.path().join("cache")).unwrap();
        Self { folder, cache }
    }

    fn compiler(&self, limits: CompileLimits) -> Compiler {
        Compiler::new(
            (PathBuf::from(env!("CARGO_BIN_EXE_lovage-compile-child")), vec![]),
            limits,
            None,
            self.cache.clone(),
        )
    }

    /// A compiler whose child cannot start: only the cache can answer.
    fn without_child(&self) -> Compiler {
        let program = self.folder.path().join("gone");
        Compiler::new((program, vec![]), CompileLimits::default(), None, self.cache.clone())
    }
}

fn component(text: &str) -> (Digest, Vec<u8>) {
    let wasm = wat::parse_str(text).unwrap();
    (Digest::of(&wasm), wasm)
}

const TINY: &str = r#"(component
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func (export "f") (canon lift (core func $i "f"))))"#;

/// Many values alive at once in one function: the register allocator needs time and memory for their square.
fn bomb(values: usize) -> (Digest, Vec<u8>) {
    let mut body = String::new();
    for n in 0..values {
        body.push_str(&format!("(i64.load offset={} (local.get 0))\n", n * 8));
    }
    body.push_str(&"i64.add\n".repeat(values - 1));
    component(&format!("(component (core module (memory 100) (func (param i32) (result i64) {body})))"))
}

#[tokio::test]
async fn a_component_is_compiled_once() {
    let workshop = Workshop::new();
    let (digest, wasm) = component(TINY);
    let artifact = workshop.compiler(CompileLimits::default()).compile(&digest, &wasm).await.unwrap();
    assert!(artifact.path().exists());
    let again = workshop.without_child();
    assert_eq!(again.compile(&digest, &wasm).await.unwrap().path(), artifact.path());
    assert_eq!(again.cached(&digest).await.unwrap().unwrap().path(), artifact.path());
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_child() {
    let workshop = Workshop::new();
    let compiler = workshop.compiler(CompileLimits::default());
    let (digest, wasm) = component(TINY);
    let all = futures::future::join_all((0..8).map(|_| compiler.compile(&digest, &wasm))).await;
    let paths: Vec<_> = all.into_iter().map(|artifact| artifact.unwrap().path().to_owned()).collect();
    assert!(paths.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn what_does_not_compile_is_said_and_remembered() {
    let workshop = Workshop::new();
    let compiler = workshop.compiler(CompileLimits::default());
    let bytes = b"\0asm\x0d\0\x01\0\xff\x01\0";
    let digest = Digest::of(bytes);
    for _ in 0..2 {
        let error = compiler.compile(&digest, bytes).await.unwrap_err();
        assert!(matches!(error, CompileError::Invalid { .. }) && error.is_permanent(), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_compile_is_not_the_components_fault() {
    let workshop = Workshop::new();
    let (digest, wasm) = component(TINY);
    let error = workshop.without_child().compile(&digest, &wasm).await.unwrap_err();
    assert!(matches!(&error, CompileError::Host { message } if message.contains("gone")), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn too_much_memory_is_refused() {
    let workshop = Workshop::new();
    let limits = CompileLimits { memory_bytes: 128 << 20, ..CompileLimits::default() };
    let compiler = workshop.compiler(limits);
    // More functions than inspection lets through: the child must hold by itself.
    let (digest, wasm) =
        component(&format!("(component (core module {}))", "(func (drop (i32.const 1)))".repeat(100_000)));
    let error = compiler.compile(&digest, &wasm).await.unwrap_err();
    let expected = CompileError::TooExpensive { exhausted: Exhausted::Memory, limits };
    assert_eq!(error.to_string(), expected.to_string());
    // The next component is not affected.
    let (digest, wasm) = component(TINY);
    compiler.compile(&digest, &wasm).await.unwrap();
}

#[tokio::test]
async fn too_much_time_is_refused_within_it() {
    let workshop = Workshop::new();
    let limits = CompileLimits { wall: Duration::from_millis(1), ..CompileLimits::default() };
    let (digest, wasm) = component(TINY);
    let started = Instant::now();
    let error = workshop.compiler(limits).compile(&digest, &wasm).await.unwrap_err();
    assert!(matches!(error, CompileError::TooExpensive { exhausted: Exhausted::Wall, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn too_much_processor_time_is_tried_again_another_way() {
    let workshop = Workshop::new();
    let limits = CompileLimits { cpu_seconds: 2, memory_bytes: 3 << 30, ..CompileLimits::default() };
    let (digest, wasm) = bomb(20_000);
    // Whether the bounded allocator is quick enough depends on the host; that it ends does not.
    let started = Instant::now();
    match workshop.compiler(limits).compile(&digest, &wasm).await {
        Ok(artifact) => assert!(artifact.path().exists()),
        Err(error) => assert!(matches!(error, CompileError::TooExpensive { .. }), "{error}"),
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn the_compiler_is_in_a_group_of_its_own() {
    let groups = match lovage_sandbox::Groups::find() {
        Ok(groups) => groups,
        Err(error) => {
            // Not captured: nobody should take a test for passed that did not run.
            writeln!(std::io::stderr().lock(), "cgroup: the compiler's group is LEFT OUT: {error}").unwrap();
            return;
        }
    };
    let workshop = Workshop::new();
    let says_its_group = vec!["-c".into(), "cat > /dev/null; cat /proc/self/cgroup".into()];
    let child = ("/bin/sh".into(), says_its_group);
    let compiler = Compiler::new(child, CompileLimits::default(), Some(groups), workshop.cache.clone());
    let artifact = compiler.compile(&Digest::of(b"any"), b"any").await.unwrap();
    let said = String::from_utf8_lossy(&std::fs::read(artifact.path()).unwrap()).into_owned();
    assert!(said.contains(&format!("lovage-{}-", std::process::id())), "{said}");
}
