//! What follows the jobs that guests submit: read from their texts by the rules that hold for headers, so that a worker
//! and services in memory refuse the same.

use crate::attempt::services::{ChildGroup, ChildJob};
use lovage_job::child::ChildLimit;
use lovage_job::flow::{FlowError, GROUP_SIZE_MAX, JobSpec, Target, chain_from_text, chain_to_text};
use lovage_job::name::{NameError, QueueName};
use lovage_job::subject::Lane;
use std::time::Duration;

/// What follows a job, once read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Followers {
    /// What runs once it has completed.
    pub on_success: Option<Target>,
    /// What runs once it has ended without completing.
    pub on_failure: Option<Target>,
    /// What runs once it is a dead letter.
    pub on_dead: Option<Target>,
    /// The rest of its chain.
    pub then: Vec<Target>,
}

impl ChildJob {
    /// What follows it; refused as a header of the same text would be.
    pub fn followers(&self) -> Result<Followers, FlowError> {
        let read = |what: &str, text: &Option<String>| text.as_deref().map(|text| one(what, text)).transpose();
        let then = self.then.iter().map(|text| one("then", text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Followers {
            on_success: read("on-success", &self.on_success)?,
            on_failure: read("on-failure", &self.on_failure)?,
            on_dead: read("on-dead", &self.on_dead)?,
            // each is read alone above; together they travel in one header, which has bounds of its own
            then: if then.is_empty() { then } else { chain_from_text(&chain_to_text(&then))? },
        })
    }

    /// Its priority; that of its parent where it says nothing.
    pub fn lane_or(&self, parents: Lane) -> Lane {
        self.lane.unwrap_or(parents)
    }

    /// Where it waits; the queue of its parent where it says nothing.
    pub fn queue_or(&self, parents: &QueueName) -> Result<QueueName, NameError> {
        self.queue.as_ref().map_or_else(|| Ok(parents.clone()), |queue| queue.parse())
    }
}

impl ChildGroup {
    /// How many members it has, from 1.
    pub fn size(&self) -> Result<u32, ChildLimit> {
        let size = self.members.len();
        let counted = u32::try_from(size).ok().filter(|size| (1..=GROUP_SIZE_MAX).contains(size));
        counted.ok_or(ChildLimit::GroupSize { size })
    }

    /// What runs when all members have ended, for a job that waits in this queue and lane. Refused where a member or the
    /// completion job asks for what it cannot have.
    pub fn target(&self, queue: &QueueName, lane: Lane) -> Result<Target, FlowError> {
        if let Some(index) = self.members.iter().position(|member| member.key.is_some()) {
            return Err(FlowError(format!(
                "member {index}: it is called by its place in its group; leave out its key"
            )));
        }
        let job = &self.completion;
        let own = [
            (!job.input.is_empty(), "input"),
            (job.key.is_some(), "key"),
            (job.delay_ms.is_some(), "delay"),
            (job.limit_key.is_some(), "limit key"),
        ];
        if let Some((_, what)) = own.iter().find(|(has, _)| *has) {
            return Err(FlowError(format!("a completion job has no {what} of its own; leave it out")));
        }
        let name = |error: NameError| FlowError(format!("the completion job: {error}"));
        let follow = job.followers()?;
        let spec = JobSpec {
            queue: Some(job.queue_or(queue).map_err(name)?),
            lane: Some(job.lane_or(lane)),
            version: job.version.as_ref().map(|version| version.parse()).transpose().map_err(name)?,
            retries: job.retries,
            timeout: job.timeout_ms.map(Duration::from_millis),
            tags: job.tags.clone(),
            on_success: follow.on_success,
            on_failure: follow.on_failure,
            on_dead: follow.on_dead,
            then: follow.then,
            ..JobSpec::new(job.task.parse().map_err(name)?)
        };
        // as one text it is checked like any other
        one("completion", &Target::Job(Box::new(spec)).to_string())
    }
}

fn one(what: &str, text: &str) -> Result<Target, FlowError> {
    text.parse().map_err(|error: FlowError| FlowError(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> ChildJob {
        ChildJob { task: "a".to_owned(), ..ChildJob::default() }
    }

    fn group(completion: ChildJob) -> ChildGroup {
        ChildGroup { members: vec![job(), job()], completion, ..ChildGroup::default() }
    }

    fn target(group: &ChildGroup) -> Result<Target, String> {
        group.target(&"parents".parse().unwrap(), Lane::High).map_err(|error| error.0)
    }

    #[test]
    fn texts_are_read_as_headers_are() {
        let follow = ChildJob {
            on_success: Some("b".to_owned()),
            on_dead: Some("https://example.com/".to_owned()),
            then: vec!["c".to_owned(), r#"{"task":"d","retries":2}"#.to_owned()],
            ..job()
        };
        let follow = follow.followers().unwrap();
        assert_eq!((follow.on_success.unwrap().to_string(), follow.on_failure), ("b".to_owned(), None));
        let Target::Job(last) = &follow.then[1] else { panic!("a job") };
        assert_eq!((follow.then.len(), last.retries), (2, Some(2)));
    }

    #[test]
    fn texts_that_are_none_are_told_with_their_place() {
        for (bad, reason) in [
            (ChildJob { on_failure: Some("No".to_owned()), ..job() }, "on-failure: "),
            (ChildJob { then: vec!["b".to_owned(), "gopher://a".to_owned()], ..job() }, "then: "),
            (ChildJob { then: vec!["b".to_owned(); 32], ..job() }, "longer than 31"),
            (ChildJob { on_dead: Some("x".repeat(20_000)), ..job() }, "more than 16384"),
        ] {
            let told = bad.followers().unwrap_err().0;
            assert!(told.contains(reason), "{told}");
        }
    }

    #[test]
    fn a_completion_job_waits_where_its_parent_does() {
        let Target::Job(spec) = target(&group(job())).unwrap() else { panic!("a job") };
        assert_eq!((spec.queue.unwrap().as_str(), spec.lane), ("parents", Some(Lane::High)));
        let own = ChildJob { queue: Some("own".to_owned()), lane: Some(Lane::Low), retries: Some(3), ..job() };
        let Target::Job(spec) = target(&group(own)).unwrap() else { panic!("a job") };
        assert_eq!((spec.queue.unwrap().as_str(), spec.lane, spec.retries), ("own", Some(Lane::Low), Some(3)));
    }

    #[test]
    fn what_a_group_cannot_have_is_named() {
        for (bad, reason) in [
            (ChildJob { input: b"1".to_vec(), ..job() }, "no input"),
            (ChildJob { key: Some("k".to_owned()), ..job() }, "no key"),
            (ChildJob { delay_ms: Some(0), ..job() }, "no delay"),
            (ChildJob { task: "No".to_owned(), ..job() }, "task name"),
            (ChildJob { tags: vec![String::new()], ..job() }, "a tag of 0 bytes"),
            (ChildJob { timeout_ms: Some(0), ..job() }, "timeout of 0"),
        ] {
            let told = target(&group(bad)).unwrap_err();
            assert!(told.contains(reason), "{told}");
        }
        let keyed = ChildJob { key: Some("k".to_owned()), ..job() };
        let told = target(&ChildGroup { members: vec![job(), keyed], ..group(job()) }).unwrap_err();
        assert!(told.contains("member 1"), "{told}");
    }

    #[test]
    fn a_group_has_from_1_to_10_000_members() {
        let of = |size: usize| ChildGroup { members: vec![job(); size], ..group(job()) }.size();
        assert_eq!((of(1), of(10_000)), (Ok(1), Ok(10_000)));
        for size in [0, 10_001] {
            assert_eq!(of(size), Err(ChildLimit::GroupSize { size }));
        }
    }
}
