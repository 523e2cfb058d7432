//! What a guest asks of its worker: services, soft timeouts and time, and that a stop reaches it there too.

use super::handler::{entry, guest};
use super::support::*;
use crate::{AttemptControl, CancelSignal, ChildGroup, ChildId, ChildJob, GroupHeld, Refusal, Services};
use futures::FutureExt;
use futures::future::BoxFuture;
use lovage_job::limits::Limits;
use lovage_job::outcome::{Failure, Outcome, OutcomeKind, RetryHint};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers each submission alike, and keeps checkpoints.
#[derive(Debug, Default)]
struct Desk {
    refusal: Option<Refusal>,
    hangs: bool,
    kept: Mutex<HashMap<String, Vec<u8>>>,
}

impl Services for Desk {
    fn submit(&self, _job: ChildJob) -> BoxFuture<'_, Result<ChildId, Refusal>> {
        async {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            match self.refusal.clone() {
                Some(refusal) => Err(refusal),
                None => Ok(ChildId { id: "child".to_owned(), existing: false }),
            }
        }
        .boxed()
    }

    fn submit_group(&self, _group: ChildGroup) -> BoxFuture<'_, Result<GroupHeld, Refusal>> {
        async { Err(Refusal::Unavailable("no groups here".to_owned())) }.boxed()
    }

    fn save(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), Refusal>> {
        self.kept.lock().unwrap().insert(key, value);
        async { Ok(()) }.boxed()
    }

    fn load(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, Refusal>> {
        let found = self.kept.lock().unwrap().get(&key).cloned();
        async { Ok(found) }.boxed()
    }
}

fn with(desk: Desk) -> AttemptControl {
    AttemptControl { services: Some(Arc::new(desk)), ..AttemptControl::default() }
}

#[tokio::test]
async fn each_refusal_of_a_child_is_told_apart() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let refusals = [
        (None, "A"),
        (Some(Refusal::Invalid("no such task".to_owned())), "I"),
        (Some(Refusal::Limit("too many".to_owned())), "J"),
        (Some(Refusal::Denied("not granted".to_owned())), "K"),
        (Some(Refusal::Unavailable("down".to_owned())), "L"),
    ];
    for (refusal, letter) in refusals {
        let control = with(Desk { refusal, ..Desk::default() });
        assert_eq!(text(task.run(request("child", Limits::default()), control).await), letter);
    }
    assert_eq!(text(run(&task, "child").await), "L", "where nobody offers anything");
}

#[tokio::test]
async fn a_kept_value_is_there_for_the_next_attempt() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let control = with(Desk::default());
    assert_eq!(
        text(task.run(request("key-12345 and more", Limits::default()), control.clone()).await),
        "key-12345 and more"
    );
    assert_eq!(text(task.run(request("key-12345", Limits::default()), control).await), "key-12345");
    let refused = Outcome::Failed(Failure {
        message: "failed".to_owned(),
        details: Some(serde_json::json!({ "code": 7 })),
        retry: RetryHint::Never,
    });
    assert_eq!(run(&task, "key-12345").await.outcome, refused, "where nobody offers anything");
}

#[tokio::test]
async fn a_checkpoint_over_its_limit_is_not_passed_on() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    for (bytes, kept) in [(256 << 10, true), ((256 << 10) + 1, false)] {
        let desk = Arc::new(Desk::default());
        let control = AttemptControl { services: Some(desk.clone()), ..AttemptControl::default() };
        let input = "k".repeat(bytes);
        let limits = Limits { output: lovage_job::unit::ByteSize::mib(1), ..Limits::default() };
        let outcome = task.run(request(input, limits), control).await.outcome;
        assert_eq!(desk.kept.lock().unwrap().len(), usize::from(kept), "{bytes}: {:?}", outcome.kind());
    }
}

#[tokio::test]
async fn a_guest_that_waits_for_its_worker_is_stopped_in_time() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let limits = Limits { timeout: Duration::from_millis(50), ..Limits::default() };
    let report = task.run(request("child", limits), with(Desk { hangs: true, ..Desk::default() })).await;
    assert_eq!(report.outcome.kind(), OutcomeKind::TimedOut);
    let cancel = CancelSignal::new();
    let control = AttemptControl { cancel: Some(cancel.clone()), ..with(Desk { hangs: true, ..Desk::default() }) };
    let running = task.run(request("child", Limits::default()), control);
    let (report, ()) = tokio::join!(running, async {
        tokio::task::yield_now().await;
        cancel.stop("enough");
    });
    assert_eq!(report.outcome, Outcome::Cancelled { reason: "enough".to_owned() });
}

#[tokio::test]
async fn after_a_soft_timeout_what_the_guest_gives_stands() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let soft_timeout = Some(Duration::from_millis(30));
    let limits = Limits { soft_timeout, ..Limits::default() };
    let control = AttemptControl { cancel: Some(CancelSignal::new()), ..AttemptControl::default() };
    assert_eq!(text(task.run(request("wait", limits), control).await), "wait");
    // A soft timeout that is not below the timeout has no effect.
    let limits = Limits { soft_timeout, timeout: Duration::from_millis(30), ..Limits::default() };
    assert_eq!(run_with(&task, "wait", limits).await.outcome.kind(), OutcomeKind::TimedOut);
}

#[tokio::test]
async fn a_shutdown_alone_does_not_turn_cancelled_true() {
    let bench = bench();
    let task = bench.load(&guest(), &entry()).unwrap();
    let cancel = CancelSignal::new();
    cancel.tell_shutdown();
    let limits = Limits { timeout: Duration::from_millis(60), ..Limits::default() };
    let control = AttemptControl { cancel: Some(cancel), ..AttemptControl::default() };
    assert_eq!(task.run(request("wait", limits), control).await.outcome.kind(), OutcomeKind::TimedOut);
}
