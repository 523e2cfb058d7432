//! The secrets that webhooks are signed with: one for each tenant, made when it is first asked for.

use crate::client::{Client, now};
use crate::publish::{self, PublishFault};
use crate::read::{self, READ_TIMEOUT, ReadError};
use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use lovage_job::flow::{Secrets, WebhookSecret};
use lovage_job::subject::asset;

/// How often a write is tried that someone else is faster with.
const TRIES: usize = 10;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("the webhook secret was not stored: {0}; try again")]
    Write(String),
}

impl Client {
    /// The secrets that this tenant's webhooks are signed with; the first one is made where there is none.
    pub async fn webhook_secrets(&self) -> Result<Secrets, SecretError> {
        self.change_secrets(false).await
    }

    /// Makes a new secret. The one before signs beside it for a day; one that is older signs no more.
    pub async fn rotate_webhook_secret(&self) -> Result<Secrets, SecretError> {
        self.change_secrets(true).await
    }

    async fn change_secrets(&self, rotate: bool) -> Result<Secrets, SecretError> {
        let (stream, subject) = (
            format!("KV_{}", asset::WEBHOOKS),
            format!("$KV.{}.{}", asset::WEBHOOKS, asset::webhook_key(&self.tenant)),
        );
        for _ in 0..TRIES {
            let stored = read::last(&self.nats, &stream, &subject, READ_TIMEOUT).await?;
            let revision = stored.as_ref().map_or(0, |stored| stored.sequence);
            let before: Option<Secrets> = match stored.filter(|stored| !stored.is_tombstone()) {
                None => None,
                Some(stored) => Some(
                    serde_json::from_slice(&stored.payload)
                        .map_err(|error| ReadError::Damaged { what: subject.clone(), reason: error.to_string() })?,
                ),
            };
            let secrets = match before {
                Some(secrets) if !rotate => return Ok(secrets),
                Some(secrets) => secrets.rotated(WebhookSecret::new(rand::random()), now()),
                None => Secrets::first(WebhookSecret::new(rand::random())),
            };
            let body = serde_json::to_vec(&secrets).map_err(|error| SecretError::Write(error.to_string()))?;
            let mut headers = HeaderMap::new();
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
            match publish::publish(&self.nats, &stream, &subject, headers, body.into()).await {
                Ok(_) => return Ok(secrets),
                Err(PublishFault::WrongSequence) => {}
                Err(fault) => return Err(SecretError::Write(fault.to_string())),
            }
        }
        Err(SecretError::Write("it is changed by others all the time".to_owned()))
    }
}
