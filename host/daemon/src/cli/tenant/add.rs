//! `lovage tenant add`: all that a tenant needs, and credentials for its users.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::given::{Given, must_be_known};
use super::server::ServerArgs;
use super::settings::Settings;
use super::{servers, told};
use crate::access::secret::Password;
use crate::nats::records::Records;
use crate::nats::removal;
use crate::nats::topology::{self, TopologyConfig};
use async_nats::jetstream::{self, Context};
use clap::Args;
use lovage_job::name::{QueueName, TenantName};
use lovage_job::subject::Lane;
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
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn main(args: AddArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    check_name(&args.tenant)?;
    args.settings.check()?;
    args.server.check()?;
    let js = jetstream::new(connection.connect().await?);
    let topology =
        TopologyConfig { replicas: args.replicas.parse().or_exit(Exit::Usage)?, ..TopologyConfig::default() };
    topology::ensure_shared(&js, topology).await.map_err(no_operator)?;
    let records = Records::open(&js).await.or_exit(Exit::Broker)?;
    let password = Password::random().or_exit(Exit::Host)?;
    let user = args.tenant.to_string();
    let access = Access::User { user: user.clone(), password_hash: password.hash().or_exit(Exit::Host)? };
    let mut record = TenantRecord::new(args.tenant.clone(), crate::clock::now());
    args.settings.apply(&mut record);
    record.access = access;
    // the record claims the name: of two who add the tenant at once, one goes on
    records.create(&record).await.map_err(told)?;
    let made = async {
        make_assets(&js, &args.tenant, topology).await?;
        args.server.publish(&records).await
    };
    let was_told = match made.await {
        Ok(was_told) => was_told,
        Err(failure) => return Err(take_back(&js, &records, &args, failure).await),
    };
    let given = Given { tenant: &args.tenant, user: &user, password: &password };
    let standing = given.standing(&servers(connection)?, was_told).await;
    given.print(standing, output)?;
    if was_told { must_be_known(standing).map(|()| Exit::Done) } else { Ok(Exit::Done) }
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

/// Makes what a worker would make when it comes to serve the tenant.
async fn make_assets(js: &Context, tenant: &TenantName, config: TopologyConfig) -> Result<(), Failure> {
    topology::ensure_tenant(js, tenant, config).await.or_exit(Exit::Broker)?;
    let queue: QueueName = "default".parse().or_exit(Exit::Host)?;
    for lane in Lane::ALL {
        topology::ensure_consumer(js, tenant, &queue, lane, config).await.or_exit(Exit::Broker)?;
    }
    Ok(())
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
