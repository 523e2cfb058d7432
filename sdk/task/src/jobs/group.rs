//! Groups that a task submits: children side by side, and one job that runs when all of them have ended.

use super::{NewJob, SubmitError, host};

/// Jobs that are to run side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "they are submitted with `then` and `submit`"]
pub struct Members(Vec<NewJob>);

/// Jobs that run side by side, and what runs when all of them have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it is submitted with `submit`"]
pub struct NewGroup {
    /// The members, in the order of their results; 1 to 10,000, without keys.
    pub members: Vec<NewJob>,
    /// What runs when all have ended; without an input of its own.
    pub completion: NewJob,
    /// What a failed member means.
    pub on_member_failure: OnMemberFailure,
    /// What the group is called among the groups of this job.
    pub key: Option<String>,
}

/// What a failed member means for its group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnMemberFailure {
    /// The others go on; when all have ended the group has failed and the completion job is not run.
    #[default]
    Fail,
    /// As `Fail`, and the first failure cancels the members that have not ended.
    Cancel,
    /// The completion job runs when all have ended, with null for those that failed.
    Continue,
}

/// A group that the broker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// True where an earlier attempt submitted it.
    pub existing: bool,
    /// The id of the completion job, whose result tells the end of the group.
    pub completion: String,
    /// The ids of the members, in their order.
    pub members: Vec<String>,
}

/// Begins a group of these jobs. Each of them counts as a child.
///
/// The completion job gets `{"group", "size", "results", "failed_count", "failed"}`: the results in the order of the
/// members.
///
/// ```
/// use lovage_task::jobs::{self, NewJob, OnMemberFailure};
/// use lovage_task::{TaskError, task};
///
/// /// Counts the words of each text side by side, and adds them up.
/// #[task]
/// fn count(texts: Vec<String>) -> Result<String, TaskError> {
///     let members = texts.iter().map(|text| NewJob::new("word-stats").input(text)).collect::<Result<Vec<_>, _>>()?;
///     let group = jobs::group(members).then(NewJob::new("add-up")).on_member_failure(OnMemberFailure::Cancel);
///     Ok(group.submit()?.completion)
/// }
/// ```
pub fn group(members: impl IntoIterator<Item = NewJob>) -> Members {
    Members(members.into_iter().collect())
}

impl Members {
    /// Runs this job when all have ended.
    pub fn then(self, completion: NewJob) -> NewGroup {
        NewGroup { members: self.0, completion, on_member_failure: OnMemberFailure::default(), key: None }
    }
}

impl NewGroup {
    /// Treats failed members so.
    pub fn on_member_failure(mut self, policy: OnMemberFailure) -> Self {
        self.on_member_failure = policy;
        self
    }

    /// Is called this among the groups of this job: submitted once, in whatever order and attempt.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Submits the group and returns once the broker holds all of it. Natively nothing is submitted: it goes to stderr.
    pub fn submit(self) -> Result<Group, SubmitError> {
        host::submit_group(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_carries_what_it_is_given() {
        let part = |number: u32| NewJob::new("part").bytes(number.to_string()).then("b").on_dead("c");
        let group = group((0..3).map(part)).then(NewJob::new("sum").retries(2)).key("k");
        assert_eq!((group.members.len(), group.on_member_failure), (3, OnMemberFailure::Fail));
        assert_eq!((&group.members[2].then, group.members[2].on_dead.as_deref()), (&vec!["b".to_owned()], Some("c")));
        let held = group.on_member_failure(OnMemberFailure::Continue).submit().unwrap();
        assert_eq!((held.members[2].as_str(), held.completion.as_str(), held.existing), ("k_2", "k_done", false));
    }
}
