//! Claim checks: a body that is too large for a message goes to an object named by its digest, and the message
//! carries the digest.

use crate::client::{Client, now};
use crate::link::AskError;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::object_store::{Config, InfoErrorKind, ObjectInfo, ObjectMetadata, ObjectStore};
use bytes::Bytes;
use lovage_job::dead::DeadLetter;
use lovage_job::header;
use lovage_job::name::Digest;
use lovage_job::subject::asset;
use lovage_job::unit::ByteSize;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// The largest payload.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// The largest payload that goes in the message itself.
const INLINE_BYTES_MAX: usize = 512 << 10;
/// What a message needs besides its payload.
const HEADER_ROOM_BYTES: usize = 64 << 10;
/// The size of an object's parts; larger than the library's default, which is slower.
const CHUNK_BYTES: usize = 900_000;
/// How long payloads are kept.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How old an object may be to be used for another job: later its job could outlive it.
const REUSED: Duration = Duration::from_secs(86_400);

/// Why a body in an object cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The store does not do as it should.
    #[error(
        "the object store {bucket} {action}: {reason}; try again, or ask the operator whether this user may use it"
    )]
    Store {
        /// The object store.
        bucket: String,
        /// What it does not do.
        action: &'static str,
        /// What happened.
        reason: String,
    },
    /// The object is not there.
    #[error("the object {digest} is not in {bucket}; it has expired or was removed")]
    Gone {
        /// The object store.
        bucket: String,
        /// The object.
        digest: Digest,
    },
    /// The object is not what its name says.
    #[error("the object {digest} in {bucket} is damaged: {reason}")]
    Damaged {
        /// The object store.
        bucket: String,
        /// The object.
        digest: Digest,
        /// What is wrong.
        reason: String,
    },
}

/// The largest payload that goes in a message to a server which takes messages of `message_bytes_max`.
pub(crate) fn inline_bytes_max(message_bytes_max: usize) -> usize {
    let room = message_bytes_max.saturating_sub(HEADER_ROOM_BYTES).max(message_bytes_max / 2);
    room.min(INLINE_BYTES_MAX)
}

impl Client {
    /// Stores a payload under its digest, unless a fresh one is there.
    pub(crate) async fn upload(&self, payload: Bytes) -> Result<Digest, ClaimError> {
        let digest = Digest::of(&payload);
        let store = self.payloads().await?;
        let failed = |action, reason: String| self.claim_error(action, reason);
        match store.info(digest.hex()).await {
            Ok(info) if is_fresh(&info, payload.len()) => return Ok(digest),
            Ok(_) => {}
            Err(error) if error.kind() == InfoErrorKind::NotFound => {}
            Err(error) => return Err(failed("does not answer", error.to_string())),
        }
        let meta = ObjectMetadata {
            name: digest.hex().to_owned(),
            chunk_size: Some(CHUNK_BYTES.min(self.nats.max_payload() / 4 * 3).max(1)),
            ..ObjectMetadata::default()
        };
        let stored = store.put(meta, &mut std::io::Cursor::new(payload)).await;
        stored.map(|_| digest).map_err(|error| failed("does not take the payload", error.to_string()))
    }

    /// The payload of a dead letter: its own, or that of the object which its headers name, because the job was too
    /// large for a message.
    pub async fn payload_of(&self, letter: &DeadLetter) -> Result<Vec<u8>, ClaimError> {
        let digest = letter.headers.get(header::PAYLOAD).and_then(|digest| digest.parse::<Digest>().ok());
        match digest.filter(|_| letter.payload.is_empty()) {
            Some(digest) => self.download(&digest).await,
            None => Ok(letter.payload.clone()),
        }
    }

    /// Reads the object of that digest and verifies it.
    pub(crate) async fn download(&self, digest: &Digest) -> Result<Vec<u8>, ClaimError> {
        let bucket = asset::payloads(&self.tenant);
        self.may_use_objects(&bucket).await?;
        let store = self.jetstream.get_object_store(&bucket).await;
        let store = store.map_err(|error| self.claim_error("cannot be opened", error.to_string()))?;
        let object = match store.get(digest.hex()).await {
            Ok(object) => object,
            Err(error) if error.kind() == async_nats::jetstream::object_store::GetErrorKind::NotFound => {
                return Err(ClaimError::Gone { bucket, digest: digest.clone() });
            }
            Err(error) => return Err(self.claim_error("does not answer", error.to_string())),
        };
        let damaged = |reason: String| ClaimError::Damaged { bucket: bucket.clone(), digest: digest.clone(), reason };
        let size = object.info().size;
        if size > PAYLOAD_BYTES_MAX {
            return Err(damaged(format!("it has {size} bytes, more than {PAYLOAD_BYTES_MAX}")));
        }
        let mut body = Vec::with_capacity(size);
        let most = u64::try_from(PAYLOAD_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        let read = object.take(most).read_to_end(&mut body).await;
        read.map_err(|error| damaged(error.to_string()))?;
        match Digest::of(&body) {
            found if found == *digest => Ok(body),
            found => Err(damaged(format!("its digest is {found}"))),
        }
    }

    async fn payloads(&self) -> Result<ObjectStore, ClaimError> {
        let bucket = asset::payloads(&self.tenant);
        self.may_use_objects(&bucket).await?;
        let missing = match self.jetstream.get_object_store(&bucket).await {
            Ok(store) => return Ok(store),
            Err(error) if is_missing(&error) => error,
            Err(error) => return Err(self.claim_error("cannot be opened", error.to_string())),
        };
        let config = Config {
            bucket: bucket.clone(),
            description: Some("Payloads and results that are too large for a message, by digest".to_owned()),
            max_age: KEPT,
            ..Config::default()
        };
        match self.jetstream.create_object_store(config).await {
            Ok(store) => Ok(store),
            // Another client may have created it in the meantime.
            Err(error) => self
                .jetstream
                .get_object_store(&bucket)
                .await
                .map_err(|_| self.claim_error("cannot be created", format!("{missing}; {error}"))),
        }
    }

    /// Asks whether this user may use objects: the library would wait long for what the server refuses.
    async fn may_use_objects(&self, bucket: &str) -> Result<(), ClaimError> {
        let request = async_nats::Request::new().payload(Bytes::new()).timeout(Some(Duration::from_secs(3)));
        match self.nats.ask(format!("$JS.API.STREAM.INFO.OBJ_{bucket}"), request).await {
            Err(AskError::Forbidden(reason)) => Err(self.claim_error("holds what is too large for a message", reason)),
            // whatever else happened shows again
            Ok(_) | Err(AskError::Failed(_)) => Ok(()),
        }
    }

    fn claim_error(&self, action: &'static str, reason: String) -> ClaimError {
        ClaimError::Store { bucket: asset::payloads(&self.tenant), action, reason }
    }
}

fn is_missing(error: &async_nats::jetstream::context::ObjectStoreError) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<async_nats::jetstream::context::GetStreamError>());
    source.is_some_and(|source| matches!(source.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404))
}

fn is_fresh(info: &ObjectInfo, size: usize) -> bool {
    let age = info.modified.map(|modified| {
        let modified = u64::try_from(modified.unix_timestamp()).unwrap_or(0).saturating_mul(1_000);
        now().since(lovage_job::unit::UnixMs(modified))
    });
    !info.deleted && info.size == size && age.is_some_and(|age| age < REUSED)
}

/// A size for people.
pub(crate) fn told(bytes: usize) -> String {
    ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_lowers_the_threshold() {
        assert_eq!(inline_bytes_max(8 << 20), 512 << 10);
        assert_eq!(inline_bytes_max(1 << 20), 512 << 10);
        assert_eq!(inline_bytes_max(576 << 10), 512 << 10);
        assert_eq!(inline_bytes_max(256 << 10), 192 << 10);
        assert_eq!(inline_bytes_max(64 << 10), 32 << 10);
        assert_eq!(inline_bytes_max(0), 0);
    }
}
