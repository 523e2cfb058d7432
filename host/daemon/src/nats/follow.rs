//! What follows a job, between its result and its acknowledgement: callbacks, the next job of a chain, and the end of a
//! group's member. It is done until it is done, while the lease is extended; who stops in between leaves a message that
//! comes again, finds the result and does it once more, harmlessly.

use super::settle::{PAUSE, Settler};
use crate::lease::Lease;
use crate::ports::{Again, Finish};
use lovage_client::{Client, FollowError, member_end};
use lovage_job::dead::DeadLetter;
use lovage_job::flow::{Led, MemberEnd};
use lovage_job::name::{GroupId, JobId, TenantName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::result::JobResult;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Follow-ups that are under way on this worker.
#[derive(Debug, Default)]
pub(super) struct Following {
    count: AtomicUsize,
    /// Ends of members that wait for the one who writes their group's record. A thousand members that end at once are
    /// a few writes, not a thousand that get in each other's way.
    groups: Mutex<HashMap<(TenantName, GroupId), Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    end: MemberEnd,
    noted: oneshot::Sender<()>,
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Following {
    /// How many jobs are being followed up.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn under_way(&self) -> UnderWay<'_> {
        self.count.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.count)
    }

    /// Adds an end. True for the one who finds nobody at work for the group, and so has to write.
    fn add(&self, key: &(TenantName, GroupId), waiting: Waiting) -> bool {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let at_work = groups.contains_key(key);
        groups.entry(key.clone()).or_default().push(waiting);
        !at_work
    }

    /// Takes the ends that wait; where there are none the work for the group is over.
    fn take(&self, key: &(TenantName, GroupId)) -> Vec<Waiting> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = groups.get_mut(key).map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            groups.remove(key);
        }
        waiting
    }
}

impl Settler {
    /// The result is stored: the dead letter, then what follows, then the acknowledgement.
    pub(super) async fn followed(&self, lease: Lease, tenant: TenantName, finish: Finish) {
        let Finish { mut result, body, dead, follow, .. } = finish;
        result.body = body.to_vec();
        self.finish_following(lease, tenant, result, dead, follow, false).await;
    }

    /// The result was stored before; all the rest may have been done or not.
    pub(super) async fn again(&self, lease: Lease, tenant: TenantName, again: Again) {
        self.finish_following(lease, tenant, again.result, again.dead, Some(again.follow), true).await;
    }

    /// Another attempt ended the job first: its end is the one that is followed.
    pub(super) async fn follow_another(
        &self,
        lease: Lease,
        tenant: TenantName,
        id: &JobId,
        dead: Option<DeadLetter>,
        follow: Box<Led>,
    ) {
        let store = super::store::Results::new(self.client.clone());
        // not acknowledged: the message comes again and finds the result
        let Ok(Some(result)) = store.get(&tenant, id).await else { return };
        let fine = matches!(result.record.outcome, OutcomeKind::Completed | OutcomeKind::Cancelled);
        self.finish_following(lease, tenant, result, dead.filter(|_| !fine), Some(follow), true).await;
    }

    async fn finish_following(
        &self,
        lease: Lease,
        tenant: TenantName,
        result: JobResult,
        dead: Option<DeadLetter>,
        follow: Option<Box<Led>>,
        again: bool,
    ) {
        let _under_way = self.following.under_way();
        if let Some(follow) = follow
            && !self.follow(&tenant, &follow, &result, dead.is_some(), again).await
        {
            // not acknowledged: the message comes again
            return;
        }
        if let Some(dead) = &dead {
            self.bury(&tenant, dead).await;
        }
        self.acknowledge(&lease).await;
    }

    /// Returns whether all is done: false where the worker stops meanwhile.
    async fn follow(&self, tenant: &TenantName, led: &Led, result: &JobResult, dead: bool, mut again: bool) -> bool {
        let client = Client::new(self.client.clone(), tenant.clone());
        while let Err(error) = client.follow_up(led, result, dead, again).await {
            if self.has_departed(tenant) {
                return false;
            }
            self.not_yet(&result.record.id, &error).await;
            again = true;
        }
        match member_end(led, result) {
            Some((group, end)) => self.note_end(&client, (tenant.clone(), group), end).await,
            None => true,
        }
    }

    async fn not_yet(&self, id: &JobId, error: &FollowError) {
        tracing::warn!(job.id = %id, error = %error, "what follows a job is not done yet and is tried again");
        tokio::time::sleep(PAUSE).await;
    }

    /// Returns once the end of a member is in its group's record, and what that leaves to do is done; false where the
    /// one who writes is stopped before.
    async fn note_end(&self, client: &Client, key: (TenantName, GroupId), end: MemberEnd) -> bool {
        let (noted, hears) = oneshot::channel();
        if !self.following.add(&key, Waiting { end, noted }) {
            return hears.await.is_ok();
        }
        loop {
            let (ends, tell): (Vec<_>, Vec<_>) =
                self.following.take(&key).into_iter().map(|waiting| (waiting.end, waiting.noted)).unzip();
            if ends.is_empty() {
                return true;
            }
            while let Err(error) = client.group_ends(&key.1, &ends).await {
                if self.has_departed(&key.0) {
                    break;
                }
                tracing::warn!(group = %key.1, error = %error, "the ends of members are not noted yet");
                tokio::time::sleep(PAUSE).await;
            }
            for noted in tell {
                // who does not wait any more is being shut down
                let _ = noted.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_writes_for_all() {
        let following = Following::default();
        let key = ("acme".parse().unwrap(), "g".parse().unwrap());
        let waiting = |index| {
            let (noted, _) = oneshot::channel();
            Waiting { end: MemberEnd { index, outcome: OutcomeKind::Completed, message: String::new() }, noted }
        };
        assert!(following.add(&key, waiting(0)));
        assert!(!following.add(&key, waiting(1)));
        assert_eq!(following.take(&key).len(), 2);
        assert!(!following.add(&key, waiting(2)), "the writer is at work until it finds nothing left");
        assert_eq!((following.take(&key).len(), following.take(&key).len()), (1, 0));
        assert!(following.add(&key, waiting(3)));
    }
}
