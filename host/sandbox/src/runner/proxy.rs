//! The services of a guest in a runner: each question goes to the supervisor, and the guest waits for its answer.

use super::outlet::Outlet;
use super::words::{Answered, Called, FromRunner};
use crate::attempt::services::{Answer, Ask, ChildGroup, ChildId, ChildJob, GroupHeld, Refusal, Services};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Questions that wait for an answer.
#[derive(Clone, Default)]
pub(crate) struct Questions(Arc<Mutex<Waiting>>);

/// Who waits, by attempt and number.
type Waiting = HashMap<(u64, u64), oneshot::Sender<Answered>>;

impl Questions {
    /// Hands over an answer; nobody may wait for it any more.
    pub(crate) fn answer(&self, attempt: u64, call: u64, answer: Answered) {
        if let Some(asker) = self.waiting().remove(&(attempt, call)) {
            // Its guest was stopped in this moment.
            let _ = asker.send(answer);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The services of one attempt.
pub(crate) struct Proxy {
    attempt: u64,
    next: AtomicU64,
    questions: Questions,
    outlet: Outlet,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Proxy").field(&self.attempt).finish()
    }
}

/// A question that is not answered yet; dropping it says that nobody waits.
struct Open<'p> {
    proxy: &'p Proxy,
    call: u64,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let key = (self.proxy.attempt, self.call);
        if self.proxy.questions.waiting().remove(&key).is_some() {
            self.proxy.outlet.say(&FromRunner::Drop { attempt: self.proxy.attempt, call: self.call });
        }
    }
}

impl Proxy {
    pub(crate) fn new(attempt: u64, questions: Questions, outlet: Outlet) -> Self {
        Self { attempt, next: AtomicU64::new(0), questions, outlet }
    }

    async fn call(&self, asked: Called) -> Option<Answered> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        self.questions.waiting().insert((self.attempt, call), asker);
        let _open = Open { proxy: self, call };
        self.outlet.say(&FromRunner::Call { attempt: self.attempt, call, asked });
        answer.await.ok()
    }
}

fn lost() -> Refusal {
    Refusal::Unavailable("the worker gave no answer".to_owned())
}

impl Services for Proxy {
    fn submit(&self, job: ChildJob) -> BoxFuture<'_, Result<ChildId, Refusal>> {
        async move {
            match self.call(Called::Submit(Box::new(job))).await {
                Some(Answered::Submit(answer)) => answer,
                _ => Err(lost()),
            }
        }
        .boxed()
    }

    fn submit_group(&self, group: ChildGroup) -> BoxFuture<'_, Result<GroupHeld, Refusal>> {
        async move {
            match self.call(Called::SubmitGroup(Box::new(group))).await {
                Some(Answered::SubmitGroup(answer)) => answer,
                _ => Err(lost()),
            }
        }
        .boxed()
    }

    fn save(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), Refusal>> {
        async move {
            match self.call(Called::Save(key, value)).await {
                Some(Answered::Save(answer)) => answer,
                _ => Err(lost()),
            }
        }
        .boxed()
    }

    fn load(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, Refusal>> {
        async move {
            match self.call(Called::Load(key)).await {
                Some(Answered::Load(answer)) => answer,
                _ => Err(lost()),
            }
        }
        .boxed()
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, Refusal>> {
        async move {
            match self.call(Called::Ask(ask)).await {
                Some(Answered::Ask(answer)) => answer,
                _ => Err(lost()),
            }
        }
        .boxed()
    }
}
