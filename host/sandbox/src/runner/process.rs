//! A runner's process: started from a thread that lives as long as its starter, watched to its end.

use super::attempt::Breach;
use super::death::{Death, Killed};
use super::frame::{self, Frames};
use super::line::Line;
use super::supervisor::{Runner, RunnerError};
use super::words::{FromRunner, Setup, ToRunner};
use crate::engine::reset::ResetPolicy;
use crate::jail::cgroup::group::{Group, GroupError, GroupLimits};
use crate::jail::cgroup::groups::Groups;
use crate::sandbox::SandboxConfig;
use lovage_job::unit::ByteSize;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// How long a runner whose line is closed may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How long a runner may take until it is in its jail.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// How often a runner's memory is looked at, where the kernel does not.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The last of a runner's standard error.
const TAIL_BYTES: usize = 8 << 10;
/// Address space of a runner for code and the host's own, beyond what its pool reserves.
const SPARE: ByteSize = ByteSize::mib(2048);
/// What a runner holds beside the memory of its guests: code, stacks, buffers.
const HOST_MEMORY: ByteSize = ByteSize::mib(512);

/// Threads of a runner beside those of guests: its first, its clock, its way out, and some to spare.
const HOST_THREADS: u32 = 16;

/// How runners are made.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// The program, which must do [`crate::runner_main`] and nothing else.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The sandbox in each; its memory budget is that of one runner.
    pub sandbox: SandboxConfig,
    /// Guest threads of each.
    pub threads: usize,
    /// Where the kernel is to hold each to its memory and threads.
    pub groups: Option<Arc<Groups>>,
    /// Processor time of each, in cores, where there are groups.
    pub cores: Option<f64>,
}

impl RunnerConfig {
    /// Memory of a runner's process, of all kinds; one that holds more is killed.
    pub fn resident_max(&self) -> ByteSize {
        ByteSize(self.sandbox.memory_budget.0.saturating_add(HOST_MEMORY.0))
    }

    fn group(&self) -> Result<Option<Group>, GroupError> {
        let threads = u32::try_from(self.threads).unwrap_or(u32::MAX).saturating_add(HOST_THREADS);
        let limits = GroupLimits { memory: self.resident_max(), threads, cores: self.cores };
        self.groups.as_ref().map(|groups| groups.make(&limits)).transpose()
    }

    fn setup(&self) -> Setup {
        let SandboxConfig { concurrency, memory_budget, memory_max, stack_max, epoch_tick, reset } = &self.sandbox;
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        Setup {
            concurrency: number(*concurrency),
            threads: number(self.threads),
            memory_budget_bytes: memory_budget.0,
            memory_max_bytes: memory_max.0,
            stack_max_bytes: stack_max.0,
            epoch_tick: *epoch_tick,
            fast_reset: *reset == ResetPolicy::Auto,
            spare_bytes: SPARE.0,
        }
    }
}

/// Starts runners. The kernel ends a child with the *thread* that started it, so that is one which lives on.
#[derive(Debug)]
pub struct RunnerStarter {
    config: RunnerConfig,
    orders: std::sync::mpsc::Sender<oneshot::Sender<Result<Started, StartError>>>,
}

/// A process that was started, and knows nothing yet.
struct Started {
    child: Child,
    socket: UnixStream,
    group: Option<Group>,
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Process(#[from] std::io::Error),
    #[error(transparent)]
    Group(#[from] GroupError),
}

impl RunnerStarter {
    /// Starts nothing yet. Must be called within the runtime that is to watch over the runners.
    pub fn new(config: RunnerConfig) -> std::io::Result<Self> {
        let (orders, coming) = std::sync::mpsc::channel::<oneshot::Sender<Result<Started, StartError>>>();
        let of = config.clone();
        let runtime = tokio::runtime::Handle::current();
        // Ends when the starter is dropped.
        std::thread::Builder::new().name("runner-starter".to_owned()).spawn(move || {
            let _runtime = runtime.enter();
            while let Ok(order) = coming.recv() {
                // Whoever ordered may be gone; the child ends as its handle is dropped.
                let _ = order.send(spawn(&of));
            }
        })?;
        Ok(Self { config, orders })
    }

    /// How its runners are made.
    pub fn config(&self) -> &RunnerConfig {
        &self.config
    }

    /// Starts a runner; returns once it is in its jail. Must be called within the runtime of [`RunnerStarter::new`].
    pub async fn start(&self) -> Result<Runner, RunnerError> {
        let failed = |error: &dyn std::fmt::Display| RunnerError::Start(error.to_string());
        let (order, started) = oneshot::channel();
        self.orders.send(order).map_err(|error| failed(&error))?;
        let started = started.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let Started { child, socket, group } = started;
        let pid = child.id().unwrap_or_default();
        let (inlet, outlet) = socket.into_split();
        let line = Line::new(pid, outlet, group.as_ref().map(|group| group.held().to_vec()).unwrap_or_default());
        // Both end with the process, which ends with the handle below.
        tokio::spawn(watch_over(line.clone(), child, inlet, group, self.config.resident_max().0));
        line.say(&ToRunner::Setup(self.config.setup()));
        let up = tokio::time::timeout(UP_WITHIN, Runner::over(line)).await;
        up.map_err(|_| failed(&format!("it was not in its jail after {} s", UP_WITHIN.as_secs())))?
    }
}

fn spawn(config: &RunnerConfig) -> Result<Started, StartError> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let socket = UnixStream::from_std(ours)?;
    let mut command = Command::new(&config.program);
    command.args(&config.args).env_clear().stdin(Stdio::from(OwnedFd::from(theirs)));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let group = config.group()?;
    let child = command.spawn()?;
    if let (Some(group), Some(pid)) = (&group, child.id()) {
        group.admit(pid)?;
    }
    Ok(Started { child, socket, group })
}

/// Hears a runner until it ends, or must be ended.
async fn watch_over(line: Arc<Line>, mut child: Child, inlet: OwnedReadHalf, group: Option<Group>, most: u64) {
    let held_to = group.as_ref().and_then(Group::memory);
    let tail = Tail::default();
    let telling = tokio::spawn(tail.clone().read(child.stderr.take()));
    let breach = tokio::select! {
        heard = hear(&line, inlet) => heard.err(),
        () = line.write_rest() => None,
        () = line.close.notified() => None,
        () = line.kill.notified() => None,
        () = look_at_memory(&line, most), if held_to.is_none() => None,
    };
    if let Some(breach) = breach {
        line.kill(Killed::Breach(breach.to_string()));
    }
    let in_order = line.killed.get().is_none();
    line.hang_up();
    let ended = match in_order {
        true => tokio::time::timeout(END_WITHIN, child.wait()).await.ok().and_then(Result::ok),
        false => None,
    };
    let status = match ended {
        Some(status) => Some(status),
        None => {
            // It may have ended in this moment.
            let _ = child.start_kill();
            child.wait().await.ok()
        }
    };
    // What it said last is in the pipe, whose other end is gone.
    let _ = tokio::time::timeout(END_WITHIN, telling).await;
    let out_of_memory = held_to.filter(|_| group.as_ref().is_some_and(Group::ran_out_of_memory));
    // It is empty now.
    drop(group);
    line.end(Death::of(status, line.killed.get(), out_of_memory, tail.text()));
}

/// Hears words until the socket is closed.
async fn hear(line: &Arc<Line>, mut inlet: OwnedReadHalf) -> Result<(), Breach> {
    let mut frames = Frames::default();
    loop {
        let room = frames.room();
        room.reserve(READ_BYTES);
        match inlet.read_buf(room).await {
            // An error is an end too: the process says how it came.
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        while let Some(body) = frames.next(|| line.frame_bytes_max())? {
            let word: FromRunner = frame::read(body)?;
            line.hear(word)?;
        }
    }
}

/// Returns once the process holds more memory than it may.
async fn look_at_memory(line: &Line, most: u64) {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let path = format!("/proc/{}/statm", line.pid());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // A file of the kernel, which is read without waiting.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
        let bytes = pages.saturating_mul(page);
        if bytes > most {
            return line.kill(Killed::Memory { bytes, most });
        }
    }
}

/// The last of what a process said.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    async fn read(self, stderr: Option<ChildStderr>) {
        let Some(mut stderr) = stderr else { return };
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
            let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
            let more = bytes.len().saturating_sub(TAIL_BYTES);
            bytes.drain(..more);
        }
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        // A runner writes what it likes: nothing that steers a terminal.
        text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect::<String>().trim().to_owned()
    }
}
