//! `lovage tenant`: who shares this broker and its workers.

mod keys;
mod policy;

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::{Exit, Failure, Output};
use crate::nats::tenant_records::{TenantRecordError, TenantRecords};
use clap::Subcommand;

/// See and steer tenants.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    Policy(policy::PolicyArgs),
}

pub(super) async fn main(
    command: &TenantCommand,
    connection: &ConnectionArgs,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        TenantCommand::Keys(command) => keys::main(command, connection, output).await,
        TenantCommand::Policy(args) => policy::main(args, connection, output).await,
    }
}

/// A change of a record that was not made.
#[derive(Debug)]
enum ChangeError {
    Refused(Exit, String),
    Record(TenantRecordError),
}

impl From<TenantRecordError> for ChangeError {
    fn from(error: TenantRecordError) -> Self {
        Self::Record(error)
    }
}

fn change_failure(error: ChangeError) -> Failure {
    match error {
        ChangeError::Refused(exit, told) => Failure::new(exit, told),
        ChangeError::Record(error @ TenantRecordError::Missing(_)) => Failure::new(Exit::NotFound, error),
        ChangeError::Record(error) => Failure::new(Exit::Broker, error),
    }
}

async fn records(connection: &ConnectionArgs) -> Result<TenantRecords, Failure> {
    let js = async_nats::jetstream::new(connection.connect().await?);
    let records = TenantRecords::open(&js).await.or_exit(Exit::Broker);
    records.map_err(|failure| failure.hint("a worker or the first push makes what tenants are noted in"))
}
