//! Groups: jobs that run side by side, and one that runs when all of them have ended.
//!
//! A group is one record. Each member's end is applied to it before the member's message is acknowledged; a repeat finds
//! its member noted and changes nothing. The record says what is left to do, and is told when that was done: who stops
//! in between leaves a record that says so to whoever looks at it next.

use super::next::Led;
use super::spec::{FlowError, Target};
use crate::name::{GroupId, JobId};
use crate::outcome::OutcomeKind;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most members of a group.
pub const GROUP_SIZE_MAX: u32 = 10_000;
/// How many failed members the record names.
pub const FAILURES_KEPT: usize = 100;
/// How long a group is kept after its last change, and the result of a member after its end.
pub const GROUP_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// The most characters of a failure's message.
const MESSAGE_CHARS_MAX: usize = 200;

/// A member's place in its group: `<group>/<index>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// The group.
    pub group: GroupId,
    /// From 0.
    pub index: u32,
}

impl GroupPlace {
    /// The id that this member must have.
    pub fn member(&self) -> JobId {
        self.group.member(self.index)
    }
}

impl FromStr for GroupPlace {
    type Err = FlowError;
    fn from_str(text: &str) -> Result<Self, FlowError> {
        let shown: String = text.chars().take(100).collect();
        let shape = || FlowError(format!("{shown:?} is not <group>/<index>, such as nightly/0"));
        let (group, index) = text.split_once('/').ok_or_else(shape)?;
        let group = group.parse().map_err(|error: crate::name::NameError| FlowError(error.to_string()))?;
        let index: u32 = index.parse().map_err(|_| shape())?;
        match index < GROUP_SIZE_MAX {
            true => Ok(Self { group, index }),
            false => Err(FlowError(format!("{shown:?}: the last member of a group is {}", GROUP_SIZE_MAX - 1))),
        }
    }
}

impl fmt::Display for GroupPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.index)
    }
}

/// What a failed member means for its group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnMemberFailure {
    /// The others go on; when all have ended the group has failed and the completion job is not run.
    #[default]
    Fail,
    /// As `Fail`, and the first failure cancels the members that have not ended.
    Cancel,
    /// The completion job runs when all have ended, with null for those that failed.
    Continue,
}

/// Where a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupState {
    /// Members have not ended.
    Running,
    /// All have ended, and the completion job is submitted.
    Completed,
    /// All have ended, and the completion job is not run.
    Failed,
    /// Someone cancelled it.
    Cancelled,
}

/// A member that did not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFailure {
    /// Its place.
    pub index: u32,
    /// Its job.
    pub id: JobId,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why, cut to 200 characters.
    pub message: String,
}

impl MemberFailure {
    pub(super) fn new(group: &GroupId, index: u32, outcome: OutcomeKind, message: &str) -> Self {
        let message = message.chars().take(MESSAGE_CHARS_MAX).collect();
        Self { index, id: group.member(index), outcome, message }
    }
}

/// The end of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEnd {
    /// Its place.
    pub index: u32,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why, where it did not complete.
    pub message: String,
}

/// Which members have ended, a bit each; in JSON as hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Ended(Vec<u8>);

impl Ended {
    fn has(&self, index: u32) -> bool {
        let (byte, bit) = place(index);
        self.0.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    fn set(&mut self, index: u32) {
        let (byte, bit) = place(index);
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(byte) {
            *bits |= bit;
        }
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }
}

fn place(index: u32) -> (usize, u8) {
    (usize::try_from(index / 8).unwrap_or(usize::MAX), 1 << (index % 8))
}

impl TryFrom<String> for Ended {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.len() {
            0..=2_500 => hex::decode(text).map(Self).map_err(|error| error.to_string()),
            digits => Err(format!("{digits} digits are more than a group has members")),
        }
    }
}

impl From<Ended> for String {
    fn from(ended: Ended) -> String {
        hex::encode(ended.0)
    }
}

/// A group as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Its id.
    pub id: GroupId,
    /// How many members it has.
    pub size: u32,
    /// What a failed member means.
    pub policy: OnMemberFailure,
    /// What runs when it is complete.
    pub completion: Target,
    /// Where it is.
    pub state: GroupState,
    ended: Ended,
    /// How many members did not complete.
    pub failed_count: u32,
    /// The first of them.
    #[serde(default)]
    pub failures: Vec<MemberFailure>,
    /// Whether what follows the last end was done: the completion job is submitted, or its failure is told.
    pub settled: bool,
    /// Whether the members that have not ended were cancelled.
    pub cancels_sent: bool,
    /// When it was submitted.
    pub created: UnixMs,
    /// When it was changed last.
    pub changed: UnixMs,
    /// The job that submitted it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<JobId>,
    /// How many jobs led to its members, one by another.
    #[serde(default, skip_serializing_if = "is_first")]
    pub depth: u32,
}

fn is_first(depth: &u32) -> bool {
    *depth == 0
}

/// What is left to do for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Todo {
    /// Nothing yet, or nothing any more.
    Nothing,
    /// Cancel the members that have not ended, then note it.
    CancelRest,
    /// Submit the completion job, then note it.
    Complete,
    /// Write the end of the completion job, which is not run, then note it.
    Fail,
}

impl GroupRecord {
    /// A new group; refused where it has no member or too many.
    pub fn new(
        id: GroupId,
        size: usize,
        policy: OnMemberFailure,
        completion: Target,
        now: UnixMs,
    ) -> Result<Self, FlowError> {
        let size = match u32::try_from(size) {
            Ok(0) => return Err(FlowError(format!("group {id} has no members; give it at least one"))),
            Ok(size) if size <= GROUP_SIZE_MAX => size,
            _ => return Err(FlowError(format!("group {id} has {size} members, more than {GROUP_SIZE_MAX}"))),
        };
        Ok(Self {
            id,
            size,
            policy,
            completion,
            state: GroupState::Running,
            ended: Ended::default(),
            failed_count: 0,
            failures: Vec::new(),
            settled: false,
            cancels_sent: false,
            created: now,
            changed: now,
            parent: None,
            depth: 0,
        })
    }

    /// How many jobs lead to the completion job: those that lead to the members, and the members. Without it a completion
    /// job that submits its own group again would do so for ever.
    pub fn completion_depth(&self) -> u32 {
        self.depth.saturating_add(1)
    }

    /// Whether this is the same group, submitted once more.
    pub fn is_again(&self, other: &Self) -> bool {
        (&self.id, self.size, self.policy, &self.completion) == (&other.id, other.size, other.policy, &other.completion)
    }

    /// How many members have ended.
    pub fn ended_count(&self) -> u32 {
        self.ended.count()
    }

    /// Whether a member has ended.
    pub fn has_ended(&self, index: u32) -> bool {
        self.ended.has(index)
    }

    /// The places of the members that have not ended.
    pub fn open(&self) -> impl Iterator<Item = u32> {
        (0..self.size).filter(|index| !self.ended.has(*index))
    }

    /// Notes the end of a member; returns whether the record was changed. A second end of a member changes nothing, and
    /// neither does one that the group has not.
    pub fn apply(&mut self, end: &MemberEnd, now: UnixMs) -> bool {
        if end.index >= self.size || self.ended.has(end.index) {
            return false;
        }
        self.ended.set(end.index);
        self.changed = now;
        if end.outcome != OutcomeKind::Completed {
            self.failed_count += 1;
            if self.failures.len() < FAILURES_KEPT {
                self.failures.push(MemberFailure::new(&self.id, end.index, end.outcome, &end.message));
            }
        }
        if self.state == GroupState::Running && self.ended_count() == self.size {
            let good = self.failed_count == 0 || self.policy == OnMemberFailure::Continue;
            self.state = if good { GroupState::Completed } else { GroupState::Failed };
        }
        true
    }

    /// Cancels the group; returns whether the record was changed.
    pub fn cancel(&mut self, now: UnixMs) -> bool {
        let running = self.state == GroupState::Running;
        if running {
            (self.state, self.changed) = (GroupState::Cancelled, now);
        }
        running
    }

    /// What is left to do.
    pub fn todo(&self) -> Todo {
        match self.state {
            GroupState::Cancelled if !self.cancels_sent => Todo::CancelRest,
            GroupState::Running
                if self.policy == OnMemberFailure::Cancel && self.failed_count > 0 && !self.cancels_sent =>
            {
                Todo::CancelRest
            }
            GroupState::Completed if !self.settled => Todo::Complete,
            GroupState::Failed | GroupState::Cancelled if !self.settled => Todo::Fail,
            GroupState::Running | GroupState::Completed | GroupState::Failed | GroupState::Cancelled => Todo::Nothing,
        }
    }

    /// Notes that what was left to do is done.
    pub fn done(&mut self, todo: Todo, now: UnixMs) {
        match todo {
            Todo::Nothing => return,
            Todo::CancelRest => self.cancels_sent = true,
            Todo::Complete | Todo::Fail => self.settled = true,
        }
        self.changed = now;
    }

    /// Why the completion job is not run.
    pub fn failure_text(&self) -> String {
        if self.state == GroupState::Cancelled {
            return format!("group {} was cancelled", self.id);
        }
        let first = self
            .failures
            .first()
            .map(|first| format!("; the first was {} ({}): {}", first.id, first.outcome, first.message));
        let (failed, size) = (self.failed_count, self.size);
        format!("{failed} of {size} members of group {} did not complete{}", self.id, first.unwrap_or_default())
    }
}

/// What the completion job leads to when it ends without being run.
pub fn completion_lead(group: &GroupRecord) -> Option<Led> {
    let Target::Job(spec) = &group.completion else { return None };
    let flow =
        super::Flow { on_failure: spec.on_failure.clone(), depth: group.completion_depth(), ..super::Flow::default() };
    let (published, trace_parent, input, input_object) = (group.created, None, None, None);
    flow.leads_on().then_some(Led { flow, published, trace_parent, input, input_object })
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
