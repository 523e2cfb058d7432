//! `lovage tenant set`: changes what a tenant may use.

use super::super::connection::ConnectionArgs;
use super::super::{Exit, Failure, Output};
use super::settings::Settings;
use super::{open, show, told};
use crate::nats::quotas::{self, Applied};
use async_nats::jetstream::Context;
use clap::Args;
use lovage_job::name::TenantName;
use lovage_job::tenant::TenantRecord;

/// Change what a tenant may use; what is not named stays. The broker holds its part at once, and so do workers.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The tenant.
    tenant: TenantName,
    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn main(args: SetArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    if args.settings.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "nothing is to be set").hint("`lovage tenant set --help` lists what can be")
        );
    }
    args.settings.check()?;
    let (js, records) = open(connection).await?;
    let (_, after) = records.change(&args.tenant, |record| args.settings.apply(record)).await.map_err(told)?;
    limit(&js, &after, output).await?;
    match output.json {
        true => output.value(&show::as_json(&after))?,
        false => show::lines(&after).iter().try_for_each(|line| output.line(line))?,
    }
    Ok(Exit::Done)
}

/// Puts the limits on the tenant's streams, so that they hold also while no worker runs.
async fn limit(js: &Context, record: &TenantRecord, output: Output) -> Result<(), Failure> {
    let (tenant, later) = (&record.tenant, "the record says so already: workers apply it as soon as they can");
    match quotas::apply(js, tenant, None, &record.quota).await {
        Ok(Applied::Whole) => Ok(()),
        Ok(Applied::Later(reason)) => {
            output.note(&reason);
            Ok(())
        }
        Err(error) => Err(Failure::new(Exit::Broker, error).hint(later)),
    }
}
