//! The buckets of bearer tokens and sessions. What lies here opens nothing: only hashes are stored.

use super::control::{Change, watch};
use crate::ports::BrokerError;
use async_nats::jetstream::{Context, kv};
use futures::TryStreamExt;
use lovage_job::name::TenantName;
use lovage_job::token::{SESSIONS, SessionRecord, TOKENS, TokenKey, TokenRecord, session_key};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the marker of a removed key stays: servers that are away for less learn of it when they are back.
const MARKER_KEPT: Duration = Duration::from_secs(60);

/// Why a token was not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is one of that name.
    #[error("there is a token {0} already; take another name, or remove that one first")]
    Exists(TokenKey),
    /// There is none.
    #[error("there is no token {0}")]
    Unknown(TokenKey),
    /// The broker failed; a retry is useful.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

fn broker(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("the bucket of tokens: {error}"))
}

/// The tokens and sessions of all tenants.
#[derive(Debug, Clone)]
pub struct Tokens {
    tokens: kv::Store,
    sessions: kv::Store,
}

/// What changed in a bucket: a record, or nothing under this key any more.
#[derive(Debug)]
pub enum TokenChange {
    /// A token was made.
    Token(Box<TokenRecord>),
    /// A token is gone.
    NoToken(TokenKey),
    /// A session was made.
    Session(String, SessionRecord),
    /// A session is gone.
    NoSession(String),
}

impl Tokens {
    /// Opens the buckets.
    pub async fn open(js: &Context) -> Result<Self, BrokerError> {
        let tokens = js.get_key_value(TOKENS).await.map_err(broker)?;
        Ok(Self { tokens, sessions: js.get_key_value(SESSIONS).await.map_err(broker)? })
    }

    /// Every token, by key. What cannot be read is left out, and said so in the log.
    pub async fn all(&self) -> Result<Vec<TokenRecord>, BrokerError> {
        let mut keys: Vec<String> = self.tokens.keys().await.map_err(broker)?.try_collect().await.map_err(broker)?;
        keys.sort();
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(value) = self.tokens.get(&key).await.map_err(broker)? else { continue };
            match serde_json::from_slice(&value) {
                Ok(record) => records.push(record),
                Err(error) => tracing::warn!(token = %key, error = %error, "a token cannot be read"),
            }
        }
        Ok(records)
    }

    /// Stores a token whose name is free.
    pub async fn create(&self, record: &TokenRecord) -> Result<(), TokenError> {
        let value = serde_json::to_vec(record).map_err(broker)?;
        match self.tokens.create(record.key().to_string(), value.into()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == kv::CreateErrorKind::AlreadyExists => Err(TokenError::Exists(record.key())),
            Err(error) => Err(broker(error).into()),
        }
    }

    /// Removes a token. Servers hear of it at once.
    pub async fn remove(&self, key: &TokenKey) -> Result<TokenRecord, TokenError> {
        let name = key.to_string();
        let value = self.tokens.get(&name).await.map_err(broker)?;
        let value = value.ok_or_else(|| TokenError::Unknown(key.clone()))?;
        let record = serde_json::from_slice(&value).map_err(broker)?;
        self.tokens.purge_with_ttl(&name, MARKER_KEPT).await.map_err(broker)?;
        Ok(record)
    }

    /// Stores a session for as long as it may last.
    pub async fn open_session(
        &self,
        tenant: Option<&TenantName>,
        record: &SessionRecord,
        lasts: Duration,
    ) -> Result<(), BrokerError> {
        let value = serde_json::to_vec(record).map_err(broker)?;
        let key = session_key(tenant, &record.sha256);
        self.sessions.create_with_ttl(key, value.into(), lasts).await.map(|_| ()).map_err(broker)
    }

    /// Removes a session.
    pub async fn close_session(&self, tenant: Option<&TenantName>, sha256: &str) -> Result<(), BrokerError> {
        self.sessions.purge_with_ttl(session_key(tenant, sha256), MARKER_KEPT).await.map_err(broker)
    }

    /// Hands every token and session to `each`, first those there are and then each change, until `stop`. `caught_up` is
    /// told once the tokens that are there now are known.
    pub async fn follow(
        self,
        stop: CancellationToken,
        caught_up: tokio::sync::oneshot::Sender<()>,
        each: impl Fn(TokenChange) + Clone,
    ) {
        let told = each.clone();
        let tokens = watch(&self.tokens, ">", &stop, Some(caught_up), move |change| {
            token_change(change).into_iter().for_each(&told);
            std::future::ready(())
        });
        let sessions = watch(&self.sessions, ">", &stop, None, move |change| {
            session_change(change).into_iter().for_each(&each);
            std::future::ready(())
        });
        tokio::join!(tokens, sessions);
    }
}

fn token_change(change: Change) -> Option<TokenChange> {
    let key = TokenKey::parse(&change.key)?;
    let Some(value) = change.value else { return Some(TokenChange::NoToken(key)) };
    match serde_json::from_slice::<TokenRecord>(&value) {
        // a record under another name would not go when its name is removed
        Ok(record) if record.key() == key => Some(TokenChange::Token(Box::new(record))),
        // what cannot be read opens nothing, whatever was there before
        Ok(_) | Err(_) => Some(TokenChange::NoToken(key)),
    }
}

fn session_change(change: Change) -> Option<TokenChange> {
    match change.value.map(|value| serde_json::from_slice(&value)) {
        Some(Ok(record)) => Some(TokenChange::Session(change.key, record)),
        Some(Err(_)) | None => Some(TokenChange::NoSession(change.key)),
    }
}
