//! The supervisor's handle of a runner: hands it code and attempts, and tells attempts to stop.

use super::death::{Death, Killed};
use super::line::Line;
use super::words::{Run, ToRunner, Told};
use crate::attempt::cancel::CancelSignal;
use crate::attempt::request::{AttemptControl, AttemptReport, AttemptRequest};
use crate::cache::artifact::ArtifactPath;
use crate::cache::error::CacheError;
use crate::jail::held::Held;
use crate::runner::attempt::Pending;
use lovage_job::catalog::Entry;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Code goes over in pieces.
const CODE_PIECE_BYTES: usize = 1 << 20;
/// How long a runner may take beyond an attempt's time, or after it was told to stop one.
const GRACE: Duration = Duration::from_secs(10);
/// The longest attempt, where a limit would overflow the clock.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Why an attempt in a runner came to nothing. None of the job's attempts is used up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RunnerError {
    /// The runner died, perhaps of this attempt.
    #[error("the runner died: {0}")]
    Died(Arc<Death>),
    /// The runner refuses the component: it does not link, or has no such entry.
    #[error("{0}")]
    Refused(String),
    /// The artefact is not what the cache wrote. Compile again.
    #[error("{0}")]
    Artifact(Arc<CacheError>),
    /// This machine starts no runner.
    #[error("no runner starts: {0}")]
    Start(String),
}

impl From<CacheError> for RunnerError {
    fn from(error: CacheError) -> Self {
        Self::Artifact(Arc::new(error))
    }
}

/// A runner. Clones are the same; it ends when the last one is gone.
#[derive(Clone)]
pub struct Runner(Arc<Handle>);

struct Handle(Arc<Line>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Runner").field(&self.pid()).finish()
    }
}

impl Runner {
    /// A runner at the other end of a line; returns once it is in its jail.
    pub(crate) async fn over(line: Arc<Line>) -> Result<Self, RunnerError> {
        let runner = Self(Arc::new(Handle(line.clone())));
        line.up().await.map_err(|death| RunnerError::Start(death.to_string()))?;
        Ok(runner)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.0.pid()
    }

    /// What holds it.
    pub fn held(&self) -> Held {
        self.0.0.held()
    }

    /// How it ended, once it has.
    pub fn death(&self) -> Option<Arc<Death>> {
        self.0.0.death()
    }

    /// How many tasks it has loaded.
    pub fn loaded(&self) -> usize {
        self.0.0.loaded()
    }

    /// Ends it now, with whatever it runs.
    pub fn kill(&self) {
        self.0.0.kill(Killed::Closed);
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        self.0.0.down().await;
    }

    /// Makes one attempt in it. Where the future is dropped, the guest is stopped.
    pub async fn run(
        &self,
        artifact: &ArtifactPath,
        entry: &Entry,
        request: AttemptRequest,
        control: AttemptControl,
    ) -> Result<AttemptReport, RunnerError> {
        let line = &self.0.0;
        let task = task(line, artifact, entry).await?;
        let (cancel, timeout) = (control.cancel.clone(), request.limits.timeout.min(TIMEOUT_MAX));
        let (sender, report) = oneshot::channel();
        let attempt = begin(line, task, request, control, sender);
        let _told_to_stop_if_left = Left { line, attempt };
        tokio::select! {
            biased;
            report = report => report.map_err(|_| RunnerError::Died(line.died())),
            never = steer(line, attempt, cancel, Instant::now() + timeout + GRACE) => match never {},
        }
    }
}

/// The number of a task in the runner, loaded there once.
async fn task(line: &Line, artifact: &ArtifactPath, entry: &Entry) -> Result<u32, RunnerError> {
    let key = (artifact.path().to_owned(), format!("{entry:?}"));
    let (task, cell) = line.task(key);
    let fault = cell.get_or_try_init(|| load(line, task, artifact, entry)).await?;
    match fault {
        None => Ok(task),
        Some(fault) => Err(RunnerError::Refused(fault.clone())),
    }
}

async fn load(line: &Line, task: u32, artifact: &ArtifactPath, entry: &Entry) -> Result<Option<String>, RunnerError> {
    let loaded = {
        // One at a time: an entry of a component whose code is on its way waits for it.
        let _turn = line.loading.lock().await;
        let (code, is_there) = line.code(artifact.path());
        if !is_there {
            let reading = artifact.clone();
            let bytes = tokio::task::spawn_blocking(move || reading.read_verified()).await;
            let bytes = bytes.map_err(|error| RunnerError::Start(format!("cannot read code: {error}")))??;
            for piece in bytes.chunks(CODE_PIECE_BYTES) {
                line.say(&ToRunner::Code { code, bytes: piece.to_vec() });
            }
            line.code_sent(artifact.path());
        }
        line.load(task, code, entry)
    };
    loaded.await.map_err(|_| RunnerError::Died(line.died()))
}

fn begin(
    line: &Line,
    task: u32,
    request: AttemptRequest,
    control: AttemptControl,
    report: oneshot::Sender<AttemptReport>,
) -> u64 {
    let AttemptRequest { job, input, limits, args, env, grants } = request;
    let AttemptControl { cancel: _, events, services, simulation } = control;
    let (wants_events, has_services) = (events.is_some(), services.is_some());
    let attempt = line.begin(Pending::new(limits.clone(), events, services, report));
    let run = Run {
        attempt,
        task,
        job,
        input: input.into(),
        limits: limits.as_ref().clone(),
        args: args.to_vec(),
        env: env.to_vec(),
        grants: grants.as_ref().clone(),
        wants_events,
        has_services,
        simulation: simulation.map(Into::into),
    };
    line.say(&ToRunner::Run(Box::new(run)));
    attempt
}

/// An attempt that nobody waits for once this is gone.
struct Left<'l> {
    line: &'l Line,
    attempt: u64,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if self.line.abandon(self.attempt) {
            let signal = Told::Stop("nobody waits for it".to_owned());
            self.line.say(&ToRunner::Signal { attempt: self.attempt, signal });
        }
    }
}

/// What an attempt was told.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Signals {
    ask: bool,
    stop: bool,
    shutdown: bool,
}

impl Signals {
    fn of(cancel: &CancelSignal) -> Self {
        Self { ask: cancel.reason().is_some(), stop: cancel.is_stopped(), shutdown: cancel.is_shutdown() }
    }
}

/// Passes on what the attempt is told, and ends a runner that does not give it back in time. Ends only by being dropped.
async fn steer(line: &Line, attempt: u64, cancel: Option<CancelSignal>, mut deadline: Instant) -> Infallible {
    let cancel = cancel.unwrap_or_default();
    let mut told = Signals::default();
    loop {
        let now = Signals::of(&cancel);
        let reason = || cancel.reason().unwrap_or_default().to_owned();
        let say = |signal| line.say(&ToRunner::Signal { attempt, signal });
        if now.shutdown && !told.shutdown {
            say(Told::Shutdown);
        }
        if now.stop && !told.stop {
            say(Told::Stop(reason()));
            deadline = deadline.min(Instant::now() + GRACE);
        } else if now.ask && !told.ask {
            say(Told::Ask(reason()));
        }
        told = now;
        tokio::select! {
            () = cancel.wait_until(|signal| Signals::of(signal) != told) => {}
            () = tokio::time::sleep_until(deadline) => {
                line.kill(Killed::Overrun);
                // The report's end comes with the runner's.
                return std::future::pending().await;
            }
        }
    }
}
