//! `lovage tenant creds` and `revoke`: new credentials, or none.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::add::check_name;
use super::given::{Given, must_be_known};
use super::server::ServerArgs;
use super::{open, servers, told};
use crate::access::secret::Password;
use clap::Args;
use lovage_job::name::TenantName;
use lovage_job::tenant::Access;
use serde_json::json;

/// Print new credentials for a tenant's user, once; those before are good no more.
#[derive(Debug, Args)]
pub struct CredsArgs {
    /// The tenant.
    tenant: TenantName,
    #[command(flatten)]
    server: ServerArgs,
}

/// Take the credentials of a tenant's user away; its jobs and what it has stay.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The tenant.
    tenant: TenantName,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn main(args: CredsArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    check_name(&args.tenant)?;
    args.server.check()?;
    let (_, records) = open(connection).await?;
    let password = Password::random().or_exit(Exit::Host)?;
    let user = args.tenant.to_string();
    let access = Access::User { user: user.clone(), password_hash: password.hash().or_exit(Exit::Host)? };
    records.change(&args.tenant, |record| record.access = access.clone()).await.map_err(told)?;
    let was_told = args.server.publish(&records).await?;
    let given = Given { tenant: &args.tenant, user: &user, password: &password };
    let standing = given.standing(&servers(connection)?, was_told).await;
    given.print(standing, output)?;
    if was_told { must_be_known(standing).map(|()| Exit::Done) } else { Ok(Exit::Done) }
}

pub(super) async fn revoke(args: RevokeArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    args.server.check()?;
    let (_, records) = open(connection).await?;
    records.change(&args.tenant, |record| record.access = Access::None).await.map_err(told)?;
    args.server.publish(&records).await?;
    match output.json {
        true => output.value(&json!({"tenant": args.tenant, "mode": "none"}))?,
        false => output.line(&format!("tenant {} has no user any more; its jobs stay", args.tenant))?,
    }
    Ok(Exit::Done)
}
