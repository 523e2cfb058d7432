//! A worker answers to its name: the name is its own, and whoever asks hears how it is and may tell it to rest or end.
//!
//! Two workers of one name would make the trail of attempts a lie, so a worker first asks whether its name is taken.

use crate::nats::rules::Rules;
use crate::runners::Runners;
use async_nats::{Client, Message};
use futures::StreamExt;
use lovage_job::name::{JobId, QueueName};
use lovage_job::unit::UnixMs;
use lovage_job::worker::{Command, WorkerInfo, WorkerMode};
use std::sync::Arc;
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

/// What a worker tells of itself.
pub struct Presence {
    name: JobId,
    queues: Vec<QueueName>,
    concurrency: usize,
    started: UnixMs,
    mode: watch::Sender<WorkerMode>,
    rules: Arc<Rules>,
    running: Box<dyn Fn() -> usize + Send + Sync>,
    runners: Option<Arc<Runners>>,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("name", &self.name).field("mode", &*self.mode.borrow()).finish_non_exhaustive()
    }
}

impl Presence {
    /// A worker that takes jobs. `running` counts its attempts.
    pub fn new(
        name: JobId,
        queues: Vec<QueueName>,
        concurrency: usize,
        rules: Arc<Rules>,
        running: impl Fn() -> usize + Send + Sync + 'static,
        runners: Option<Arc<Runners>>,
    ) -> Arc<Self> {
        let (started, mode) = (crate::clock::now(), watch::Sender::new(WorkerMode::Running));
        Arc::new(Self { name, queues, concurrency, started, mode, rules, running: Box::new(running), runners })
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
            tracing::info!(mode = mode.as_str(), running = (self.running)(), "mode changed");
            self.rules.set_quiet(mode != WorkerMode::Running);
        }
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
        WorkerInfo {
            name: self.name.clone(),
            mode: *self.mode.borrow(),
            running: (self.running)(),
            concurrency: self.concurrency,
            queues: self.queues.clone(),
            started: self.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runners: self.runners.as_ref().map(|runners| runners.info()).unwrap_or_default(),
        }
    }

    fn obey(&self, question: &Message) -> Vec<u8> {
        match Command::parse(&question.payload) {
            Some(Command::Quiet) => self.set(WorkerMode::Quiet),
            Some(Command::Resume) => self.set(WorkerMode::Running),
            Some(Command::Drain) => self.set(WorkerMode::Draining),
            Some(Command::Info) | None => {}
        }
        serde_json::to_vec(&self.info()).unwrap_or_default()
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
