//! What is stored on the broker and read back: whoever may write there could have written anything.

use crate::{headers::message, told};
use lovage_job::{
    capability::Grants,
    catalog::TaskRecord,
    dead::DeadLetter,
    event::Event,
    limit::Entry,
    result::JobResult,
    schedule::ScheduleRecord,
    tenant::TenantRecord,
    worker::{Command, WorkerInfo},
};

pub(crate) fn run(bytes: &[u8]) {
    if let Some((first, headers)) = message(bytes) {
        match DeadLetter::from_message(&headers, first.as_bytes().to_vec()) {
            Ok(letter) => {
                let again = DeadLetter::from_message(&letter.to_headers(), letter.payload.clone());
                assert_eq!(again.ok().map(|letter| letter.id), Some(letter.id.clone()));
            }
            Err(error) => told(&error),
        }
        match JobResult::from_message(&headers, first.as_bytes().to_vec()) {
            Ok(result) => assert!(JobResult::from_message(&result.to_headers(), result.body.clone()).is_ok()),
            Err(error) => told(&error),
        }
        let _none_where_it_is_none = Entry::parse(first, headers.get("Value").map(str::as_bytes));
    }
    record::<Event>(bytes);
    record::<TaskRecord>(bytes);
    record::<TenantRecord>(bytes);
    record::<ScheduleRecord>(bytes);
    record::<Grants>(bytes);
    record::<WorkerInfo>(bytes);
    let _none_where_it_is_none = Command::parse(bytes);
}

/// A record that reads is written and reads again.
fn record<T: serde::de::DeserializeOwned + serde::Serialize>(bytes: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&record).unwrap_or_default();
        assert!(serde_json::from_slice::<T>(&written).is_ok(), "{}", String::from_utf8_lossy(&written));
    }
}
