//! The server whose configuration lists tenants' users: writes its file from the records, and has it read that again.

use super::super::exit::OrExit;
use super::super::{Exit, Failure};
use crate::access::users::{self, OperatorUser, UsersError};
use crate::access::{reload, secret};
use crate::nats::records::Records;
use clap::Args;
use std::path::{Path, PathBuf};

/// The cost of the hash of a password that people chose.
const CHOSEN_COST: u32 = 11;
/// The largest file with a password.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// The server to change.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The server that lists tenants' users")]
pub struct ServerArgs {
    /// The file that nats-server.conf includes; written from the records of all tenants. `lovage tenant config` makes it
    /// first.
    #[arg(long, value_name = "FILE")]
    server_config: Option<PathBuf>,
    /// The file with the server's process id, which is told to read its configuration again.
    #[arg(long, value_name = "FILE", requires = "server_config")]
    server_pid: Option<PathBuf>,
}

impl ServerArgs {
    /// Refuses a file that cannot be written later, before anything is changed.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &self.server_config {
            Some(path) => operator(path).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Writes the file where one is named. Returns whether the server was told.
    pub(super) async fn publish(&self, records: &Records) -> Result<bool, Failure> {
        let Some(path) = &self.server_config else { return Ok(false) };
        write(path, &operator(path)?, records).await?;
        tell(self.server_pid.as_deref())
    }
}

/// Tells the server whose process id is in the file, where there is one.
pub(super) fn tell(pid_file: Option<&Path>) -> Result<bool, Failure> {
    let Some(pid_file) = pid_file else { return Ok(false) };
    reload::reload(pid_file).map_err(|error| {
        Failure::new(Exit::Host, error).hint("the file is written; `nats-server --signal reload` tells the server too")
    })?;
    Ok(true)
}

fn operator(path: &Path) -> Result<OperatorUser, Failure> {
    let known = users::operator_of(path).map_err(refused)?;
    known.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} does not exist, so it names no operator's user", path.display()))
            .hint("`lovage tenant config --out FILE --operator-user NAME --operator-password-file FILE` makes it")
    })
}

/// Writes the users of every record.
pub(super) async fn write(path: &Path, operator: &OperatorUser, records: &Records) -> Result<bool, Failure> {
    let records = records.all().await.or_exit(Exit::Broker)?;
    let text = users::render(operator, &records).map_err(refused)?;
    users::write(path, &text).map_err(refused)
}

pub(super) fn refused(error: UsersError) -> Failure {
    let exit = match &error {
        UsersError::File { .. } => Exit::Host,
        UsersError::Foreign { .. }
        | UsersError::NoOperator { .. }
        | UsersError::SameName { .. }
        | UsersError::BadName { .. } => Exit::Usage,
    };
    Failure::new(exit, error)
}

/// The operator's user with the password, or its hash, that is in a file.
pub(super) fn operator_user(user: &str, password_file: &Path) -> Result<OperatorUser, Failure> {
    let fail = |reason: String| Failure::new(Exit::Usage, format!("{}: {reason}", password_file.display()));
    let size = std::fs::metadata(password_file).map_err(|error| fail(error.to_string()))?.len();
    if size > PASSWORD_BYTES_MAX {
        return Err(fail(format!("{size} bytes are no password")));
    }
    let text = std::fs::read_to_string(password_file).map_err(|error| fail(error.to_string()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.starts_with("$2a$") || password.starts_with("$2b$") {
        return Ok(OperatorUser {
            user: user.to_owned(),
            password_hash: password.replacen("$2b$", "$2a$", 1),
            open: false,
        });
    }
    // bcrypt looks at 72 bytes alone
    if !(8..=72).contains(&password.len()) {
        return Err(fail(format!("a password of {} bytes is not between 8 and 72", password.len())));
    }
    let password_hash = secret::hash(password, CHOSEN_COST).or_exit(Exit::Host)?;
    Ok(OperatorUser { user: user.to_owned(), password_hash, open: false })
}
