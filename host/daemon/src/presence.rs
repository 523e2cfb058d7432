//! A worker answers to its name: the name is its own, and whoever asks hears how it is and may tell it to rest or end.
//!
//! Two workers of one name would make the trail of attempts a lie, so a worker first asks whether its name is taken.

pub mod process;

use crate::nats::rules::Rules;
use crate::pipeline::Running;
use crate::runners::Runners;
use async_nats::{Client, Message};
use futures::StreamExt;
use lovage_job::name::{JobId, QueueName};
use lovage_job::unit::UnixMs;
use lovage_job::worker::{Command, Setting, WorkerInfo, WorkerMode};
use process::Processor;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long another worker of the name may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Another worker has the name.
#[derive(Debug, thiserror::Error)]
#[error("a worker named {name} is running already; choose another --name, or leave it out")]
pub struct NameTaken {
    /// The name.
    pub name: JobId,
}

/// What of a worker can be changed while it runs. It is there once the worker takes jobs.
pub trait Settable: Send + Sync {
    /// Attempts at once.
    fn concurrency(&self) -> usize;
    /// Its queues with their shares.
    fn queues(&self) -> Vec<(QueueName, usize)>;
    /// Changes what is named; what is refused changes nothing.
    fn set(&self, setting: &Setting) -> Result<(), lovage_job::worker::SettingError>;
}

/// What a worker tells of itself.
pub struct Presence {
    name: JobId,
    queues: Vec<(QueueName, usize)>,
    concurrency: usize,
    started: UnixMs,
    mode: watch::Sender<WorkerMode>,
    rules: Arc<Rules>,
    running: Arc<Running>,
    runners: Option<Arc<Runners>>,
    settable: OnceLock<Box<dyn Settable>>,
    processor: Processor,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("name", &self.name).field("mode", &*self.mode.borrow()).finish_non_exhaustive()
    }
}

impl Presence {
    /// A worker that takes jobs, as it was started.
    pub fn new(
        name: JobId,
        queues: Vec<(QueueName, usize)>,
        concurrency: usize,
        rules: Arc<Rules>,
        running: Arc<Running>,
        runners: Option<Arc<Runners>>,
    ) -> Arc<Self> {
        let (started, mode) = (crate::clock::now(), watch::Sender::new(WorkerMode::Running));
        let (settable, processor) = (OnceLock::new(), Processor::default());
        Arc::new(Self { name, queues, concurrency, started, mode, rules, running, runners, settable, processor })
    }

    /// From now on this can be changed. Once.
    pub fn can_set(&self, settable: Box<dyn Settable>) {
        // a worker starts once
        let _first = self.settable.set(settable);
    }

    /// Does as it is told: rests, takes jobs again, or ends. What is draining stays so.
    pub fn set(&self, mode: WorkerMode) {
        let changed = self.mode.send_if_modified(|current| {
            let changes = *current != WorkerMode::Draining && *current != mode;
            if changes {
                *current = mode;
            }
            changes
        });
        if changed {
            tracing::info!(mode = mode.as_str(), running = self.running.count(), "mode changed");
            self.rules.set_quiet(mode != WorkerMode::Running);
        }
    }

    /// How many attempts it runs at once.
    pub fn concurrency(&self) -> usize {
        self.settable.get().map_or(self.concurrency, |settable| settable.concurrency())
    }

    /// Whether it takes jobs.
    pub fn mode(&self) -> WorkerMode {
        *self.mode.borrow()
    }

    /// Waits until it is told to end.
    pub async fn told_to_drain(&self) {
        let mut mode = self.mode.subscribe();
        // the sender is held here
        let _never_closed = mode.wait_for(|mode| *mode == WorkerMode::Draining).await;
    }

    fn info(&self) -> WorkerInfo {
        let settable = self.settable.get();
        let queues = settable.map_or_else(|| self.queues.clone(), |settable| settable.queues());
        let (queues, shares) = queues.into_iter().unzip();
        WorkerInfo {
            name: self.name.clone(),
            mode: *self.mode.borrow(),
            running: self.running.count(),
            concurrency: self.concurrency(),
            queues,
            started: self.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runners: self.runners.as_ref().map(|runners| runners.info()).unwrap_or_default(),
            concurrency_max: settable.map(|_| self.concurrency),
            shares,
            memory_bytes: process::memory_bytes(),
            cpu_millicores: self.processor.millicores(),
            jobs: self.running.jobs(),
            refused: None,
        }
    }

    fn obey(&self, question: &Message) -> Vec<u8> {
        let mut refused = None;
        match Command::parse(&question.payload) {
            Some(Command::Quiet) => self.set(WorkerMode::Quiet),
            Some(Command::Resume) => self.set(WorkerMode::Running),
            Some(Command::Drain) => self.set(WorkerMode::Draining),
            Some(Command::Set(setting)) => refused = self.change(&setting).err(),
            Some(Command::Info) => {}
            None => refused = Some("the worker does not know this command; it may be older".to_owned()),
        }
        serde_json::to_vec(&WorkerInfo { refused, ..self.info() }).unwrap_or_default()
    }

    fn change(&self, setting: &Setting) -> Result<(), String> {
        let settable = self.settable.get().ok_or_else(|| format!("worker {} is only starting", self.name))?;
        settable.set(setting).map_err(|error| error.to_string())?;
        tracing::info!(concurrency = settable.concurrency(), queues = ?setting.queues, "worker changed");
        Ok(())
    }
}

/// Takes a worker's name, and answers for it until `stop`.
pub async fn announce(
    client: &Client,
    presence: &Arc<Presence>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) -> anyhow::Result<()> {
    let subject = lovage_job::worker::subject(&presence.name);
    let request = async_nats::Request::new().payload("".into()).timeout(Some(ANSWER_WITHIN));
    let answered = client.send_request(subject.clone(), request).await;
    if answered.is_ok_and(|answer| answer.status.is_none()) {
        return Err(NameTaken { name: presence.name.clone() }.into());
    }
    let asked = client.subscribe(subject).await?;
    let all_asked = client.subscribe(lovage_job::worker::EVERY_WORKER).await?;
    let mut questions = futures::stream::select(asked, all_asked);
    let (client, presence, stop) = (client.clone(), presence.clone(), stop.clone());
    tracker.spawn(async move {
        loop {
            let question = tokio::select! {
                () = stop.cancelled() => return,
                question = questions.next() => question,
            };
            let Some(question) = question else { return };
            // what is said to all is a question: nobody ends every worker by one message
            let told = question.subject.as_str() != lovage_job::worker::EVERY_WORKER;
            let answer = match told {
                true => presence.obey(&question),
                false => serde_json::to_vec(&presence.info()).unwrap_or_default(),
            };
            if let Some(reply) = question.reply {
                let _whoever_asks_may_be_gone = client.publish(reply, answer.into()).await;
            }
        }
    });
    Ok(())
}
