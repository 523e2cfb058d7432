//! What one attempt costs, by shape: `cargo bench -p lovage-sandbox [-- COMPONENT.wasm [INPUT]]`.
//!
//! Prints wall microseconds for each attempt on one thread, median of rounds. Without arguments it runs small
//! components from text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use bytes::Bytes;
use lovage_job::catalog::Entry;
use lovage_job::limits::Limits;
use lovage_job::name::Digest;
use lovage_sandbox::{
    ArtifactCache, AttemptControl, AttemptRequest, CompileLimits, Compiler, InspectOptions, JobInfo, ResetPolicy,
    Sandbox, SandboxConfig, Task, inspect,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const PURE: &str = r#"(component
    (core module $m (memory (export "memory") 1)
        (func (export "f") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
    (core instance $i (instantiate $m))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "f"))))"#;
const PROGRAM: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

const ROUNDS: usize = 21;
const ATTEMPTS: usize = 2000;

struct Setup {
    sandbox: Sandbox,
    compiler: Compiler,
}

impl Setup {
    async fn tasks(&self, wasm: &[u8]) -> Vec<(String, Task)> {
        let inspection = inspect(wasm, &InspectOptions::default()).unwrap();
        let digest = Digest::of(&inspection.component);
        let artifact = self.compiler.compile(&digest, &inspection.component).await.unwrap();
        let mut exports = inspection.exports;
        if exports.is_empty() {
            exports = self.sandbox.describe(&artifact, &Limits::default()).await.unwrap();
        }
        let named = |entry: &Entry| format!("{}", entry.shape());
        exports
            .iter()
            .map(|export| {
                (
                    format!("{} {}", named(&export.entry), export.name),
                    self.sandbox.load(&artifact, &export.entry).unwrap(),
                )
            })
            .collect()
    }
}

async fn measure(name: &str, task: &Task, input: &Bytes) {
    let limits = Arc::new(Limits::default());
    let request = || AttemptRequest {
        job: JobInfo { id: "bench-1".to_owned(), task: "bench".to_owned(), attempt: 1, ..JobInfo::default() },
        input: input.clone(),
        limits: limits.clone(),
        args: Arc::default(),
        env: Arc::default(),
        grants: Arc::default(),
    };
    let first = task.run(request(), AttemptControl::default()).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..ATTEMPTS {
            std::hint::black_box(task.run(request(), AttemptControl::default()).await);
        }
        rounds.push(started.elapsed().as_secs_f64() * 1e6 / ATTEMPTS as f64);
    }
    rounds.sort_by(f64::total_cmp);
    let (best, median) = (rounds.first().unwrap(), rounds.get(ROUNDS / 2).unwrap());
    println!("{name:32} {best:8.1} µs best {median:8.1} µs median  {}", first.outcome.kind());
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let file = arguments.next();
    let input = Bytes::from(arguments.next().unwrap_or_else(|| r#"{"a":1,"b":2}"#.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    for reset in [ResetPolicy::Safe, ResetPolicy::Auto] {
        let sandbox = Sandbox::new(SandboxConfig { reset, ..SandboxConfig::default() }).unwrap();
        let cache = ArtifactCache::open(folder.path().join("cache")).unwrap();
        let child = PathBuf::from(env!("CARGO_BIN_EXE_lovage-compile-child"));
        let compiler = Compiler::new((child, vec![]), CompileLimits::default(), None, cache);
        let setup = Setup { sandbox, compiler };
        println!("reset {:?}", setup.sandbox.reset_mode());
        let components: Vec<Vec<u8>> = match &file {
            Some(file) => vec![std::fs::read(file).unwrap()],
            None => vec![wat::parse_str(PURE).unwrap(), wat::parse_str(PROGRAM).unwrap()],
        };
        for wasm in &components {
            for (name, task) in setup.tasks(wasm).await {
                measure(&name, &task, &input).await;
            }
        }
    }
}
