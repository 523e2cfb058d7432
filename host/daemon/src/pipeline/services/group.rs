//! Groups that a guest submits.
//!
//! Written in this order: the ledger, which counts the members under the group's id; the group's record; its members. A
//! worker may be killed after each of them. The next attempt makes the same id from the same call, finds the group
//! counted, and submits what is missing; what is there stays as it is.

use super::{GuestServices, invalid, limit, refused, unavailable};
use lovage_client::NewGroup;
use lovage_job::child::{ChildLimit, ChildName, group_depth_below, group_id};
use lovage_job::name::GroupId;
use lovage_sandbox::{ChildGroup, GroupHeld, Refusal};

impl GuestServices {
    pub(super) async fn submit_children(&self, group: ChildGroup) -> Result<GroupHeld, Refusal> {
        self.check_grant()?;
        let depth = group_depth_below(self.depth).map_err(limit)?;
        let size = group.size().map_err(limit)?;
        let mut book = self.book.lock().await;
        if book.submits.saturating_add(size) > self.fanout {
            return Err(limit(ChildLimit::Attempt { most: self.fanout }));
        }
        book.submits += size;
        let name = match group.key.clone() {
            Some(key) => ChildName::Key(key),
            None => {
                book.groups_numbered += 1;
                ChildName::Number(book.groups_numbered - 1)
            }
        };
        let id = group_id(&self.id, &name).map_err(invalid)?;
        let group = self.group(group, id.clone(), depth)?;
        let mut ledger = self.ledger(&mut book).await?.clone();
        if ledger.enter_group(&id, size, self.fanout).map_err(limit)? {
            self.write(&mut book, ledger).await.map_err(unavailable)?;
        }
        let existing = self.errands.submit_group(&self.tenant, group).await.map_err(refused)?;
        Ok(GroupHeld { id, size, existing })
    }

    /// The group to submit; what its jobs do not say is as for their parent.
    fn group(&self, group: ChildGroup, id: GroupId, depth: u32) -> Result<NewGroup, Refusal> {
        let completion = group.target(&self.subject.queue, self.subject.lane).map_err(invalid)?;
        let policy = group.policy;
        let member = |(index, job)| self.job(job).map_err(|error| invalid(format!("member {index}: {error}")));
        let members = group.members.into_iter().enumerate().map(member).collect::<Result<Vec<_>, _>>()?;
        Ok(NewGroup::new(members, completion).policy(policy).id(id).parent(self.id.clone(), depth))
    }
}
