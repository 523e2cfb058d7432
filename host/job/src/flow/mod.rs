//! What follows a job: callbacks, chains, groups and webhooks, as pure rules.
//!
//! A job may name what runs once it has completed, once it has ended otherwise and once it is a dead letter, what comes
//! after it in a chain, and the group that it is a member of. All of it travels in headers, so the end of a job can be
//! followed up by whoever writes it, as often as it takes: every follow-up has an id made from what it follows, so a
//! repeat submits it once.

mod gather;
mod group;
mod lead;
mod next;
mod sign;
mod spec;
mod told;
mod url;

pub use gather::{GATHERED_BYTES_MAX, Gathered};
pub use group::{
    FAILURES_KEPT, GROUP_KEPT, GROUP_SIZE_MAX, GroupPlace, GroupRecord, GroupState, MemberEnd, MemberFailure,
    OnMemberFailure, Todo, completion_lead,
};
pub use lead::{DEPTH_MAX, Flow};
pub use next::{Led, Next, after, completion};
pub use sign::{ROTATED_SIGNS_FOR, Secrets, WebhookSecret};
pub use spec::{CHAIN_MAX, FlowError, HEADER_BYTES_MAX, JobSpec, NESTING_MAX, Target, chain_from_text, chain_to_text};
pub use told::{Told, WebhookCall};
pub use url::{URL_BYTES_MAX, WebhookUrl};

/// The task that workers run themselves: it delivers a webhook.
pub const WEBHOOK_TASK: &str = "lovage-webhook";

/// Whether a task is the one that delivers webhooks.
pub fn is_webhook(task: &crate::name::TaskName) -> bool {
    task.as_str() == WEBHOOK_TASK
}
