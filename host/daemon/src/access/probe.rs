//! Tries new credentials at the server: whether it knows them already, and whether it holds them to their rights.

use async_nats::{ConnectErrorKind, ConnectOptions, Event};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a refusal may take after the server has read what it refuses.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);
/// A subject that no user of a tenant may publish to.
const FORBIDDEN: &str = "lovage.-.probe";

/// What a server makes of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It knows them and refuses what they have no right to.
    Held,
    /// It lets them in and lets them do everything: it asks nobody for rights.
    Unheld,
    /// It does not know them.
    Unknown,
    /// It could not be asked.
    Unreachable,
}

/// Tries credentials until the server knows them, for so long.
pub async fn try_credentials(servers: &str, options: impl Fn() -> ConnectOptions, within: Duration) -> Standing {
    let deadline = Instant::now() + within;
    loop {
        let standing = try_once(servers, options()).await;
        if !matches!(standing, Standing::Unknown) || Instant::now() >= deadline {
            return standing;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the server does not know credentials any more, for so long; tells what it makes of them then.
pub async fn await_refusal(servers: &str, options: impl Fn() -> ConnectOptions, within: Duration) -> Standing {
    let deadline = Instant::now() + within;
    loop {
        let standing = try_once(servers, options()).await;
        if matches!(standing, Standing::Unknown) || Instant::now() >= deadline {
            return standing;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_once(servers: &str, options: ConnectOptions) -> Standing {
    let servers: Vec<String> = servers.split(',').map(|server| server.trim().to_owned()).collect();
    let refused = Arc::new(Notify::new());
    let told = refused.clone();
    let options = options.event_callback(move |event| {
        if matches!(event, Event::ServerError(_)) {
            told.notify_one();
        }
        std::future::ready(())
    });
    let client = match options.connect(servers).await {
        Ok(client) => client,
        Err(error) => {
            return match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => Standing::Unknown,
                _ => Standing::Unreachable,
            };
        }
    };
    if client.publish(FORBIDDEN, "".into()).await.is_err() || client.flush().await.is_err() {
        return Standing::Unreachable;
    }
    match tokio::time::timeout(REFUSAL_WITHIN, refused.notified()).await {
        Ok(()) => Standing::Held,
        Err(_) => Standing::Unheld,
    }
}
