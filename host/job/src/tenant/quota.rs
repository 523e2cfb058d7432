//! What a tenant may use, over all workers.
//!
//! What the broker can refuse it refuses at publish: queued jobs and bytes, and the size of a message. For the rest the
//! tenant's jobs wait, and nobody else notices.

use crate::unit::ByteSize;
use crate::usage::Used;
use serde::{Deserialize, Serialize};

/// The least that a message of a job may be limited to: its headers, and those of its attempts, must fit.
pub const PAYLOAD_MIN: ByteSize = ByteSize::kib(64);
/// The least that what a tenant's tasks keep may be limited to.
pub const KEPT_MIN: ByteSize = ByteSize::mib(1);
/// How much smaller a message of a schedule may be than the job that comes of it, which has the broker's headers too.
pub const SCHEDULE_SPARE_BYTES: u64 = 2 * 1024;

/// What a tenant may use, over all workers. Nothing means without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// Attempts at once.
    pub concurrency: Option<u32>,
    /// Jobs that wait or run.
    pub queued: Option<u64>,
    /// Bytes of jobs that wait or run. The broker keeps them aside.
    pub queued_bytes: Option<ByteSize>,
    /// Jobs that wait for their time: delayed ones, retries and those held back.
    pub delayed: Option<u64>,
    /// The largest message of a job, with its headers.
    pub payload: Option<ByteSize>,
    /// Units of fuel in a day of UTC.
    pub fuel_per_day: Option<u64>,
    /// Components that are stored.
    pub components: Option<u64>,
    /// The largest component.
    pub component_size: Option<ByteSize>,
    /// Bytes sent to and received from other hosts in a day of UTC.
    pub egress_per_day: Option<ByteSize>,
    /// Bytes in all of the tenant's streams and buckets but those of components.
    pub storage: Option<ByteSize>,
    /// Bytes of the keys and values that its tasks keep; nothing where the workers' own figure does. The broker keeps them
    /// aside.
    pub keyvalue: Option<ByteSize>,
    /// Bytes of the blobs that its tasks keep; nothing where the workers' own figure does. The broker keeps them aside.
    pub blobstore: Option<ByteSize>,
}

/// A quota that makes no sense. The text names the value and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Nothing could be done under it.
    #[error("{what} = 0 would refuse everything; give at least 1, or `none` for no limit")]
    Zero {
        /// Which quota.
        what: &'static str,
    },
    /// Next to nothing could be kept under it.
    #[error("{what} = {value} would hold next to nothing; give at least {KEPT_MIN}, or `none` for what workers give")]
    Kept {
        /// Which quota.
        what: &'static str,
        /// What was given.
        value: ByteSize,
    },
    /// Headers would not fit.
    #[error("payload = {value} leaves no room for the headers of a job; give at least {PAYLOAD_MIN}")]
    Payload {
        /// What was given.
        value: ByteSize,
    },
    /// More than the broker can count.
    #[error("{what} = {value} is more than {most}")]
    Huge {
        /// Which quota.
        what: &'static str,
        /// What was given.
        value: u64,
        /// The most.
        most: u64,
    },
}

impl Quota {
    /// What a tenant gets that is added without a word about it. Concurrency is left to the fair share, since a limit
    /// over all workers costs each job a question to the broker.
    pub fn standard() -> Self {
        Self {
            concurrency: None,
            queued: Some(100_000),
            queued_bytes: None,
            delayed: Some(100_000),
            payload: Some(ByteSize::mib(1)),
            fuel_per_day: None,
            components: Some(100),
            component_size: Some(ByteSize::mib(16)),
            egress_per_day: Some(ByteSize::mib(10 * 1024)),
            storage: Some(ByteSize::mib(10 * 1024)),
            keyvalue: None,
            blobstore: None,
        }
    }

    /// Refuses what makes no sense.
    pub fn check(&self) -> Result<(), QuotaError> {
        let size = |size: Option<ByteSize>| size.map(|size| size.0);
        let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
        let counts = [
            ("concurrency", self.concurrency.map(u64::from), u64::from(crate::limit::CONCURRENCY_MAX)),
            ("queued", self.queued, most),
            ("queued_bytes", size(self.queued_bytes), most),
            ("delayed", self.delayed, most),
            ("fuel_per_day", self.fuel_per_day, u64::MAX),
            ("components", self.components, most),
            ("component_size", size(self.component_size), most),
            ("egress_per_day", size(self.egress_per_day), u64::MAX),
            ("storage", size(self.storage), u64::MAX),
            ("keyvalue", size(self.keyvalue), most),
            ("blobstore", size(self.blobstore), most),
        ];
        for (what, value, most) in counts {
            match value {
                Some(0) => return Err(QuotaError::Zero { what }),
                Some(value) if value > most => return Err(QuotaError::Huge { what, value, most }),
                _ => {}
            }
        }
        for (what, value) in [("keyvalue", self.keyvalue), ("blobstore", self.blobstore)] {
            if let Some(value) = value.filter(|value| *value < KEPT_MIN) {
                return Err(QuotaError::Kept { what, value });
            }
        }
        let most = u64::try_from(i32::MAX).unwrap_or(u64::MAX);
        match self.payload {
            Some(value) if value < PAYLOAD_MIN => Err(QuotaError::Payload { value }),
            Some(ByteSize(value)) if value > most => Err(QuotaError::Huge { what: "payload", value, most }),
            _ => Ok(()),
        }
    }

    /// The largest message of a job in bytes, never below what its headers need.
    pub fn message_bytes(&self) -> Option<u64> {
        self.payload.map(|payload| payload.max(PAYLOAD_MIN).0)
    }

    /// The largest message of a schedule in bytes, so that the job that comes of it is not too large.
    pub fn schedule_bytes(&self) -> Option<u64> {
        self.message_bytes().map(|bytes| bytes.saturating_sub(SCHEDULE_SPARE_BYTES))
    }

    /// Whether a tenant that stores so many bytes, components aside, stores as much as it may.
    pub fn is_full(&self, stored: u64) -> bool {
        self.storage.is_some_and(|most| stored >= most.0)
    }

    /// How many more bytes the tasks of a tenant that stores so many may keep. They may fill nine tenths of its storage:
    /// the jobs of a tenant that is full wait, and what tasks keep does not go away by itself, so that without the last
    /// tenth no job could run any more that removes something.
    pub fn data_room(&self, stored: u64) -> Option<u64> {
        self.storage.map(|most| (most.0 - most.0 / 10).saturating_sub(stored))
    }

    /// What of the day is used up, where something is.
    pub fn spent(&self, used: &Used) -> Option<Spent> {
        let over = |quota: Option<u64>, used: u64| quota.is_some_and(|quota| used >= quota);
        if over(self.fuel_per_day, used.fuel) {
            return Some(Spent::Fuel);
        }
        over(self.egress_per_day.map(|size| size.0), used.egress_bytes).then_some(Spent::Egress)
    }
}

/// For what a tenant's jobs wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The fuel of the day is used up.
    Fuel,
    /// The traffic of the day is used up.
    Egress,
    /// Its streams and buckets hold as much as they may.
    Storage,
}

impl Spent {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fuel => "fuel of the day",
            Self::Egress => "traffic of the day",
            Self::Storage => "storage",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_quota_makes_sense_and_reads_back() {
        let quota = Quota::standard();
        quota.check().unwrap();
        assert_eq!(serde_json::from_str::<Quota>(&serde_json::to_string(&quota).unwrap()).unwrap(), quota);
        Quota::default().check().unwrap();
        assert_eq!(serde_json::from_str::<Quota>("{}").unwrap(), Quota::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let none = Quota::default;
        for (quota, named) in [
            (Quota { queued: Some(0), ..none() }, "queued = 0"),
            (Quota { concurrency: Some(0), ..none() }, "concurrency = 0"),
            (Quota { concurrency: Some(1_000_001), ..none() }, "1000001"),
            (Quota { delayed: Some(u64::MAX), ..none() }, "delayed"),
            (Quota { payload: Some(ByteSize(65_535)), ..none() }, "65535"),
            (Quota { payload: Some(ByteSize::mib(2048)), ..none() }, "payload"),
            (Quota { storage: Some(ByteSize(0)), ..none() }, "storage"),
            (Quota { keyvalue: Some(ByteSize(0)), ..none() }, "keyvalue = 0"),
            (Quota { keyvalue: Some(ByteSize((1 << 20) - 1)), ..none() }, "keyvalue = 1048575"),
            (Quota { blobstore: Some(ByteSize(u64::MAX)), ..none() }, "blobstore"),
        ] {
            let error = quota.check().unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
        Quota { queued: Some(1), payload: Some(PAYLOAD_MIN), fuel_per_day: Some(1), ..none() }.check().unwrap();
        Quota { keyvalue: Some(KEPT_MIN), blobstore: Some(KEPT_MIN), ..none() }.check().unwrap();
    }

    #[test]
    fn tasks_may_fill_all_but_a_tenth_of_the_storage() {
        let quota = Quota { storage: Some(ByteSize(100)), ..Quota::default() };
        assert_eq!([0, 89, 90, 101].map(|stored| quota.data_room(stored)), [Some(90), Some(1), Some(0), Some(0)]);
        assert_eq!([99, 100, 101].map(|stored| quota.is_full(stored)), [false, true, true]);
        let none = Quota::default();
        assert_eq!((none.data_room(u64::MAX), none.is_full(u64::MAX)), (None, false));
        let small = Quota { storage: Some(ByteSize(1)), ..Quota::default() };
        assert_eq!((small.data_room(0), small.data_room(1)), (Some(1), Some(0)));
    }

    #[test]
    fn a_day_is_spent_at_its_quota_and_not_just_below() {
        let quota = Quota { fuel_per_day: Some(100), egress_per_day: Some(ByteSize(10)), ..Quota::default() };
        let spent = |fuel, egress_bytes| quota.spent(&Used { fuel, egress_bytes, ..Used::default() });
        assert_eq!(
            [spent(0, 0), spent(99, 9), spent(100, 0), spent(101, 0)],
            [None, None, Some(Spent::Fuel), Some(Spent::Fuel)]
        );
        assert_eq!([spent(99, 10), spent(0, 11)], [Some(Spent::Egress); 2]);
        assert_eq!(Quota::default().spent(&Used { fuel: u64::MAX, egress_bytes: u64::MAX, ..Used::default() }), None);
    }

    #[test]
    fn a_schedule_is_smaller_than_the_job_that_comes_of_it() {
        let quota = Quota { payload: Some(ByteSize(1)), ..Quota::default() };
        assert_eq!(quota.message_bytes(), Some(PAYLOAD_MIN.0));
        assert_eq!(quota.schedule_bytes(), Some(PAYLOAD_MIN.0 - SCHEDULE_SPARE_BYTES));
        assert_eq!(Quota::default().schedule_bytes(), None);
    }
}
