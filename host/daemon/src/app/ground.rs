//! Where components are compiled and where they run: here, or in runners apart.

use super::WorkerOptions;
use crate::config::{Isolation, RunnerFile, WorkerFile};
use crate::registry::ground::Ground;
use crate::runners::{Runners, RunnersConfig};
use anyhow::Context as _;
use lovage_sandbox::Groups;
use std::path::PathBuf;
use std::sync::Arc;

/// The engine and the compiler of a worker, or of a push.
pub fn engine(
    file: &WorkerFile,
    concurrency: usize,
    cache_dir: &std::path::Path,
    compiler: &(PathBuf, Vec<std::ffi::OsString>),
) -> anyhow::Result<(lovage_sandbox::Sandbox, lovage_sandbox::Compiler)> {
    let sandbox = lovage_sandbox::Sandbox::new(sandbox_config(file, concurrency))?;
    Ok((sandbox, self::compiler(file, cache_dir, compiler, None)?))
}

fn sandbox_config(file: &WorkerFile, concurrency: usize) -> lovage_sandbox::SandboxConfig {
    lovage_sandbox::SandboxConfig {
        concurrency,
        memory_budget: file.memory_budget,
        memory_max: file.limit_policy().ceiling.memory,
        stack_max: file.stack,
        ..lovage_sandbox::SandboxConfig::default()
    }
}

pub(super) fn compiler(
    file: &WorkerFile,
    cache_dir: &std::path::Path,
    compiler: &(PathBuf, Vec<std::ffi::OsString>),
    groups: Option<Arc<Groups>>,
) -> anyhow::Result<lovage_sandbox::Compiler> {
    let cache = lovage_sandbox::ArtifactCache::open(cache_dir)?;
    let limits = lovage_sandbox::CompileLimits {
        cpu_seconds: file.compile.cpu_seconds,
        memory_bytes: file.compile.memory.0,
        wall: file.compile.wall,
    };
    Ok(lovage_sandbox::Compiler::new(compiler.clone(), limits, groups, cache))
}

/// The runners of a worker whose jobs run apart, after a look at what holds one on this machine.
pub(super) async fn runners(
    options: &WorkerOptions,
    concurrency: usize,
    groups: Option<Arc<Groups>>,
) -> anyhow::Result<Option<Arc<Runners>>> {
    let RunnerFile { idle_max, idle, cores } = options.file.runner;
    if options.file.isolation == Isolation::InProcess {
        return Ok(None);
    }
    let runner = lovage_sandbox::RunnerConfig {
        program: options.compiler.0.clone(),
        args: vec![crate::cli::RUNNER.into()],
        sandbox: sandbox_config(&options.file, concurrency),
        threads: super::cores().min(concurrency),
        groups,
        cores,
    };
    let runners = Runners::new(RunnersConfig { runner, idle_max, idle })?;
    let held = runners.probe().await.context("jobs cannot run apart on this machine")?;
    if held.is_full() {
        tracing::info!(limits = ?held.limits, "runners are jailed: seccomp, landlock");
    } else {
        tracing::warn!(landlock = %held.landlock, limits = ?held.limits, "runners are jailed by seccomp, and not fully by landlock");
    }
    Ok(Some(runners))
}

/// Where jobs run.
pub(super) fn ground(
    options: &WorkerOptions,
    concurrency: usize,
    runners: Option<Arc<Runners>>,
) -> anyhow::Result<Ground> {
    if let Some(runners) = runners {
        return Ok(Ground::Apart(runners));
    }
    let sandbox = lovage_sandbox::Sandbox::new(sandbox_config(&options.file, concurrency))?;
    tracing::info!(reset = ?sandbox.reset_mode(), concurrency, "sandbox ready");
    Ok(Ground::Here(sandbox))
}
