//! `lovage tenant rm`: a tenant goes, and all that it has.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::account::{self, OperatorArgs};
use super::server::ServerArgs;
use super::{open, servers, told};
use crate::nats::removal;
use clap::Args;
use lovage_job::name::TenantName;
use lovage_job::tenant::Access;
use serde_json::json;

/// Remove a tenant with all that it has: jobs, results, components, schedules, secrets, credentials. Workers stop
/// serving it.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// The tenant.
    tenant: TenantName,
    /// Remove it: there is no way back.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn main(args: RmArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let tenant = &args.tenant;
    if *tenant == TenantName::default_tenant() {
        return Err(Failure::new(
            Exit::Usage,
            format!("tenant {tenant} stays: it is that of whoever names none, and workers make it"),
        ));
    }
    args.server.check()?;
    let connection = &args.operator.connection(connection);
    let (js, records) = open(connection).await?;
    let known = records.get(tenant).await.map_err(told)?;
    let streams = removal::streams_of(&js, tenant).await.or_exit(Exit::Broker)?;
    // a removal that was cut short may have left something without a record
    if known.is_none() && streams.is_empty() {
        return Err(told(crate::nats::records::RecordError::Unknown(tenant.clone())));
    }
    if !args.yes {
        let message = format!("tenant {tenant} has {}, which would all be gone", streams.join(", "));
        return Err(Failure::new(Exit::Usage, message).hint(format!("lovage tenant rm {tenant} --yes")));
    }
    // its users first, then its record, which workers follow, then what it has
    if let Some(Access::Account { account, .. }) = known.as_ref().map(|(record, _)| &record.access) {
        let folder = args.operator.open()?;
        let pusher = account::pusher(&folder, &servers(connection)?).await?;
        account::forget(&folder, &pusher, (tenant, account)).await?;
    }
    records.remove(tenant).await.map_err(told)?;
    args.server.publish(&records).await?;
    let removed = removal::remove_all(&js, tenant).await.or_exit(Exit::Broker)?;
    match output.json {
        true => output.value(&json!({"tenant": tenant, "streams": removed.streams, "keys": removed.keys}))?,
        false => output.line(&format!(
            "tenant {tenant} is removed: {} streams and buckets, {} keys",
            removed.streams.len(),
            removed.keys
        ))?,
    }
    Ok(Exit::Done)
}
