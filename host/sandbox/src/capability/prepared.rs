//! prepare: what one attempt has of its capabilities. Each module asks here before it asks the worker.

use crate::attempt::given::Given;
use crate::attempt::host_memory::{Hold, HostMemory};
use crate::attempt::journal::Journal;
use crate::attempt::request::{AttemptControl, AttemptRequest};
use crate::attempt::services::{Answer, Ask, Refusal, Services};
use lovage_job::capability::Grants;
use lovage_job::storage::{ASKS_MAX, StorageLimit};
use std::sync::Arc;

/// What is said where nobody offers anything, such as while the component describes itself.
const NOBODY: &str = "nobody offers this here: only a job on a worker has it";

/// What the guest of one attempt may use.
pub(crate) struct Capable {
    grants: Arc<Grants>,
    services: Option<Arc<dyn Services>>,
    given: Given,
    memory: HostMemory,
    asks: u32,
}

impl Capable {
    /// What an attempt may use.
    pub(crate) fn prepare(
        request: &AttemptRequest,
        control: &AttemptControl,
        journal: &Journal,
        memory: HostMemory,
    ) -> Self {
        let (grants, services) = (request.grants.clone(), control.services.clone());
        Self { grants, services, given: journal.given(), memory, asks: 0 }
    }

    /// What the task was granted.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The secrets that the guest was given.
    pub(crate) fn given(&self) -> &Given {
        &self.given
    }

    /// Holds memory for something of the guest's.
    pub(crate) fn hold(&self, bytes: usize) -> Result<Hold, Refusal> {
        let full =
            || Refusal::Limit(format!("{bytes} bytes more are more than the attempt or its worker has room for"));
        self.memory.take(bytes).ok_or_else(full)
    }

    /// Asks the worker.
    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        if self.asks >= ASKS_MAX {
            return Err(Refusal::Limit(StorageLimit::Asks.to_string()));
        }
        self.asks += 1;
        let Some(services) = &self.services else { return Err(Refusal::Unavailable(NOBODY.to_owned())) };
        services.ask(ask).await
    }

    /// Refuses to store what contains a secret: it would lie there for everyone to read.
    pub(crate) fn check_stored(&self, bytes: &[u8]) -> Result<(), Refusal> {
        match self.given.find(bytes) {
            Some(name) => Err(Refusal::Invalid(format!("it contains the value of secret {name}, which is not stored"))),
            None => Ok(()),
        }
    }
}

/// An answer to another question: the worker is at fault.
pub(crate) fn mixed_up() -> Refusal {
    Refusal::Unavailable("the worker gave another answer than was asked for".to_owned())
}

/// What a refusal says.
pub(crate) fn told(refusal: Refusal) -> String {
    match refusal {
        Refusal::Invalid(text) | Refusal::Limit(text) | Refusal::Denied(text) | Refusal::Unavailable(text) => text,
    }
}
