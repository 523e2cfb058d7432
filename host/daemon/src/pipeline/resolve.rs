//! resolve: Admitted -> Ready. The alias becomes a digest, the digest a compiled task; the input is checked.

use super::admit::{Admitted, release};
use super::decode::End;
use super::{Shared, Step};
use crate::ports::{Broker, Delivery, Holds, Resolution, Tasks};
use crate::registry::ready::ReadyTask;
use bytes::Bytes;
use lovage_job::capability::Grants;
use lovage_job::job::Job;
use lovage_job::outcome::{JobError, OutcomeKind};
use std::sync::Arc;

/// A job with all that it takes to run it.
pub(super) struct Ready {
    pub(super) job: Job,
    pub(super) task: Arc<ReadyTask>,
    pub(super) grants: Arc<Grants>,
    pub(super) input: Bytes,
    pub(super) message: Delivery,
    pub(super) holds: Holds,
}

pub(super) async fn resolve<B: Broker, T: Tasks>(shared: &Shared<B, T>, admitted: Admitted) -> Step<Ready> {
    let Admitted { job, input, message, holds } = admitted;
    let wanted = job.wishes.version.as_ref();
    let found = shared.tasks.resolve(&message.tenant, &job.subject.task, wanted, job.pinned.as_ref(), &job.id).await;
    let error = match found {
        Ok(Resolution::Ready(task, grants)) => match shared.broker.quarantined(&message.tenant, &task.digest) {
            Some(reason) => JobError::new(OutcomeKind::Quarantined, reason),
            None => match task.input.check(&input) {
                Ok(()) => return Step::Next(Ready { job, task, grants, input, message, holds }),
                Err(error) => JobError::new(OutcomeKind::BadInput, error.to_string()),
            },
        },
        Ok(Resolution::Unknown(reason)) => JobError::new(OutcomeKind::UnknownTask, reason),
        Ok(Resolution::Broken(reason)) => JobError::new(OutcomeKind::BadComponent, reason),
        Err(error) => {
            tracing::warn!(job.id = %job.id, task = %job.subject.task, error = %error, "task not resolved, job released");
            return Step::End(release(message));
        }
    };
    Step::End(End::of(&job, error).settle(shared, message, true))
}
