//! `lovage tenant creds` and `revoke`: new credentials, or none.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::operator;
use super::super::{Exit, Failure, Output};
use super::account::{self, OperatorArgs};
use super::add::check_name;
use super::given::{Given, must_be_known};
use super::server::ServerArgs;
use super::{open, servers, told};
use crate::access::secret::Password;
use crate::clock::now;
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
    operator: OperatorArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Take the credentials of a tenant's user away; its jobs and what it has stay.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The tenant.
    tenant: TenantName,
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn main(args: CredsArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    check_name(&args.tenant)?;
    args.server.check()?;
    let connection = &args.operator.connection(connection);
    let (_, records) = open(connection).await?;
    let known = records.known(&args.tenant).await.map_err(told)?;
    let servers = servers(connection)?;
    if let Access::Account { user: before, .. } = &known.access {
        let folder = args.operator.open()?;
        let pusher = account::pusher(&folder, &servers).await?;
        let made = folder.renew(&args.tenant, before, now()).map_err(operator::told)?;
        records.change(&args.tenant, |record| record.access = account::access(&made)).await.map_err(told)?;
        account::push(&folder, &pusher, &made).await?;
        return account::give((&args.tenant, &made), &servers, output).await.map(|()| Exit::Done);
    }
    let password = Password::random().or_exit(Exit::Host)?;
    let user = args.tenant.to_string();
    let access = Access::User { user: user.clone(), password_hash: password.hash().or_exit(Exit::Host)? };
    records.change(&args.tenant, |record| record.access = access.clone()).await.map_err(told)?;
    let was_told = args.server.publish(&records).await?;
    let given = Given { tenant: &args.tenant, user: &user, password: &password };
    let standing = given.standing(&servers, was_told).await;
    given.print(standing, output)?;
    if was_told { must_be_known(standing).map(|()| Exit::Done) } else { Ok(Exit::Done) }
}

pub(super) async fn revoke(args: RevokeArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    args.server.check()?;
    let connection = &args.operator.connection(connection);
    let (_, records) = open(connection).await?;
    let known = records.known(&args.tenant).await.map_err(told)?;
    let mut none = Access::None;
    if let Access::Account { user: before, .. } = &known.access {
        let folder = args.operator.open()?;
        let pusher = account::pusher(&folder, &servers(connection)?).await?;
        let made = folder.revoke(&args.tenant, before, now()).map_err(operator::told)?;
        account::push(&folder, &pusher, &made).await?;
        none = account::access(&made);
    }
    records.change(&args.tenant, |record| record.access = none.clone()).await.map_err(told)?;
    args.server.publish(&records).await?;
    match output.json {
        true => output.value(&json!({"tenant": args.tenant, "user": null}))?,
        false => output.line(&format!("tenant {} has no user any more; its jobs stay", args.tenant))?,
    }
    Ok(Exit::Done)
}
