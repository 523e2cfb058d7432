//! The runner's own process: into the jail first, then attempts until the supervisor is gone.
//!
//! The order matters. What must be looked up on the machine is looked up first; files are forbidden before there is a
//! second thread, since that holds for a thread and those it starts; all threads are started before system calls are
//! filtered, since none may be started afterwards. The first byte of a tenant comes after all of it.

use super::frame::{self, FrameError, Frames};
use super::outlet::Outlet;
use super::proxy::{Proxy, Questions};
use super::words::{FromRunner, Run, Setup, ToRunner, Told};
use crate::attempt::cancel::CancelSignal;
use crate::attempt::event::{AttemptEvent, EventSink};
use crate::attempt::request::AttemptControl;
use crate::attempt::services::Services;
use crate::engine::reset::{ResetMode, ResetPolicy};
use crate::jail::calls::{NewThreads, forbid_calls};
use crate::jail::files::forbid_files;
use crate::jail::held::{Held, JailError};
use crate::jail::limits;
use crate::load::Loaded;
use crate::sandbox::{Sandbox, SandboxConfig, SandboxError};
use crate::task::Task;
use lovage_job::unit::ByteSize;
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// Descriptors: the streams, and one for the first state of each linear memory, a file in memory without a name.
const DESCRIPTORS_MAX: u64 = 8192;
/// A frame of the supervisor: nothing that it says is longer than a payload or an answer, and nothing is doubted.
const FRAME_BYTES_MAX: usize = u32::MAX as usize;

/// Why a runner ends.
#[derive(Debug, thiserror::Error)]
enum RunnerFault {
    #[error(transparent)]
    Jail(#[from] JailError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cannot read from the supervisor: {0}")]
    Read(#[from] rustix::io::Errno),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error("the supervisor says {0}")]
    Frame(#[from] FrameError),
    #[error("the supervisor did not begin with what to be")]
    NoSetup,
}

/// The whole of the hidden subcommand that a worker starts for a tenant: takes orders from standard input, which is a
/// socket, and answers on it. Returns when the other end is closed.
pub fn runner_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Without a supervisor that listens there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{fault}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), RunnerFault> {
    let mut orders = Orders::default();
    let Some(ToRunner::Setup(setup)) = orders.next()? else { return Err(RunnerFault::NoSetup) };
    let policy = if setup.fast_reset { ResetPolicy::Auto } else { ResetPolicy::Safe };
    let reset = policy.choose();
    limits::stand_apart()?;
    limits::limit_files(setup.memory_max_bytes, DESCRIPTORS_MAX)?;
    let size = limits::OwnSize::open()?;
    let landlock = forbid_files()?;
    let mut room = Room::start(&setup, reset)?;
    let address_space = size.bytes()?.saturating_add(setup.spare_bytes);
    drop(size);
    limits::limit_address_space(address_space)?;
    limits::limit_processes()?;
    forbid_calls(NewThreads::No)?;
    let limits = vec![format!("address space: {} beyond the pool", ByteSize(setup.spare_bytes))];
    let held = Held { seccomp: true, landlock, limits };
    room.outlet.say(&FromRunner::Ready(held));
    while let Some(order) = orders.next()? {
        room.obey(order);
    }
    Ok(())
}

/// Words of the supervisor.
#[derive(Default)]
struct Orders(Frames);

impl Orders {
    /// The next one; nothing when the supervisor is gone.
    fn next(&mut self) -> Result<Option<ToRunner>, RunnerFault> {
        loop {
            if let Some(body) = self.0.next(|| FRAME_BYTES_MAX)? {
                return Ok(Some(frame::read(body)?));
            }
            let room = self.0.room();
            let before = room.len();
            room.resize(before + READ_BYTES, 0);
            let read = rustix::io::read(rustix::stdio::stdin(), room.get_mut(before..).unwrap_or_default());
            let read = match read {
                Err(rustix::io::Errno::INTR) => None,
                Err(rustix::io::Errno::CONNRESET) => Some(0),
                other => Some(other?),
            };
            room.truncate(before + read.unwrap_or(0));
            if read == Some(0) {
                return Ok(None);
            }
        }
    }
}

/// Attempts under way, by number.
type Attempts = Arc<Mutex<HashMap<u64, CancelSignal>>>;

/// What a runner has.
struct Room {
    sandbox: Sandbox,
    outlet: Outlet,
    questions: Questions,
    attempts: Attempts,
    codes: HashMap<u32, Code>,
    tasks: HashMap<u32, Task>,
    threads: Vec<mpsc::UnboundedSender<Attempt>>,
    turn: usize,
}

/// A component's code.
enum Code {
    /// As far as it has come.
    Coming(Vec<u8>),
    Loaded(Arc<Loaded>),
}

/// An attempt on its way to a thread.
struct Attempt {
    task: Task,
    run: Box<Run>,
    signal: CancelSignal,
}

impl Room {
    /// The engine and all threads.
    fn start(setup: &Setup, reset: ResetMode) -> Result<Self, RunnerFault> {
        let config = SandboxConfig {
            concurrency: usize::try_from(setup.concurrency).unwrap_or(1),
            memory_budget: ByteSize(setup.memory_budget_bytes),
            memory_max: ByteSize(setup.memory_max_bytes),
            stack_max: ByteSize(setup.stack_max_bytes),
            epoch_tick: setup.epoch_tick,
            reset: ResetPolicy::Safe,
        };
        let sandbox = Sandbox::with_reset(config, reset)?;
        let (outlet, questions, attempts) = (Outlet::default(), Questions::default(), Attempts::default());
        let writing = outlet.clone();
        std::thread::Builder::new().name("outlet".to_owned()).spawn(move || writing.write())?;
        let (up, is_up) = std::sync::mpsc::channel();
        let mut threads = Vec::new();
        for number in 0..setup.threads.max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            let desk = Desk { outlet: outlet.clone(), questions: questions.clone(), attempts: attempts.clone() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let up = up.clone();
            std::thread::Builder::new().name(format!("guests-{number}")).spawn(move || {
                // Whoever starts the threads waits for each of them.
                let _ = up.send(());
                drop(up);
                LocalSet::new().block_on(&runtime, desk.serve(receiver));
            })?;
            threads.push(sender);
        }
        drop(up);
        // Each has begun when it has said so, and all memory of its stack and its signals is mapped.
        let begun = is_up.iter().count();
        debug_assert_eq!(begun, threads.len());
        let (codes, tasks) = (HashMap::new(), HashMap::new());
        Ok(Self { sandbox, outlet, questions, attempts, codes, tasks, threads, turn: 0 })
    }

    fn obey(&mut self, order: ToRunner) {
        match order {
            // Said once, at the beginning.
            ToRunner::Setup(_) => {}
            ToRunner::Code { code, bytes } => {
                if let Code::Coming(so_far) = self.codes.entry(code).or_insert_with(|| Code::Coming(Vec::new())) {
                    so_far.extend_from_slice(&bytes);
                }
            }
            ToRunner::Load { task, code, entry } => {
                let loaded = self.load(code, &entry).map(|ready| self.tasks.insert(task, ready));
                self.outlet.say(&FromRunner::Loaded { task, fault: loaded.err() });
            }
            ToRunner::Run(run) => self.run(run),
            ToRunner::Signal { attempt, signal } => {
                if let Some(switch) = lock(&self.attempts).get(&attempt) {
                    match signal {
                        Told::Ask(reason) => switch.ask(reason),
                        Told::Stop(reason) => switch.stop(reason),
                        Told::Shutdown => switch.tell_shutdown(),
                    }
                }
            }
            ToRunner::Answer { attempt, call, answer } => self.questions.answer(attempt, call, answer),
        }
    }

    fn load(&mut self, code: u32, entry: &lovage_job::catalog::Entry) -> Result<Task, String> {
        let known = self.codes.remove(&code).ok_or_else(|| "there is no code to load".to_owned())?;
        let loaded = match known {
            Code::Loaded(loaded) => loaded,
            Code::Coming(bytes) => self.sandbox.component_of(&bytes).map_err(|error| error.to_string())?,
        };
        self.codes.insert(code, Code::Loaded(loaded.clone()));
        self.sandbox.entry_of(&loaded, entry).map_err(|error| error.to_string())
    }

    /// Hands an attempt to the next thread. The supervisor runs only what was loaded.
    fn run(&mut self, run: Box<Run>) {
        let Some(task) = self.tasks.get(&run.task).cloned() else { return };
        let signal = CancelSignal::new();
        lock(&self.attempts).insert(run.attempt, signal.clone());
        self.turn = (self.turn + 1) % self.threads.len().max(1);
        if let Some(thread) = self.threads.get(self.turn) {
            // Threads end with the process.
            let _ = thread.send(Attempt { task, run, signal });
        }
    }
}

fn lock(attempts: &Attempts) -> MutexGuard<'_, HashMap<u64, CancelSignal>> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a thread of guests needs to tell of them.
struct Desk {
    outlet: Outlet,
    questions: Questions,
    attempts: Attempts,
}

impl Desk {
    /// Runs what comes, side by side.
    async fn serve(self, mut attempts: mpsc::UnboundedReceiver<Attempt>) {
        let desk = std::rc::Rc::new(self);
        while let Some(attempt) = attempts.recv().await {
            let desk = desk.clone();
            tokio::task::spawn_local(async move { desk.attempt(attempt).await });
        }
    }

    async fn attempt(&self, Attempt { task, mut run, signal }: Attempt) {
        let number = run.attempt;
        let control = self.control(&run, signal);
        let report = task.run(run.request(), control).await;
        lock(&self.attempts).remove(&number);
        self.outlet.say(&FromRunner::Done { attempt: number, report: Box::new(report.into()) });
    }

    fn control(&self, run: &Run, signal: CancelSignal) -> AttemptControl {
        let (attempt, outlet) = (run.attempt, self.outlet.clone());
        let events = EventSink::new(move |event| {
            let progress = matches!(event, AttemptEvent::Progress { .. });
            let word = FromRunner::Event { attempt, event: event.into() };
            if progress { outlet.say_if_room(&word) } else { outlet.say(&word) }
        });
        let services = Proxy::new(attempt, self.questions.clone(), self.outlet.clone());
        AttemptControl {
            cancel: Some(signal),
            events: run.wants_events.then_some(events),
            services: run.has_services.then(|| Arc::new(services) as Arc<dyn Services>),
            simulation: run.simulation.map(Into::into),
        }
    }
}
