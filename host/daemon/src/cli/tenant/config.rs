//! `lovage tenant config`: the part of a nats-server's configuration that lists tenants' users.

use super::super::connection::ConnectionArgs;
use super::super::{Exit, Failure, Output};
use super::open;
use super::server::{operator_user, refused, tell, write};
use crate::access::users::{self, UsersError};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Write the users of all tenants as nats-server configuration, to be included in nats-server.conf.
///
/// The file lists the operator's user, who may do everything and whom workers connect as, and each tenant's user with
/// its rights. It holds hashes of passwords, no passwords. Where the file is there already, the operator's user in it
/// stays unless another is given.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The file to write; keep the line `include "FILE"` in nats-server.conf.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The operator's user.
    #[arg(long, value_name = "NAME", requires = "operator_password_file")]
    operator_user: Option<String>,
    /// A file with the password of the operator's user, or with its bcrypt hash.
    #[arg(long, value_name = "FILE", requires = "operator_user")]
    operator_password_file: Option<PathBuf>,
    /// The file with the server's process id, which is told to read its configuration again.
    #[arg(long, value_name = "FILE")]
    reload_pid: Option<PathBuf>,
}

pub(super) async fn main(args: ConfigArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let before = users::operator_of(&args.out).map_err(refused)?;
    let operator = match (&args.operator_user, &args.operator_password_file, before) {
        (Some(user), Some(file), _) => operator_user(user, file)?,
        (_, _, Some(before)) => before,
        _ => return Err(refused(UsersError::NoOperator { path: args.out.clone() })),
    };
    let (_, records) = open(connection).await?;
    let changed = write(&args.out, &operator, &records).await?;
    let told = tell(args.reload_pid.as_deref())?;
    match output.json {
        true => output.value(&json!({"file": args.out, "changed": changed, "reloaded": told}))?,
        false => output.note(&format!(
            "{} is {}{}",
            args.out.display(),
            if changed { "written" } else { "as it should be" },
            if told { "; the server reads it" } else { "" }
        )),
    }
    Ok(Exit::Done)
}
