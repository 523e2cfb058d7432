//! A sandbox with its cache, and components from text.

use crate::engine::config::compiling;
use crate::*;
use bytes::Bytes;
use lovage_job::catalog::Entry;
use lovage_job::limits::Limits;
use lovage_job::name::Digest;
use lovage_job::outcome::{Outcome, Output};
use std::sync::Arc;
use wasmtime::Engine;

pub(super) struct Bench {
    pub(super) sandbox: Sandbox,
    pub(super) cache: ArtifactCache,
    _folder: tempfile::TempDir,
}

pub(super) fn bench() -> Bench {
    bench_with(SandboxConfig { concurrency: 4, ..SandboxConfig::default() })
}

pub(super) fn bench_with(config: SandboxConfig) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::open(folder.path().join("cache")).unwrap();
    Bench { sandbox: Sandbox::new(config).unwrap(), cache, _folder: folder }
}

pub(super) fn function(interface: Option<&str>, function: &str) -> Entry {
    Entry::Function { interface: interface.map(str::to_owned), function: function.to_owned() }
}

impl Bench {
    /// Compiles in this process; how the child does it is tested elsewhere.
    pub(super) fn artifact(&self, wasm: &[u8]) -> ArtifactPath {
        let engine = Engine::new(&compiling(false)).unwrap();
        let code = engine.precompile_component(wasm).unwrap();
        self.cache.put(&Digest::of(wasm), &code).unwrap()
    }

    pub(super) fn load(&self, wasm: &[u8], entry: &Entry) -> Result<Task, LoadError> {
        self.sandbox.load(&self.artifact(wasm), entry)
    }

    /// The function `name` of a component in text.
    pub(super) fn function(&self, text: &str, name: &str) -> Task {
        self.load(&wat::parse_str(text).unwrap(), &function(None, name)).unwrap()
    }

    /// The program that a core module in text is.
    pub(super) fn command(&self, text: &str) -> Task {
        let module = wat::parse_str(text).unwrap();
        let inspection = inspect(&module, &InspectOptions::default()).unwrap();
        assert!(inspection.adapted);
        self.load(&inspection.component, &Entry::Command).unwrap()
    }
}

pub(super) fn request(input: impl Into<Bytes>, limits: Limits) -> AttemptRequest {
    AttemptRequest {
        job: JobInfo { id: "j1".to_owned(), task: "test".to_owned(), attempt: 1, ..JobInfo::default() },
        input: input.into(),
        limits: Arc::new(limits),
        args: Arc::default(),
        env: Arc::default(),
        grants: Arc::default(),
    }
}

pub(super) async fn run(task: &Task, input: impl Into<Bytes>) -> AttemptReport {
    run_with(task, input, Limits::default()).await
}

pub(super) async fn run_with(task: &Task, input: impl Into<Bytes>, limits: Limits) -> AttemptReport {
    task.run(request(input, limits), AttemptControl::default()).await
}

pub(super) fn completed(report: AttemptReport) -> Output {
    match report.outcome {
        Outcome::Completed(output) => output,
        other => panic!("{other:?}\n{}", String::from_utf8_lossy(&report.log)),
    }
}

pub(super) fn text(report: AttemptReport) -> String {
    String::from_utf8(completed(report).body).unwrap()
}
