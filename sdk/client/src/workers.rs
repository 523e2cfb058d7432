//! The workers that run now, and what they can be told: to rest, to go on, and to end.

use crate::client::Client;
use async_nats::{Request, RequestErrorKind};
use futures::StreamExt;
use lovage_job::name::JobId;
use lovage_job::worker::{Command, EVERY_WORKER, Setting, WorkerInfo, subject};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a worker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// After this silence no further worker is expected to answer.
const SILENCE: Duration = Duration::from_millis(700);
/// The most workers that are listed.
const WORKERS_MAX: usize = 10_000;

/// Why a worker cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// No worker has the name.
    #[error("no worker named {0} runs")]
    Unknown(JobId),
    /// No answer, or none that can be read.
    #[error("{0}; the user of this connection may not be allowed to speak to workers")]
    Silent(String),
    /// The worker does not do it; the text says why.
    #[error("{0}")]
    Refused(String),
}

fn silent(error: impl std::fmt::Display) -> WorkerError {
    WorkerError::Silent(format!("workers do not answer: {error}"))
}

impl Client {
    /// The workers that run now, by name. Each answers for itself, so this takes a moment.
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>, WorkerError> {
        let inbox = self.nats.new_inbox();
        let mut answers = self.nats.subscribe(inbox.clone()).await.map_err(silent)?;
        self.nats.publish_with_reply(EVERY_WORKER, inbox, "".into()).await.map_err(silent)?;
        let mut workers = BTreeMap::new();
        while workers.len() < WORKERS_MAX {
            let Ok(Some(answer)) = tokio::time::timeout(SILENCE, answers.next()).await else { break };
            if answer.status.is_some() {
                break;
            }
            if let Ok(worker) = serde_json::from_slice::<WorkerInfo>(&answer.payload) {
                workers.insert(worker.name.clone(), worker);
            }
        }
        Ok(workers.into_values().collect())
    }

    /// Tells a worker to take no new jobs; those that run go on, and the worker stays.
    pub async fn quiet_worker(&self, name: &JobId) -> Result<WorkerInfo, WorkerError> {
        self.tell_worker(name, Command::Quiet).await
    }

    /// Tells a quiet worker to take jobs again.
    pub async fn resume_worker(&self, name: &JobId) -> Result<WorkerInfo, WorkerError> {
        self.tell_worker(name, Command::Resume).await
    }

    /// Tells a worker to take no new jobs and to end when those that run have.
    pub async fn drain_worker(&self, name: &JobId) -> Result<WorkerInfo, WorkerError> {
        self.tell_worker(name, Command::Drain).await
    }

    /// Changes how many attempts a worker runs at once, or which queues it serves.
    pub async fn set_worker(&self, name: &JobId, setting: Setting) -> Result<WorkerInfo, WorkerError> {
        let info = self.tell_worker(name, Command::Set(setting)).await?;
        if info.concurrency_max.is_none() {
            let told = format!("worker {name} runs version {}, which cannot be changed while it runs", info.version);
            return Err(WorkerError::Refused(told));
        }
        match info.refused {
            Some(reason) => Err(WorkerError::Refused(reason)),
            None => Ok(info),
        }
    }

    async fn tell_worker(&self, name: &JobId, command: Command) -> Result<WorkerInfo, WorkerError> {
        let request = Request::new().payload(command.to_body().into()).timeout(Some(ANSWER_WITHIN));
        let answer = match self.nats.send_request(subject(name), request).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                return Err(WorkerError::Unknown(name.clone()));
            }
            Err(error) => return Err(silent(error)),
        };
        serde_json::from_slice(&answer.payload).map_err(silent)
    }
}
