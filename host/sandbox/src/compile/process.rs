//! Starts the compiling child, feeds it, and reads from its end what happened.

use crate::compile::child::{ChildError, ChildErrorKind};
use crate::compile::error::{CompileError, Exhausted};
use crate::compile::limits::{CompileLimits, SINGLE_PASS_VARIABLE};
use crate::jail::cgroup::group::{Group, GroupLimits};
use crate::jail::cgroup::groups::Groups;
use lovage_job::unit::ByteSize;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Threads of the child; each brings stacks and arenas that count against its address space.
const THREADS: u32 = 2;
/// Threads of the child beside those.
const THREADS_SPARE: u32 = 14;
/// Bytes of the child's standard error that are read.
const STDERR_BYTES_MAX: u64 = 64 << 10;
/// Bytes of a message from the child.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Compiled code for each byte of a component, at most, and for each component.
const CODE_FACTOR: u64 = 64;
const CODE_BASE: u64 = 64 << 20;

/// How the child is started.
#[derive(Debug, Clone)]
pub(crate) struct ChildProgram {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) groups: Option<Arc<Groups>>,
}

/// Compiles `component` in a child. Dropping the future kills the child.
pub(crate) async fn compile(
    program: &ChildProgram,
    limits: CompileLimits,
    single_pass: bool,
    component: &[u8],
) -> Result<Vec<u8>, CompileError> {
    let group = group(program, limits).await?;
    let child = start(program, limits, single_pass)?;
    if let (Some(group), Some(pid)) = (&group, child.id()) {
        group.admit(pid).map_err(|error| failed(error.to_string()))?;
    }
    match tokio::time::timeout(limits.wall, talk(child, component)).await {
        Ok(ended) => {
            let (status, code, said) = ended.map_err(|error| failed(format!("cannot talk to the child: {error}")))?;
            match group.is_some_and(|group| group.ran_out_of_memory()) {
                true => Err(CompileError::TooExpensive { exhausted: Exhausted::Memory, limits }),
                false => judge(status, code, &said, limits),
            }
        }
        Err(_) => Err(CompileError::TooExpensive { exhausted: Exhausted::Wall, limits }),
    }
}

fn failed(message: String) -> CompileError {
    CompileError::Host { message }
}

/// A group for the child, where there are groups. Its address space is limited to as much as its memory here; what the
/// kernel holds for it comes on top.
async fn group(program: &ChildProgram, limits: CompileLimits) -> Result<Option<Group>, CompileError> {
    let Some(groups) = program.groups.clone() else { return Ok(None) };
    let limits = GroupLimits { memory: ByteSize(limits.memory_bytes), threads: THREADS + THREADS_SPARE, cores: None };
    let made = tokio::task::spawn_blocking(move || groups.make(&limits)).await;
    let made = made.map_err(|error| failed(error.to_string()))?;
    made.map(Some).map_err(|error| failed(error.to_string()))
}

fn start(program: &ChildProgram, limits: CompileLimits, single_pass: bool) -> Result<Child, CompileError> {
    let mut command = Command::new(&program.program);
    command.args(&program.args).env_clear().envs(limits.to_environment());
    let threads = THREADS.to_string();
    command.env("RAYON_NUM_THREADS", &threads).env("MALLOC_ARENA_MAX", &threads);
    if single_pass {
        command.env(SINGLE_PASS_VARIABLE, "1");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().map_err(|error| failed(format!("cannot start {}: {error}", program.program.display())))
}

async fn talk(mut child: Child, component: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>, String)> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    let feed = async move {
        // A child that ends early says why by its status.
        let _ = stdin.write_all(component).await;
        drop(stdin);
    };
    let code_max =
        u64::try_from(component.len()).unwrap_or(u64::MAX).saturating_mul(CODE_FACTOR).saturating_add(CODE_BASE);
    let (mut code, mut said) = (Vec::new(), Vec::new());
    let mut stdout = stdout.take(code_max);
    let mut stderr = stderr.take(STDERR_BYTES_MAX);
    let (_, read, heard) = tokio::join!(feed, stdout.read_to_end(&mut code), stderr.read_to_end(&mut said));
    read?;
    heard?;
    // Ends what still writes past the bounds.
    drop((stdout, stderr));
    let status = child.wait().await?;
    Ok((status, code, String::from_utf8_lossy(&said).into_owned()))
}

/// What the end of a child means.
fn judge(status: ExitStatus, code: Vec<u8>, said: &str, limits: CompileLimits) -> Result<Vec<u8>, CompileError> {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGSEGV: i32 = 11;
    const SIGXCPU: i32 = 24;
    if status.success() {
        return Ok(code);
    }
    let too_expensive = |exhausted| Err(CompileError::TooExpensive { exhausted, limits });
    let out_of_memory = said.contains("memory allocation of") || said.contains("Cannot allocate memory");
    match status.signal() {
        Some(SIGXCPU | SIGKILL) => return too_expensive(Exhausted::Cpu),
        Some(SIGABRT) if out_of_memory => return too_expensive(Exhausted::Memory),
        // A stack that cannot grow any more.
        Some(SIGSEGV) => return too_expensive(Exhausted::Memory),
        _ => {}
    }
    let error = said.lines().find_map(|line| serde_json::from_str::<ChildError>(line).ok());
    match error {
        _ if out_of_memory => too_expensive(Exhausted::Memory),
        Some(ChildError { kind: ChildErrorKind::Invalid, message }) => {
            Err(CompileError::Invalid { message: clip(&message) })
        }
        Some(ChildError { kind: ChildErrorKind::Host, message }) => Err(failed(clip(&message))),
        None if said.contains("panicked at") => {
            Err(CompileError::Invalid { message: format!("the compiler panicked: {}", clip(said.trim())) })
        }
        None => Err(failed(format!("the child ended with {status}: {}", clip(said.trim())))),
    }
}

fn clip(text: &str) -> String {
    crate::attempt::journal::clipped(text, MESSAGE_BYTES_MAX).to_owned()
}
