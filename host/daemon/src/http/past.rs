//! The history as the server has it: opened when it is first asked for, so that a database that is down keeps nothing else
//! from being served, and not asked again at once where it did not answer.

use super::problem::{Code, Problem};
use lovage_history::{DatabaseUrl, HistoryError, Store, StoreOptions};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long a database that could not be opened is left alone.
const REST: Duration = Duration::from_secs(3);

/// The history, if there is one.
#[derive(Debug, Default)]
pub struct Past {
    url: Option<DatabaseUrl>,
    store: OnceCell<Store>,
    failed: Mutex<Option<Instant>>,
}

impl Past {
    /// The history at an address, or none.
    pub fn new(url: Option<DatabaseUrl>) -> Self {
        Self { url, ..Self::default() }
    }

    /// Whether there is one.
    pub fn is_kept(&self) -> bool {
        self.url.is_some()
    }

    /// The history, which may not answer now.
    pub async fn store(&self) -> Result<&Store, Problem> {
        let Some(url) = &self.url else {
            return Err(Problem::new(
                Code::HistoryUnavailable,
                "this server keeps no history: --history names a database",
            ));
        };
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some_and(|at| at.elapsed() < REST) {
            return Err(unavailable());
        }
        let opened = self.store.get_or_try_init(|| Store::open(url, StoreOptions::default())).await;
        if opened.is_err() {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        Ok(opened?)
    }
}

fn unavailable() -> Problem {
    let problem = Problem::new(Code::HistoryUnavailable, "the database does not answer; what is live is still served");
    problem.retry_after(REST)
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Cursor(_) => Self::new(Code::BadCursor, "give `next` of the page before, as it is"),
            HistoryError::Question { .. } => Self::new(Code::BadRequest, error),
            HistoryError::Unavailable { .. }
            | HistoryError::Newer { .. }
            | HistoryError::Migration { .. }
            | HistoryError::Refused { .. }
            | HistoryError::Damaged { .. }
            | HistoryError::Gap { .. } => {
                tracing::warn!(error = %error, "the history cannot be read");
                unavailable()
            }
        }
    }
}
