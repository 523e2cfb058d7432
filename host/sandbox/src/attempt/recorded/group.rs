//! Groups that are submitted to services in memory.

use super::Recorded;
use crate::attempt::services::{ChildGroup, GroupHeld, Refusal};
use lovage_job::child::{ChildLimit, ChildName, group_depth_below, group_id};
use lovage_job::name::{GroupId, QueueName, TaskName};
use lovage_job::subject::Lane;
use std::fmt::Display;

/// A group that was submitted here and runs nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedGroup {
    /// The id that it would have. Those of its members and its completion job are made from it.
    pub id: GroupId,
    /// What its job asked for.
    pub group: ChildGroup,
}

impl Recorded {
    /// The groups, in the order in which they were first submitted.
    pub fn groups(&self) -> Vec<RecordedGroup> {
        self.book().groups.clone()
    }

    pub(super) fn add_group(&self, group: ChildGroup) -> Result<GroupHeld, Refusal> {
        self.check_grant()?;
        let limit = |limit: ChildLimit| Refusal::Limit(limit.to_string());
        group_depth_below(self.depth).map_err(limit)?;
        let size = group.size().map_err(limit)?;
        let mut book = self.book();
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
        check(&group)?;
        let id = group_id(&self.parent, &name).map_err(invalid)?;
        book.ledger.enter_group(&id, size, self.fanout).map_err(limit)?;
        let existing = match book.groups.iter().find(|known| known.id == id) {
            Some(known) if same(&known.group, &group) => true,
            Some(_) => return Err(Refusal::Invalid(format!("group {id} is there already with other members"))),
            None => false,
        };
        if !existing {
            book.groups.push(RecordedGroup { id: id.clone(), group });
        }
        Ok(GroupHeld { id, size, existing })
    }
}

/// Whether a group is the same one, by what a worker compares.
fn same(known: &ChildGroup, other: &ChildGroup) -> bool {
    (known.members.len(), &known.completion, known.policy) == (other.members.len(), &other.completion, other.policy)
}

fn check(group: &ChildGroup) -> Result<(), Refusal> {
    group.target(&QueueName::default_queue(), Lane::Normal).map_err(invalid)?;
    for (index, member) in group.members.iter().enumerate() {
        let bad = |error: &dyn Display| Refusal::Invalid(format!("member {index}: {error}"));
        member.task.parse::<TaskName>().map_err(|error| bad(&error))?;
        member.queue_or(&QueueName::default_queue()).map_err(|error| bad(&error))?;
        member.followers().map_err(|error| bad(&error))?;
    }
    Ok(())
}

fn invalid(error: impl Display) -> Refusal {
    Refusal::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::services::ChildJob;

    fn group(size: usize) -> ChildGroup {
        let job = |task: &str| ChildJob { task: task.to_owned(), ..ChildJob::default() };
        ChildGroup { members: vec![job("part"); size], completion: job("sum"), ..ChildGroup::default() }
    }

    fn recorded() -> Recorded {
        Recorded::new("p1".parse().unwrap())
    }

    #[test]
    fn a_group_is_recorded_once_over_attempts() {
        let recorded = recorded();
        let first = recorded.add_group(group(3)).unwrap();
        assert_eq!((first.size, first.existing), (3, false));
        recorded.next_attempt();
        assert_eq!(recorded.add_group(group(3)), Ok(GroupHeld { existing: true, ..first.clone() }));
        assert_ne!(
            recorded.add_group(group(3)).unwrap().id,
            first.id,
            "the second call of an attempt is another group"
        );
        assert_eq!(recorded.groups().len(), 2);
        recorded.next_attempt();
        assert!(matches!(recorded.add_group(group(4)), Err(Refusal::Invalid(_))), "another group under the same id");
    }

    #[test]
    fn the_limits_are_those_of_a_worker() {
        for (recorded, reason) in [(recorded().fanout(2), "asked for 2 children"), (recorded().depth(31), "31 deep")] {
            let Err(Refusal::Limit(text)) = recorded.add_group(group(3)) else { panic!("recorded") };
            assert!(text.contains(reason), "{text}");
        }
        assert!(matches!(recorded().add_group(group(0)), Err(Refusal::Limit(_))));
        assert!(matches!(recorded().without_grants().add_group(group(1)), Err(Refusal::Denied(_))));
        let mut bad = group(2);
        bad.members[1].on_success = Some("No".to_owned());
        let Err(Refusal::Invalid(text)) = recorded().add_group(bad) else { panic!("recorded") };
        assert!(text.contains("member 1: on-success"), "{text}");
    }
}
