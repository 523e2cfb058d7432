//! `lovage tenant add`: all that a tenant needs, and credentials for its users.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::operator;
use super::super::{Exit, Failure, Output};
use super::account::{self, LimitArgs, OperatorArgs};
use super::given::{Given, must_be_known};
use super::server::ServerArgs;
use super::settings::Settings;
use super::{servers, told};
use crate::access::secret::Password;
use crate::nats::records::Records;
use crate::nats::removal;
use crate::nats::topology::{self, TopologyConfig};
use crate::steer::tenants;
use async_nats::jetstream::{self, Context};
use clap::Args;
use lovage_job::name::TenantName;
use lovage_job::tenant::{Access, RESERVED, TenantRecord, is_reserved};

/// Add a tenant: its streams and buckets, and a user whose credentials are printed, once.
///
/// Workers that run serve it at once.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name: small letters, digits, `-` and `_`, at most 32.
    tenant: TenantName,
    /// Copies of each of its streams, in a cluster.
    #[arg(long, value_name = "N", default_value = "1", value_parser = ["1", "3", "5"])]
    replicas: String,
    /// Give the tenant an account of its own, on a server in operator mode.
    #[arg(long, conflicts_with = "server_config", requires = "operator_dir")]
    account: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn main(args: AddArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    check_name(&args.tenant)?;
    args.settings.check()?;
    args.server.check()?;
    let mut record = TenantRecord::new(args.tenant.clone(), crate::clock::now());
    record.quota = lovage_job::tenant::Quota::standard();
    args.settings.apply(&mut record);
    match args.account {
        true => with_account(&args, record, &args.operator.connection(connection), output).await,
        false => with_user(&args, record, connection, output).await,
    }
}

async fn with_user(
    args: &AddArgs,
    mut record: TenantRecord,
    connection: &ConnectionArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let (js, records) = prepare(args, connection).await?;
    let password = Password::random().or_exit(Exit::Host)?;
    let user = args.tenant.to_string();
    record.access = Access::User { user: user.clone(), password_hash: password.hash().or_exit(Exit::Host)? };
    // the record claims the name: of two who add the tenant at once, one goes on
    records.create(&record).await.map_err(told)?;
    let made = async {
        make_assets(&js, args, &record).await?;
        args.server.publish(&records).await
    };
    let was_told = match made.await {
        Ok(was_told) => was_told,
        Err(failure) => return Err(take_back(&js, &records, args, failure).await),
    };
    let given = Given { tenant: &args.tenant, user: &user, password: &password };
    let standing = given.standing(&servers(connection)?, was_told).await;
    given.print(standing, output)?;
    if was_told { must_be_known(standing).map(|()| Exit::Done) } else { Ok(Exit::Done) }
}

async fn with_account(
    args: &AddArgs,
    mut record: TenantRecord,
    connection: &ConnectionArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let (folder, servers) = (args.operator.open()?, servers(connection)?);
    let pusher = account::pusher(&folder, &servers).await?;
    let (js, records) = prepare(args, connection).await?;
    records.create(&record).await.map_err(told)?;
    let made = async {
        make_assets(&js, args, &record).await?;
        let made = folder.add(&args.tenant, &args.limits.limits(), record.created).map_err(operator::told)?;
        record.access = account::access(&made);
        records.change(&args.tenant, |record| record.access = account::access(&made)).await.map_err(told)?;
        account::push(&folder, &pusher, &made).await.map(|()| made)
    };
    let made = made.await;
    match made {
        Ok(made) => account::give((&args.tenant, &made), &servers, output).await.map(|()| Exit::Done),
        Err(failure) => {
            if let Access::Account { account, .. } = &record.access {
                // the first failure is the one to tell
                let _ = account::forget(&folder, &pusher, (&args.tenant, account)).await;
            }
            Err(take_back(&js, &records, args, failure).await)
        }
    }
}

/// Makes what all tenants share, and opens the records.
async fn prepare(args: &AddArgs, connection: &ConnectionArgs) -> Result<(Context, Records), Failure> {
    let js = jetstream::new(connection.connect().await?);
    topology::ensure_shared(&js, args.topology()?).await.map_err(no_operator)?;
    let records = Records::open(&js).await.or_exit(Exit::Broker)?;
    Ok((js, records))
}

impl AddArgs {
    fn topology(&self) -> Result<TopologyConfig, Failure> {
        Ok(TopologyConfig { replicas: self.replicas.parse().or_exit(Exit::Usage)?, ..TopologyConfig::default() })
    }
}

pub(super) fn check_name(tenant: &TenantName) -> Result<(), Failure> {
    match is_reserved(tenant) {
        true => {
            Err(Failure::new(Exit::Usage, format!("the name {tenant} is the platform's own: {}", RESERVED.join(", ")))
                .hint("take another name"))
        }
        false => Ok(()),
    }
}

fn no_operator(error: topology::TopologyError) -> Failure {
    Failure::new(Exit::Broker, error).hint("adding a tenant needs the operator's credentials: a tenant's do not do")
}

async fn make_assets(js: &Context, args: &AddArgs, record: &TenantRecord) -> Result<(), Failure> {
    tenants::make_assets(js, record, args.topology()?).await.or_exit(Exit::Broker)
}

/// Takes back a tenant that could not be added whole, so that it can be added again.
async fn take_back(js: &Context, records: &Records, args: &AddArgs, failure: Failure) -> Failure {
    let removed = records.remove(&args.tenant).await.map_err(|error| error.to_string());
    let removed = match removed {
        Ok(()) => removal::remove_all(js, &args.tenant).await.map(|_| ()).map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => failure,
        Err(error) => {
            failure.hint(format!("what was made is not taken back ({error}): lovage tenant rm {} --yes", args.tenant))
        }
    }
}
