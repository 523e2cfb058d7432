//! What went wrong below, told to callers: what they can mend in full, what they cannot in general words; the log has
//! the rest.

use super::problem::{Code, Problem};
use crate::nats::records::RecordError;
use crate::nats::tokens::TokenError;
use crate::ports::BrokerError;
use crate::registry::push::PushError;
use crate::steer::SteerError;
use lovage_client::{
    CancelError, ControlError, DeadError, ReadError, ScheduleFault, SubmitError, WaitError, WorkerError,
};
use lovage_job::catalog::CatalogError;
use std::time::Duration;

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::broker(error)
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        Self::broker(error)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match &error {
            SubmitError::Invalid(_) => Self::new(Code::BadBody, error),
            SubmitError::UnknownTask { .. } | SubmitError::UnknownVersion(_) => Self::new(Code::NotFound, error),
            SubmitError::BadInput { .. } => Self::new(Code::BadInput, error),
            SubmitError::PayloadTooLarge { .. } | SubmitError::OverTenantPayload { .. } => {
                Self::new(Code::TooLarge, error)
            }
            SubmitError::QueueFull { tenant, .. } => {
                let detail = format_args!("the queues of tenant {tenant} are full; wait for workers to catch up");
                Self::new(Code::Quota, detail).retry_after(Duration::from_secs(5))
            }
            SubmitError::TooManyDelayed { .. } => Self::new(Code::Quota, error).retry_after(Duration::from_secs(60)),
            SubmitError::NoSuchTenant(tenant) => Self::not_found(format_args!("tenant {tenant}")),
            SubmitError::Contended { .. } => Self::new(Code::Conflict, error).retry_after(Duration::from_secs(1)),
            SubmitError::Payload(_)
            | SubmitError::Key { .. }
            | SubmitError::Forbidden { .. }
            | SubmitError::Refused { .. }
            | SubmitError::Indeterminate { .. } => Self::broker(error),
        }
    }
}

impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut { .. } => Self::new(Code::NotInTime, error),
            WaitError::Closed { .. } => Self::broker(error),
            WaitError::Read(error) => error.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        Self::broker(error)
    }
}

impl From<DeadError> for Problem {
    fn from(error: DeadError) -> Self {
        match error {
            DeadError::NotFound(id) => Self::not_found(format_args!("dead letter of job {id}")),
            DeadError::NotAJob { .. } => Self::new(Code::Conflict, error),
            DeadError::Read(error) => error.into(),
            DeadError::Publish { .. } => Self::broker(error),
        }
    }
}

impl From<ScheduleFault> for Problem {
    fn from(error: ScheduleFault) -> Self {
        match error {
            ScheduleFault::Invalid(_) | ScheduleFault::OfOneJob(_) => Self::new(Code::BadBody, error),
            ScheduleFault::Job(error) => error.into(),
            ScheduleFault::Unknown { .. } => Self::new(Code::NotFound, error),
            ScheduleFault::Foreign { .. } => Self::new(Code::Conflict, error),
            ScheduleFault::Busy(_) => Self::new(Code::Conflict, error).retry_after(Duration::from_secs(1)),
            ScheduleFault::Read(error) => error.into(),
            ScheduleFault::NoBucket | ScheduleFault::Refused(_) => Self::broker(error),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        Self::broker(error)
    }
}

impl From<WorkerError> for Problem {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Unknown(name) => Self::not_found(format_args!("worker {name}")),
            WorkerError::Refused(_) => Self::new(Code::Conflict, error),
            WorkerError::Silent(_) => Self::broker(error),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Unknown(tenant) => Self::not_found(format_args!("tenant {tenant}")),
            RecordError::Exists(_) => Self::new(Code::Conflict, error),
            RecordError::Contended(_) => Self::new(Code::Conflict, error).retry_after(Duration::from_secs(1)),
            RecordError::Damaged { .. } | RecordError::Broker(_) => Self::broker(error),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Exists(_) => Self::new(Code::Conflict, error),
            TokenError::Unknown(key) => Self::not_found(format_args!("token {key}")),
            TokenError::Broker(error) => error.into(),
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match &error {
            CatalogError::UnknownVersion { .. } => Self::new(Code::NotFound, error),
            CatalogError::VersionTaken { .. } | CatalogError::InUse { .. } | CatalogError::NoEarlier { .. } => {
                Self::new(Code::Conflict, error)
            }
            CatalogError::TooManyGrants { .. } => Self::new(Code::BadBody, error),
        }
    }
}

impl From<PushError> for Problem {
    fn from(error: PushError) -> Self {
        match &error {
            PushError::Broker(_) => Self::broker(error),
            PushError::OverComponentSize { .. } | PushError::TooManyComponents { .. } => Self::new(Code::Quota, error),
            PushError::Sandbox(_) | PushError::Compile(lovage_sandbox::CompileError::Host { .. }) => {
                Self::internal(error)
            }
            PushError::Catalog(CatalogError::VersionTaken { .. }) => Self::new(Code::Conflict, error),
            _ => Self::new(Code::BadComponent, error),
        }
    }
}

impl From<SteerError> for Problem {
    fn from(error: SteerError) -> Self {
        match error {
            SteerError::NoTask { task, .. } => Self::not_found(format_args!("task {task}")),
            SteerError::Catalog(error) => error.into(),
            SteerError::Signature(_) | SteerError::AboveCeiling(_) | SteerError::Stays(_) => {
                Self::new(Code::Conflict, error)
            }
            SteerError::Quota(_) | SteerError::Reserved(_) => Self::new(Code::BadBody, error),
            SteerError::Record(error) => error.into(),
            SteerError::Topology(_) => Self::broker(error),
            SteerError::Broker(error) => error.into(),
        }
    }
}
