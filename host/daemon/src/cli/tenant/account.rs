//! A tenant's account of its own, made and changed in the operator's folder and told to the running server.

use super::super::connection::ConnectionArgs;
use super::super::operator::told;
use super::super::{Exit, Failure, Output};
use super::given::left_to_do;
use crate::access::claims::AccountLimits;
use crate::access::operator::{OperatorDir, TenantAccount};
use crate::access::probe::{self, Standing};
use crate::access::push::{PushError, Pusher};
use crate::clock::now;
use async_nats::ConnectOptions;
use clap::Args;
use lovage_job::name::TenantName;
use lovage_job::tenant::{Access, inbox_prefix};
use lovage_job::unit::ByteSize;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// How long the server may take to know an account that it was told of.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// The operator's folder.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Accounts")]
pub struct OperatorArgs {
    /// The operator's folder, made by `lovage operator init`; its credentials are used unless others are given.
    #[arg(long, value_name = "DIR", env = "LOVAGE_OPERATOR_DIR")]
    operator_dir: Option<PathBuf>,
}

/// What a tenant's account may use by itself.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Accounts")]
pub struct LimitArgs {
    /// Connections of the tenant's account at once [default: 100].
    #[arg(long, value_name = "N", requires = "account")]
    account_connections: Option<u32>,
    /// Subscriptions of the tenant's account at once [default: 10000].
    #[arg(long, value_name = "N", requires = "account")]
    account_subscriptions: Option<u32>,
    /// The largest message of the tenant's account [default: the server's limit].
    #[arg(long, value_name = "SIZE", requires = "account")]
    account_payload: Option<ByteSize>,
    /// Let the tenant have streams of its own in its account, with so many bytes on disk [default: none].
    #[arg(long, value_name = "SIZE", requires = "account")]
    account_storage: Option<ByteSize>,
    /// Streams of its own [default: 10, where it may store].
    #[arg(long, value_name = "N", requires = "account_storage")]
    account_streams: Option<u32>,
    /// Consumers of its own [default: 100, where it may store].
    #[arg(long, value_name = "N", requires = "account_storage")]
    account_consumers: Option<u32>,
}

impl LimitArgs {
    pub(super) fn limits(&self) -> AccountLimits {
        let usual = AccountLimits::default();
        let own =
            |given: Option<u32>, usual: u32| if self.account_storage.is_some() { given.unwrap_or(usual) } else { 0 };
        AccountLimits {
            connections: self.account_connections.unwrap_or(usual.connections),
            subscriptions: self.account_subscriptions.unwrap_or(usual.subscriptions),
            payload: self.account_payload,
            storage: self.account_storage.unwrap_or(usual.storage),
            streams: own(self.account_streams, 10),
            consumers: own(self.account_consumers, 100),
        }
    }
}

impl OperatorArgs {
    /// Opens the folder, which must be given.
    pub(super) fn open(&self) -> Result<OperatorDir, Failure> {
        let Some(dir) = &self.operator_dir else {
            return Err(Failure::new(Exit::Usage, "an account of its own needs the operator's keys")
                .hint("give --operator-dir DIR; `lovage operator init --dir DIR` makes it"));
        };
        OperatorDir::open(dir).map_err(told)
    }

    /// The connection, with the folder's credentials where no others are given.
    pub(super) fn connection(&self, connection: &ConnectionArgs) -> ConnectionArgs {
        match &self.operator_dir {
            Some(dir) => connection.with_usual_creds(dir.join("operator.creds")),
            None => connection.clone(),
        }
    }
}

/// The access of a record of a tenant with an account.
pub(super) fn access(made: &TenantAccount) -> Access {
    Access::Account { account: made.account.clone(), user: made.user.clone() }
}

/// Connects to the system account.
pub(super) async fn pusher(folder: &OperatorDir, servers: &str) -> Result<Pusher, Failure> {
    Pusher::connect(servers, &folder.path().join("system.creds")).await.map_err(failed)
}

/// Tells the server of a tenant's account, and of the platform's with its offers.
pub(super) async fn push(folder: &OperatorDir, pusher: &Pusher, made: &TenantAccount) -> Result<(), Failure> {
    let [_, (_, platform)] = folder.accounts().map_err(told)?;
    // what is offered first, so that the tenant's account finds it
    pusher.update(&platform).await.map_err(failed)?;
    pusher.update(&made.token).await.map_err(failed)
}

/// Forgets a tenant's account, here and at the server.
pub(super) async fn forget(
    folder: &OperatorDir,
    pusher: &Pusher,
    (tenant, account): (&TenantName, &str),
) -> Result<(), Failure> {
    let order = folder.forget(tenant, account, now()).map_err(told)?;
    pusher.delete(&order).await.map_err(failed)?;
    let [_, (_, platform)] = folder.accounts().map_err(told)?;
    pusher.update(&platform).await.map_err(failed)
}

pub(super) fn failed(error: PushError) -> Failure {
    let hint = match &error {
        PushError::Connect { .. } | PushError::NotOperatorMode { .. } => {
            "the server must run with the configuration in the operator's folder: nats-server --config DIR/nats-server.conf"
        }
        PushError::Refused(_) => "its log says more",
    };
    Failure::new(Exit::Broker, error).hint(hint)
}

/// Prints new credentials, once they are good.
pub(super) async fn give(
    (tenant, made): (&TenantName, &TenantAccount),
    servers: &str,
    output: Output,
) -> Result<(), Failure> {
    let Some((creds, path)) = &made.creds else { return Ok(()) };
    let inbox = inbox_prefix(tenant);
    // an unreadable file of ours shows at the first try
    let options = || ConnectOptions::with_credentials(creds).unwrap_or_default().custom_inbox_prefix(inbox.clone());
    let standing = match probe::try_credentials(servers, options, KNOWN_WITHIN).await {
        // what it does within its account reaches nobody
        Standing::Unheld if made.has_streams => Standing::Held,
        standing => standing,
    };
    if output.json {
        output.value(&json!({
            "tenant": tenant, "mode": "account", "account": made.account, "user": made.user, "creds": creds,
            "creds_file": path, "inbox_prefix": inbox, "live": standing == Standing::Held,
        }))?;
    } else {
        output.line(&format!(
            "tenant    {tenant}\naccount   {}\ncreds     {}\ninboxes   {inbox}.>\n\nGive the file to the tenant. As its user:\n  \
               export LOVAGE_TENANT={tenant} NATS_CREDS={} NATS_INBOX_PREFIX={inbox}",
            made.account,
            path.display(),
            path.display(),
        ))?;
    }
    match standing {
        Standing::Unknown => Err(Failure::new(Exit::Broker, "the server took the account, and does not know its user")),
        standing => {
            if let Some(left) = left_to_do(standing) {
                output.note(left);
            }
            Ok(())
        }
    }
}
