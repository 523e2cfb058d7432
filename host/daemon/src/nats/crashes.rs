//! The notes by which crashes are told from releases; the rule is in `lovage_job::crash`.
//!
//! A note belongs to one message, by its place in the stream and when it was stored, both of which are in the address
//! at which it is acknowledged. What is written before what: a release is noted before the message is released, and a
//! begin before the attempt begins, both confirmed; so a worker that dies in between leaves one crash too many at most.
//! A note goes away with the acknowledgement, or with its time. Every write names the note that it was made from, so
//! workers that get a message at the same moment do not undo each other's.

use super::api::{ApiError, DeliveryInfo, PublishReply, WRONG_LAST_SEQUENCE};
use super::settle::CONFIRM_WITHIN;
use crate::ports::BrokerError;
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use lovage_job::crash::CrashRecord;
use lovage_job::subject::asset;

/// How long a note is kept: a message that waits for longer between two crashes is given the benefit of the doubt.
const KEPT: &str = "604800s";
/// How long the mark of a note that was removed is kept.
const MARK_KEPT: &str = "60s";
/// How often a change is tried while others change the same note.
const TRIES: usize = 8;

/// The notes on messages that were delivered more than once.
#[derive(Debug, Clone)]
pub struct Crashes {
    client: Client,
    instance: String,
}

impl Crashes {
    /// Notes in the name of this run of this worker.
    pub fn new(client: Client) -> Self {
        Self { client, instance: uuid::Uuid::now_v7().simple().to_string() }
    }

    /// This run of this worker.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Changes the note on the message that is acknowledged at `address`, and returns what it says then. Nothing is
    /// written where `change` says no.
    pub async fn change(
        &self,
        address: &str,
        mut change: impl FnMut(&mut CrashRecord) -> bool,
    ) -> Result<CrashRecord, BrokerError> {
        let subject = subject_of(address).ok_or_else(|| fault(format_args!("{address} is no delivery")))?;
        // nobody can have noted anything on a first delivery, so nothing is read then
        let mut known = if is_first(address) { Some((CrashRecord::default(), 0)) } else { None };
        for _ in 0..TRIES {
            let (mut record, revision) = match known.take() {
                Some(known) => known,
                None => self.read(&subject).await?,
            };
            if !change(&mut record) || self.write(&subject, &record, revision).await? {
                return Ok(record);
            }
        }
        Err(fault("others change it without end"))
    }

    /// Notes that a message is about to be released: its delivery was no crash. Where the broker does not answer, the
    /// message is released all the same, and counts as one.
    pub async fn before_release(&self, address: &str) {
        let noted = if is_first(address) {
            let release = |record: &mut CrashRecord| {
                record.release_first();
                true
            };
            self.change(address, release).await
        } else {
            let take_back = |record: &mut CrashRecord| {
                let before = record.begun.len();
                record.end(&self.instance);
                record.begun.len() < before
            };
            self.change(address, take_back).await
        };
        if let Err(error) = noted {
            tracing::debug!(address, error = %error, "a release is not noted and may count as a crash");
        }
    }

    /// Removes the note on a message that is acknowledged; not confirmed, since it goes away in time by itself. A
    /// message that was delivered once has none, so nothing is sent.
    pub async fn forget(&self, address: &str) {
        let Some(subject) = subject_of(address).filter(|_| !is_first(address)) else { return };
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", "PURGE");
        headers.insert("Nats-Rollup", "sub");
        headers.insert("Nats-TTL", MARK_KEPT);
        let _goes_away_in_time = self.client.publish_with_headers(subject, headers, Bytes::new()).await;
    }

    /// The note and its place in the bucket.
    async fn read(&self, subject: &str) -> Result<(CrashRecord, u64), BrokerError> {
        let request = async_nats::Request::new().timeout(Some(CONFIRM_WITHIN));
        let get = format!("$JS.API.DIRECT.GET.KV_{}.{subject}", asset::CONTROL);
        let reply = self.client.send_request(get, request).await.map_err(fault)?;
        match reply.status.map(|status| status.as_u16()) {
            Some(404) => return Ok((CrashRecord::default(), 0)),
            Some(status) => return Err(fault(format_args!("the broker answered {status}"))),
            None => {}
        }
        let headers = reply.headers.unwrap_or_default();
        let sequence = headers.get("Nats-Sequence").and_then(|text| text.as_str().parse().ok());
        let sequence = sequence.ok_or_else(|| fault("the answer has no sequence"))?;
        let gone = headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some();
        Ok((if gone { CrashRecord::default() } else { CrashRecord::read(&reply.payload) }, sequence))
    }

    /// Writes a note in the place of the one at `revision`; false where that is not the last one any more.
    async fn write(&self, subject: &str, record: &CrashRecord, revision: u64) -> Result<bool, BrokerError> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
        headers.insert("Nats-TTL", KEPT);
        let body = serde_json::to_vec(record).map_err(fault)?;
        let request = async_nats::Request::new().headers(headers).payload(body.into()).timeout(Some(CONFIRM_WITHIN));
        let reply = self.client.send_request(subject.to_owned(), request).await.map_err(fault)?;
        match serde_json::from_slice::<PublishReply>(&reply.payload).map_err(fault)?.error {
            None => Ok(true),
            Some(ApiError { err_code: WRONG_LAST_SEQUENCE, .. }) => Ok(false),
            Some(error) => Err(fault(error.description)),
        }
    }
}

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("note on a crash: {error}"))
}

/// The tokens of an acknowledgement's address from the stream's name on.
fn place(address: &str) -> Option<std::str::Split<'_, char>> {
    let skipped = match address.split('.').count() {
        9 => 2,
        11.. => 4,
        _ => return None,
    };
    let mut tokens = address.split('.');
    tokens.nth(skipped - 1)?;
    Some(tokens)
}

/// Whether this is the first time that a message was delivered. Read without allocating: each acknowledgement asks.
fn is_first(address: &str) -> bool {
    place(address).and_then(|mut tokens| tokens.nth(2)).is_none_or(|delivered| delivered == "1")
}

/// The subject of the note on a message.
fn subject_of(address: &str) -> Option<String> {
    let tenant = place(address)?.next()?.strip_prefix("JOBS_")?;
    let info = DeliveryInfo::parse(address)?;
    Some(format!("$KV.{}.{tenant}.crash.{}-{:x}", asset::CONTROL, info.sequence, info.stored_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_named_after_the_message_and_not_its_delivery() {
        for address in [
            "$JS.ACK.JOBS_acme.job_default.2.7.3.255.0",
            "$JS.ACK.JOBS_acme.job_default.9.7.4.255.1",
            "$JS.ACK._.hash.JOBS_acme.job_default.2.7.3.255.0.token",
        ] {
            assert_eq!(subject_of(address).unwrap(), "$KV.control.acme.crash.7-ff");
            assert!(!is_first(address));
        }
        assert!(is_first("$JS.ACK.JOBS_acme.job_default.1.7.3.255.0"));
        assert!(is_first("$JS.ACK._.hash.JOBS_acme.job_default.1.7.3.255.0"));
    }

    #[test]
    fn other_addresses_have_no_note() {
        for address in ["", "_INBOX.x", "$JS.ACK.OTHER.c.2.7.3.255.0", "$JS.ACK.JOBS_a.c.x.y.z.v.w"] {
            assert_eq!(subject_of(address), None, "{address}");
        }
        assert!(is_first("_INBOX.x"), "nothing is sent for it");
    }
}
