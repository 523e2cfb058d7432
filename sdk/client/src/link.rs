//! A connection that hears what the server refuses. The server tells a user without a right so, but beside the request,
//! which would wait for an answer until its time is up.

use async_nats::{Message, Request, RequestError, Subject};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::broadcast;

/// Refusals that are kept for those who wait.
const HEARD_MAX: usize = 256;

/// What the server refuses on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Refusals {
    told: broadcast::Sender<String>,
    /// Whether answers cannot come: the user may not use inboxes of this prefix.
    no_inbox: Arc<AtomicBool>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { told: broadcast::Sender::new(HEARD_MAX), no_inbox: Arc::default() }
    }
}

impl Refusals {
    /// Takes what the server says, such as `Permissions Violation for Publish to "a.b"`.
    pub(crate) fn note(&self, text: &str) {
        let Some(subject) = text.split('"').nth(1) else { return };
        if text.to_ascii_lowercase().contains("subscription to") && subject.starts_with("_INBOX") {
            self.no_inbox.store(true, Ordering::Relaxed);
        }
        // nobody may be waiting
        let _ = self.told.send(subject.to_owned());
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// The user has no right to it.
    Forbidden(String),
    /// As without refusals.
    Failed(RequestError),
}

/// A connection, with what is refused on it.
#[derive(Clone)]
pub(crate) struct Link {
    nats: async_nats::Client,
    refusals: Refusals,
}

impl Deref for Link {
    type Target = async_nats::Client;
    fn deref(&self) -> &async_nats::Client {
        &self.nats
    }
}

impl Link {
    pub(crate) fn new(nats: async_nats::Client, refusals: Refusals) -> Self {
        Self { nats, refusals }
    }

    /// Sends a request; a refusal of it ends the wait.
    pub(crate) async fn ask(&self, subject: String, request: Request) -> Result<Message, AskError> {
        let refused = self.refused(&subject);
        tokio::select! {
            answer = self.nats.send_request(Subject::from(subject.clone()), request) => answer.map_err(AskError::Failed),
            reason = refused => Err(AskError::Forbidden(reason)),
        }
    }

    /// Waits until the server refuses a subject, from the call on, and says why.
    pub(crate) fn refused(&self, subject: &str) -> impl Future<Output = String> + use<> {
        let (mut heard, subject) = (self.refusals.told.subscribe(), subject.to_owned());
        let no_inbox = self.refusals.no_inbox.clone();
        async move {
            loop {
                if no_inbox.load(Ordering::Relaxed) {
                    return "this user may not use inboxes of this prefix, so no answer reaches it; give the prefix that \
                            came with its credentials (--inbox-prefix or NATS_INBOX_PREFIX)"
                        .to_owned();
                }
                match heard.recv().await {
                    Ok(refused) if refused == subject => {
                        return "this user has no right to it: a tenant's user submits jobs and reads results and events; \
                                ask the operator"
                            .to_owned();
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refusals_name_their_subject_and_lost_inboxes_are_kept() {
        let refusals = Refusals::default();
        let mut heard = refusals.told.subscribe();
        refusals.note("Permissions Violation for Publish to \"$JS.API.INFO\"");
        assert_eq!(heard.recv().await.unwrap(), "$JS.API.INFO");
        assert!(!refusals.no_inbox.load(Ordering::Relaxed));
        refusals.note("Permissions Violation for Subscription to \"_INBOX.abc.*\"");
        assert!(refusals.no_inbox.load(Ordering::Relaxed));
        refusals.note("Authorization Violation");
    }
}
