//! Jobs as follow-ups: what a [`NewJob`] becomes when its input is what it follows, and chains of them.

use crate::new_job::NewJob;
use crate::prepare::InvalidJob;
use lovage_job::flow::{CHAIN_MAX, JobSpec, Target};

impl NewJob {
    /// The job that a spec describes, with an input of its own.
    pub fn from_spec(spec: JobSpec, payload: impl Into<bytes::Bytes>) -> Self {
        let plain = Self::new(spec.task, payload);
        Self {
            queue: spec.queue.unwrap_or(plain.queue.clone()),
            lane: spec.lane.unwrap_or(plain.lane),
            version: spec.version,
            retries: spec.retries,
            backoff: spec.backoff,
            retry_on: spec.retry_on,
            soft_timeout: spec.soft_timeout,
            timeout: spec.timeout,
            tags: spec.tags,
            headers: spec.headers.into_iter().collect(),
            on_success: spec.on_success,
            on_failure: spec.on_failure,
            on_dead: spec.on_dead,
            then: spec.then,
            ..plain
        }
    }

    /// The follow-up that this job is, whose input is what it follows. Refused where it asks for what a follow-up cannot
    /// have: an input, an id, a time or a reply of its own.
    pub fn into_spec(self) -> Result<JobSpec, InvalidJob> {
        let own = [
            (!self.payload.is_empty(), "an input"),
            (self.id.is_some() || self.unique.is_some(), "an id or key"),
            (self.due.is_some(), "a time when it is due"),
            (self.expires.is_some(), "an expiry"),
            (self.reply.is_some(), "a reply"),
            (self.group.is_some(), "a group"),
            (self.parent.is_some(), "a parent"),
            (self.limit_key.is_some(), "a limit key"),
        ];
        if let Some((_, what)) = own.iter().find(|(has, _)| *has) {
            return Err(InvalidJob::Follower { task: self.task, what });
        }
        Ok(JobSpec {
            task: self.task,
            queue: Some(self.queue),
            lane: Some(self.lane),
            version: self.version,
            retries: self.retries,
            backoff: self.backoff,
            retry_on: self.retry_on,
            soft_timeout: self.soft_timeout,
            timeout: self.timeout,
            tags: self.tags,
            headers: self.headers.0.into_iter().collect(),
            on_success: self.on_success,
            on_failure: self.on_failure,
            on_dead: self.on_dead,
            then: self.then,
        })
    }
}

/// One job from several that run one after another, each with the output of the one before. A job that fails ends the
/// chain; what it is to tell then, it says itself with `on_failure`.
pub fn chain(jobs: Vec<NewJob>) -> Result<NewJob, InvalidJob> {
    let mut jobs = jobs.into_iter();
    let mut first = jobs.next().ok_or(InvalidJob::EmptyChain)?;
    for job in jobs {
        first.then.push(Target::Job(Box::new(job.into_spec()?)));
    }
    match first.then.len() {
        0..=CHAIN_MAX => Ok(first),
        length => Err(InvalidJob::LongChain { length: length + 1, most: CHAIN_MAX + 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(task: &str) -> NewJob {
        NewJob::new(task.parse().unwrap(), "")
    }

    #[test]
    fn a_chain_is_its_first_job_with_the_others_after_it() {
        let chained = chain(vec![NewJob::new("a".parse().unwrap(), "1"), job("b").retries(2), job("c")]).unwrap();
        assert_eq!((chained.task.as_str(), chained.payload.as_ref(), chained.then.len()), ("a", &b"1"[..], 2));
        let Target::Job(b) = &chained.then[0] else { panic!("a job") };
        assert_eq!((b.task.as_str(), b.retries), ("b", Some(2)));
    }

    #[test]
    fn chains_that_make_no_sense_are_refused() {
        assert!(chain(vec![]).unwrap_err().to_string().contains("no job"));
        let with_input = chain(vec![job("a"), NewJob::new("b".parse().unwrap(), "1")]).unwrap_err();
        assert!(with_input.to_string().contains("an input"), "{with_input}");
        assert!(chain((0..=CHAIN_MAX).map(|_| job("a")).collect()).is_ok());
        assert!(chain((0..=CHAIN_MAX + 1).map(|_| job("a")).collect()).unwrap_err().to_string().contains("33"));
    }
}
