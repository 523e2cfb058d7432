//! The child that compiles: limits on itself first, then a component from standard input to code on standard output.
//!
//! It runs in a process of its own because compiling has no fuel, epochs or limiter: a small component can cost minutes
//! and gigabytes, and the only sure way to end that is to end the process.

use crate::compile::limits::{CompileLimits, SINGLE_PASS_VARIABLE};
use crate::engine::config::compiling;
use crate::jail::calls::{NewThreads, forbid_calls};
use crate::jail::files::forbid_files;
use crate::jail::held::JailError;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::process::ExitCode;
use wasmtime::Engine;

/// What the child says on standard error, as one line of JSON, where it fails by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChildError {
    pub(crate) kind: ChildErrorKind,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChildErrorKind {
    /// The component is at fault.
    Invalid,
    /// The child is.
    Host,
}

/// The whole of the hidden subcommand that `Compiler` starts: takes its limits from the environment, a component from
/// standard input, and writes compiled code to standard output. Synchronous; does nothing else.
pub fn compile_child_main() -> ExitCode {
    let limits = CompileLimits::from_environment();
    let single_pass = std::env::var_os(SINGLE_PASS_VARIABLE).is_some();
    let compiled = limit_self(&limits).and_then(|()| read_component()).and_then(|wasm| compile(&wasm, single_pass));
    match compiled.and_then(|code| write_code(&code)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = serde_json::to_string(&error).unwrap_or_else(|_| error.message.clone());
            // Without a parent that listens there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{line}");
            ExitCode::FAILURE
        }
    }
}

fn host(action: &str, error: impl std::fmt::Display) -> ChildError {
    ChildError { kind: ChildErrorKind::Host, message: format!("cannot {action}: {error}") }
}

fn limit_self(limits: &CompileLimits) -> Result<(), ChildError> {
    // Running guests come first; without this it is only slower for them.
    let _ = rustix::process::nice(10);
    let limit = |current: u64, maximum: u64| Rlimit { current: Some(current), maximum: Some(maximum) };
    let set = |resource, limit| setrlimit(resource, limit).map_err(|error| host("limit the compiler", error));
    set(Resource::Core, limit(0, 0))?;
    set(Resource::Fsize, limit(0, 0))?;
    // The first signal can be told apart from a kill; the second cannot be ignored.
    set(Resource::Cpu, limit(limits.cpu_seconds, limits.cpu_seconds.saturating_add(1)))?;
    set(Resource::As, limit(limits.memory_bytes, limits.memory_bytes))?;
    shut_in().map_err(|error| host("shut the compiler in", error))
}

/// No file, no network, no other process; before the first byte of the component is read.
fn shut_in() -> Result<(), JailError> {
    forbid_files()?;
    forbid_calls(NewThreads::Yes)
}

fn read_component() -> Result<Vec<u8>, ChildError> {
    let mut wasm = Vec::new();
    std::io::stdin().lock().read_to_end(&mut wasm).map_err(|error| host("read the component", error))?;
    Ok(wasm)
}

fn compile(wasm: &[u8], single_pass: bool) -> Result<Vec<u8>, ChildError> {
    let engine = Engine::new(&compiling(single_pass)).map_err(|error| host("start the compiler", error))?;
    let compiled = engine.precompile_component(wasm);
    compiled.map_err(|error| ChildError { kind: ChildErrorKind::Invalid, message: format!("{error:#}") })
}

fn write_code(code: &[u8]) -> Result<(), ChildError> {
    let mut out = std::io::stdout().lock();
    out.write_all(code).and_then(|()| out.flush()).map_err(|error| host("write the code", error))
}
