//! What a request sets of a tenant. A field that is left out stays, and `null` is without limit.

use crate::http::problem::{Code, Problem};
use lovage_job::tenant::{Quota, TenantRecord, WEIGHT_MAX};
use lovage_job::unit::ByteSize;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A quota: left out, without limit, or so much.
type Bound<T> = Option<Option<T>>;

/// Tells `null` from nothing.
fn bound<'de, D: Deserializer<'de>, T: Deserialize<'de>>(given: D) -> Result<Bound<T>, D::Error> {
    Option::deserialize(given).map(Some)
}

/// What a tenant may use.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantBody {
    /// Its share of a busy worker beside other tenants': 1 to 100.
    pub weight: Option<u32>,
    /// Attempts at once, over all workers; null is without limit, here and below.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub concurrency: Bound<u32>,
    /// Jobs that wait or run.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub queued: Bound<u64>,
    /// Bytes of jobs that wait or run, such as 1GiB.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queued_bytes: Bound<ByteSize>,
    /// Jobs that wait for their time.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub delayed: Bound<u64>,
    /// Bytes in all its streams and buckets but those of components.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub storage: Bound<ByteSize>,
    /// The largest message of a job.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub payload: Bound<ByteSize>,
    /// Units of fuel in a day of UTC.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub fuel_per_day: Bound<u64>,
    /// Components that are stored.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub components: Bound<u64>,
    /// The largest component.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub component_size: Bound<ByteSize>,
    /// Bytes to and from other hosts in a day of UTC.
    #[serde(deserialize_with = "bound", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub egress_per_day: Bound<ByteSize>,
}

impl TenantBody {
    /// Refuses what makes no sense by itself.
    pub fn check(&self) -> Result<(), Problem> {
        match self.weight {
            Some(weight) if !(1..=WEIGHT_MAX).contains(&weight) => {
                Err(Problem::new(Code::BadBody, format_args!("weight: {weight} is not between 1 and {WEIGHT_MAX}")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Puts what is set into a record.
    pub fn apply(&self, record: &mut TenantRecord) {
        fn put<T: Copy>(given: Bound<T>, into: &mut Option<T>) {
            if let Some(value) = given {
                *into = value;
            }
        }
        record.weight = self.weight.unwrap_or(record.weight);
        let quota: &mut Quota = &mut record.quota;
        put(self.concurrency, &mut quota.concurrency);
        put(self.queued, &mut quota.queued);
        put(self.queued_bytes, &mut quota.queued_bytes);
        put(self.delayed, &mut quota.delayed);
        put(self.storage, &mut quota.storage);
        put(self.payload, &mut quota.payload);
        put(self.fuel_per_day, &mut quota.fuel_per_day);
        put(self.components, &mut quota.components);
        put(self.component_size, &mut quota.component_size);
        put(self.egress_per_day, &mut quota.egress_per_day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unit::UnixMs;

    #[test]
    fn null_is_without_limit_and_nothing_leaves_what_is_there() {
        let mut record = TenantRecord::new("acme".parse().unwrap(), UnixMs(1));
        record.quota = Quota { queued: Some(5), concurrency: Some(6), ..Quota::default() };
        let body: TenantBody = serde_json::from_str(r#"{"queued":null,"storage":"2MiB","weight":3}"#).unwrap();
        body.check().unwrap();
        body.apply(&mut record);
        let quota = &record.quota;
        assert_eq!((record.weight, quota.queued, quota.concurrency), (3, None, Some(6)));
        assert_eq!(quota.storage, Some(ByteSize::mib(2)));
        assert!(serde_json::from_str::<TenantBody>(r#"{"quued":1}"#).is_err());
        assert!(TenantBody { weight: Some(0), ..TenantBody::default() }.check().is_err());
    }
}
