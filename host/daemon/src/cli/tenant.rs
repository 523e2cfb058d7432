//! `lovage tenant`: who shares the workers, what each may use, and how its users sign in at the broker.

mod account;
mod add;
mod config;
mod creds;
mod given;
mod keys;
mod list;
mod policy;
mod rm;
mod server;
mod set;
mod settings;
mod show;

use super::connection::ConnectionArgs;
use super::{Exit, Failure, Output};
use crate::nats::records::{RecordError, Records};
use async_nats::jetstream::{self, Context};
use clap::Subcommand;
use lovage_job::name::TenantName;

/// Shown under the help.
const EXAMPLES: &str = "\
Examples:
  lovage tenant add acme --weight 2 --queued 100000
  lovage tenant add acme --account --operator-dir ./operator
  lovage tenant set acme --concurrency 50 --allow http=api.example.com
  lovage tenant creds acme
  lovage tenant rm acme --yes";

/// Add, change and remove tenants.
///
/// A tenant's users may publish its jobs and read its results and events, and nothing else. They are users of the shared
/// account, listed in the server's configuration (`lovage dev` lists them by itself, `lovage tenant config` writes the
/// file for any other server), or with --account users of an account of the tenant's own (see `lovage operator`).
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum TenantCommand {
    Add(Box<add::AddArgs>),
    /// List tenants.
    #[command(visible_alias = "ls")]
    List,
    /// Show a tenant: what it may use, and what it has on the broker.
    Show {
        /// The tenant.
        tenant: TenantName,
    },
    Set(Box<set::SetArgs>),
    Rm(rm::RmArgs),
    Creds(creds::CredsArgs),
    Revoke(creds::RevokeArgs),
    Config(config::ConfigArgs),
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    Policy(policy::PolicyArgs),
}

pub(super) async fn main(command: TenantCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    match command {
        TenantCommand::Add(args) => add::main(*args, connection, output).await,
        TenantCommand::List => list::main(connection, output).await,
        TenantCommand::Show { tenant } => show::main(&tenant, connection, output).await,
        TenantCommand::Set(args) => set::main(*args, connection, output).await,
        TenantCommand::Rm(args) => rm::main(args, connection, output).await,
        TenantCommand::Creds(args) => creds::main(args, connection, output).await,
        TenantCommand::Revoke(args) => creds::revoke(args, connection, output).await,
        TenantCommand::Keys(command) => keys::main(&command, connection, output).await,
        TenantCommand::Policy(args) => policy::main(&args, connection, output).await,
        TenantCommand::Config(args) => config::main(args, connection, output).await,
    }
}

/// The records, with the connection that they are read over.
async fn open(connection: &ConnectionArgs) -> Result<(Context, Records), Failure> {
    let js = jetstream::new(connection.connect().await?);
    let records = Records::open(&js).await.map_err(|error| {
        Failure::new(Exit::Broker, error)
            .hint("tenants are an operator's business: connect as one, and see that a worker or `tenant add` ran once")
    })?;
    Ok((js, records))
}

/// A record's error with its exit code and what to do about it.
pub(super) fn told(error: RecordError) -> Failure {
    match &error {
        RecordError::Exists(tenant) => Failure::new(Exit::Usage, &error).hint(format!(
            "`lovage tenant set {tenant}` changes it, `lovage tenant creds {tenant}` makes new credentials"
        )),
        RecordError::Unknown(_) => {
            Failure::new(Exit::NotFound, &error).hint("`lovage tenant ls` lists the tenants there are")
        }
        RecordError::Contended(_) | RecordError::Damaged { .. } | RecordError::Broker(_) => {
            Failure::new(Exit::Broker, &error)
        }
    }
}

/// The server's URLs, to try new credentials at.
fn servers(connection: &ConnectionArgs) -> Result<String, Failure> {
    Ok(connection.options("lovage-tenant")?.servers)
}

/// A change of a record that was not made.
#[derive(Debug)]
enum ChangeError {
    Refused(Exit, String),
    Record(RecordError),
}

impl From<RecordError> for ChangeError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

fn change_failure(error: ChangeError) -> Failure {
    match error {
        ChangeError::Refused(exit, told) => Failure::new(exit, told),
        ChangeError::Record(error) => told(error),
    }
}
