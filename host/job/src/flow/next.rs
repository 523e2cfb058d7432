//! The jobs that follow the end of a job: which, under which ids, with which input.
//!
//! An id is made from the job that is followed, what of it is followed, and when its stored end says that the job was
//! published: a repeat after a crash, and a second message of the same job, give the same id, and the end of a replayed
//! dead letter gives another one.

use super::group::GroupRecord;
use super::lead::Flow;
use super::spec::{Target, chain_to_text};
use super::told::{Kind, Told, WebhookCall, event_of};
use super::{WEBHOOK_TASK, WebhookUrl};
use crate::header::{self, Headers};
use crate::job::Job;
use crate::name::{JobId, QueueName, TaskName, TenantName};
use crate::outcome::OutcomeKind;
use crate::result::JobResult;
use crate::subject::{JobSubject, Lane};
use crate::trace::TraceContext;
use crate::unit::UnixMs;

/// The largest input that the message of a failure carries along, in bytes.
const INPUT_TOLD_MAX: usize = 64 * 1024;

/// A job that leads on to something: what must be known of it when it has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Led {
    /// Where it leads to.
    pub flow: Flow,
    /// When it was published; a replay of it is published later.
    pub published: UnixMs,
    /// Where its last attempt is in a trace; its publisher, where none was made or traced.
    pub trace_parent: Option<TraceContext>,
    /// Its input, where a failure is told to someone and the input is JSON that is small enough.
    pub input: Option<Vec<u8>>,
    /// The object that holds its input.
    pub input_object: Option<crate::name::Digest>,
}

impl Led {
    /// What a job leads to; nothing for most jobs.
    pub fn of(job: &Job, payload: &[u8]) -> Option<Box<Self>> {
        let flow = job.flow.as_ref().filter(|flow| flow.leads_on())?;
        Some(Box::new(Self {
            flow: flow.as_ref().clone(),
            published: job.published,
            trace_parent: job.wishes.trace_parent,
            input: input_of(flow, payload),
            input_object: job.wishes.payload.clone(),
        }))
    }

    /// What a message leads to that is no job.
    pub fn of_undecodable(headers: &Headers, id: &JobId, published: UnixMs, payload: &[u8]) -> Option<Box<Self>> {
        let flow = Flow::of_undecodable(headers, id)?;
        let input = input_of(&flow, payload);
        Some(Box::new(Self { flow: *flow, published, trace_parent: None, input, input_object: None }))
    }

    /// Takes the input from the message, where a failure is told to someone.
    pub fn set_input(&mut self, payload: &[u8]) {
        self.input = input_of(&self.flow, payload);
    }
}

fn input_of(flow: &Flow, payload: &[u8]) -> Option<Vec<u8>> {
    let told = flow.on_failure.is_some() || flow.on_dead.is_some();
    let fits = told && !payload.is_empty() && payload.len() <= INPUT_TOLD_MAX;
    fits.then(|| payload.to_vec())
}

/// A job to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// Where, with its id.
    pub subject: JobSubject,
    /// Its headers.
    pub headers: Headers,
    /// Its input.
    pub payload: Vec<u8>,
}

/// Where a follow-up comes from.
struct Origin<'a> {
    tenant: &'a TenantName,
    queue: QueueName,
    lane: Lane,
    parent: Option<&'a JobId>,
    depth: u32,
    trace_parent: Option<TraceContext>,
}

/// The jobs that follow a job which ended with `result`, output included. `dead` says that it became a dead letter.
pub fn after(tenant: &TenantName, led: &Led, result: &JobResult, dead: bool) -> Vec<Next> {
    let record = &result.record;
    let origin = Origin {
        tenant,
        queue: record.queue.clone().unwrap_or_else(QueueName::default_queue),
        lane: record.lane.unwrap_or(Lane::Normal),
        parent: Some(&record.id),
        depth: led.flow.depth.saturating_add(1),
        trace_parent: led.trace_parent,
    };
    let follow = |target: &Target, kind: Kind, rest: &[Target]| {
        let id = id_of(&record.id, kind, record.published);
        let (input, media, object) = match (kind, target) {
            (_, Target::Webhook(url)) => (call(url, event_of(kind, led, result)), Some(JSON), None),
            (Kind::Success | Kind::Then, Target::Job(_)) => {
                (result.body.clone(), result.content_type.as_deref(), record.payload.as_ref())
            }
            (Kind::Failure | Kind::Dead, Target::Job(_)) => (Told::of(led, result).to_json(), Some(JSON), None),
        };
        let mut next = next(&origin, target, id, input, media, rest);
        if let Some(object) = object {
            next.headers.push(header::PAYLOAD, object.as_str());
        }
        next
    };
    let flow = &led.flow;
    let mut nexts = Vec::new();
    if record.outcome == OutcomeKind::Completed {
        nexts.extend(flow.on_success.as_ref().map(|target| follow(target, Kind::Success, &[])));
        nexts.extend(flow.then.split_first().map(|(first, rest)| follow(first, Kind::Then, rest)));
    } else {
        nexts.extend(flow.on_failure.as_ref().map(|target| follow(target, Kind::Failure, &[])));
        nexts.extend(flow.on_dead.as_ref().filter(|_| dead).map(|target| follow(target, Kind::Dead, &[])));
    }
    nexts
}

/// The job that completes a group, with what its members gave as its input.
pub fn completion(tenant: &TenantName, group: &GroupRecord, input: Vec<u8>) -> Next {
    let origin = Origin {
        tenant,
        queue: QueueName::default_queue(),
        lane: Lane::Normal,
        parent: group.parent.as_ref(),
        depth: group.completion_depth(),
        trace_parent: None,
    };
    let input = match &group.completion {
        Target::Job(_) => input,
        Target::Webhook(url) => call(url, super::told::group_event(group, &input)),
    };
    next(&origin, &group.completion, group.id.completion(), input, Some(JSON), &[])
}

const JSON: &str = "application/json";

fn call(url: &WebhookUrl, body: serde_json::Value) -> Vec<u8> {
    WebhookCall { url: url.clone(), body }.to_json()
}

fn id_of(followed: &JobId, kind: Kind, published: UnixMs) -> JobId {
    JobId::from_parts("f", &[followed.as_str(), kind.as_str(), &published.0.to_string()])
}

fn next(origin: &Origin, target: &Target, id: JobId, payload: Vec<u8>, media: Option<&str>, rest: &[Target]) -> Next {
    let (mut headers, task, queue, lane, own) = match target {
        Target::Job(spec) => (spec.to_headers(), Some(&spec.task), spec.queue.clone(), spec.lane, spec.then.as_slice()),
        Target::Webhook(_) => (Headers::new(), None, None, None, [].as_slice()),
    };
    let then: Vec<Target> = own.iter().chain(rest).cloned().collect();
    if !then.is_empty() {
        headers.push(header::THEN, chain_to_text(&then));
    }
    if let Some(media) = media {
        headers.push(header::CONTENT_TYPE, media);
    }
    if let Some(parent) = origin.parent {
        headers.push(header::PARENT, parent.as_str());
    }
    if let Some(trace) = origin.trace_parent {
        headers.set(header::TRACE_PARENT, trace.to_string());
    }
    headers.push(header::DEPTH, origin.depth.to_string());
    let subject = JobSubject {
        tenant: origin.tenant.clone(),
        lane: lane.unwrap_or(origin.lane),
        queue: queue.unwrap_or_else(|| origin.queue.clone()),
        task: task.cloned().unwrap_or_else(webhook_task),
        id: Some(id),
    };
    Next { subject, headers, payload }
}

fn webhook_task() -> TaskName {
    #[allow(clippy::expect_used)]
    WEBHOOK_TASK.parse().expect("a fixed name is valid")
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
