//! The users of the server of `lovage dev`: whoever gives no credentials is the operator, since nobody but this machine
//! reaches it; tenants' users are held to their rights.

use super::super::exit::OrExit;
use super::super::{Exit, Failure};
use crate::access::secret::Password;
use crate::access::users::{self, OperatorUser};
use crate::server::Running;
use crate::tenant_book::TenantBook;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The file, beside the server's own, and how the server's configuration names it.
const FILE: &str = "lovage-users.conf";
/// What the server's configuration says of it.
pub(super) const INCLUDE: &str = "include \"lovage-users.conf\"";

/// Follows the records of tenants.
pub(super) struct Users {
    path: PathBuf,
    operator: OperatorUser,
    book: Arc<TenantBook>,
    changes: watch::Receiver<u64>,
}

/// Writes a file with the operator's user alone, unless there is one: the server does not start without.
pub(super) fn prepare(dir: &Path) -> Result<OperatorUser, Failure> {
    let path = dir.join(FILE);
    if let Ok(Some(operator)) = users::operator_of(&path) {
        return Ok(operator);
    }
    let password = Password::random().or_exit(Exit::Host)?;
    let operator =
        OperatorUser { user: "operator".to_owned(), password_hash: password.reveal().to_owned(), open: true };
    let text = users::render(&operator, []).or_exit(Exit::Host)?;
    users::write(&path, &text).or_exit(Exit::Host)?;
    Ok(operator)
}

impl Users {
    /// Lists the tenants that a worker knows, from now on.
    pub(super) fn follow(dir: &Path, operator: OperatorUser, book: Arc<TenantBook>) -> Self {
        let mut changes = book.changes();
        changes.mark_changed();
        Self { path: dir.join(FILE), operator, book, changes }
    }

    /// Waits for a change of the records.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // the worker is gone, and this with it soon
            std::future::pending::<()>().await;
        }
    }

    /// Writes the file, and has the server read it where it changed.
    pub(super) fn apply(&self, server: &mut Running) -> Result<(), Failure> {
        let records = self.book.all();
        let text = users::render(&self.operator, records.iter().map(|record| &**record)).or_exit(Exit::Host)?;
        if users::write(&self.path, &text).or_exit(Exit::Host)? {
            server.reload().or_exit(Exit::Host)?;
        }
        Ok(())
    }
}
