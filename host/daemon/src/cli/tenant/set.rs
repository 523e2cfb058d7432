//! `lovage tenant set`: changes what a tenant may use.

use super::super::connection::ConnectionArgs;
use super::super::{Exit, Failure, Output};
use super::settings::Settings;
use super::{open, show, told};
use clap::Args;
use lovage_job::name::TenantName;

/// Change what a tenant may use; what is not named stays. Workers follow at once.
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
    let (_, records) = open(connection).await?;
    let (_, after) = records.change(&args.tenant, |record| args.settings.apply(record)).await.map_err(told)?;
    match output.json {
        true => output.value(&show::as_json(&after))?,
        false => show::lines(&after).iter().try_for_each(|line| output.line(line))?,
    }
    Ok(Exit::Done)
}
