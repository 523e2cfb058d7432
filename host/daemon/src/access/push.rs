//! Tells a running server of accounts, over its system account: no restart, no reload.

use async_nats::{ConnectOptions, RequestErrorKind};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// How long the server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why the server does not take claims.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// There is no connection to the system account.
    #[error("no connection to the system account of {servers}: {reason}")]
    Connect {
        /// The servers.
        servers: String,
        /// Why.
        reason: String,
    },
    /// It knows no claims.
    #[error(
        "the server at {servers} does not take claims: it is not in operator mode, or not with a resolver of its own"
    )]
    NotOperatorMode {
        /// The servers.
        servers: String,
    },
    /// It refuses them.
    #[error("the server does not take the claims: {0}")]
    Refused(String),
}

/// A connection to the system account.
pub struct Pusher {
    client: async_nats::Client,
    servers: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    description: String,
}

impl Pusher {
    /// Connects with the credentials of the system account's user.
    pub async fn connect(servers: &str, creds: &Path) -> Result<Self, PushError> {
        let fail = |reason: String| PushError::Connect { servers: servers.to_owned(), reason };
        let options = ConnectOptions::with_credentials_file(creds).await.map_err(|error| fail(error.to_string()))?;
        let addresses: Vec<&str> = servers.split(',').map(str::trim).collect();
        let client =
            options.name("lovage-operator").connect(addresses).await.map_err(|error| fail(error.to_string()))?;
        Ok(Self { client, servers: servers.to_owned() })
    }

    /// Tells of an account, new or changed.
    pub async fn update(&self, token: &str) -> Result<(), PushError> {
        self.ask("$SYS.REQ.CLAIMS.UPDATE", token).await
    }

    /// Has accounts forgotten; their connections end.
    pub async fn delete(&self, order: &str) -> Result<(), PushError> {
        self.ask("$SYS.REQ.CLAIMS.DELETE", order).await
    }

    async fn ask(&self, subject: &'static str, body: &str) -> Result<(), PushError> {
        let asked = self.client.request(subject, body.to_owned().into());
        let answer = match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                return Err(PushError::NotOperatorMode { servers: self.servers.clone() });
            }
            Ok(Err(error)) => return Err(PushError::Refused(error.to_string())),
            Err(_) => return Err(PushError::NotOperatorMode { servers: self.servers.clone() }),
        };
        let answer: Answer =
            serde_json::from_slice(&answer.payload).map_err(|error| PushError::Refused(error.to_string()))?;
        match answer.error {
            Some(refusal) => Err(PushError::Refused(refusal.description)),
            None => Ok(()),
        }
    }
}
