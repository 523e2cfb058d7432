//! What a tenant may use, over all workers.

use crate::unit::ByteSize;
use serde::{Deserialize, Serialize};

/// What a tenant may use, over all workers. Nothing means without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// Attempts at once.
    pub concurrency: Option<u32>,
    /// Jobs that wait or run.
    pub queued: Option<u64>,
    /// Bytes of jobs that wait or run.
    pub queued_bytes: Option<ByteSize>,
    /// The largest payload of a job as a message.
    pub payload: Option<ByteSize>,
    /// Units of fuel in a day of UTC.
    pub fuel_per_day: Option<u64>,
    /// Components that are stored.
    pub components: Option<u64>,
    /// The largest component.
    pub component_size: Option<ByteSize>,
    /// Bytes sent to and received from other hosts in a day of UTC.
    pub egress_per_day: Option<ByteSize>,
}
