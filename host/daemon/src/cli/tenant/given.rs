//! Credentials as they are given to people and programs: once.

use super::super::{Exit, Failure, Output};
use crate::access::probe::{self, Standing};
use crate::access::secret::Password;
use async_nats::ConnectOptions;
use lovage_job::name::TenantName;
use lovage_job::tenant::inbox_prefix;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a server may take to know new credentials once it was told.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// How long one that was not told is tried: `lovage dev` follows the records by itself.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(2);

/// A user of the shared account.
pub(super) struct Given<'a> {
    pub(super) tenant: &'a TenantName,
    pub(super) user: &'a str,
    pub(super) password: &'a Password,
}

impl Given<'_> {
    /// What the server makes of them. `was_told` says whether it read its configuration again.
    pub(super) async fn standing(&self, servers: &str, was_told: bool) -> Standing {
        let options = || {
            ConnectOptions::with_user_and_password(self.user.to_owned(), self.password.reveal().to_owned())
                .custom_inbox_prefix(inbox_prefix(self.tenant))
        };
        probe::try_credentials(servers, options, if was_told { KNOWN_WITHIN } else { FOLLOWS_WITHIN }).await
    }

    /// Prints them, and what is left to do.
    pub(super) fn print(&self, standing: Standing, output: Output) -> Result<(), Failure> {
        let (tenant, inbox) = (self.tenant, inbox_prefix(self.tenant));
        let (user, password) = (self.user, self.password.reveal());
        if output.json {
            output.value(&json!({
                "tenant": tenant, "mode": "user", "user": user, "password": password, "inbox_prefix": inbox,
                "live": standing == Standing::Held,
            }))?;
        } else {
            output.line(&format!(
                "tenant    {tenant}\nuser      {user}\npassword  {password}\ninboxes   {inbox}.>\n\n\
                 The password is not shown again. As this user:\n  \
                   export LOVAGE_TENANT={tenant} NATS_USER={user} NATS_PASSWORD={password} NATS_INBOX_PREFIX={inbox}"
            ))?;
        }
        if let Some(left) = left_to_do(standing) {
            output.note(left);
        }
        Ok(())
    }
}

/// What the operator has to do before the credentials are good.
pub(super) fn left_to_do(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Held => None,
        Standing::Unknown => Some(
            "the server does not know the user yet: `lovage tenant config --out FILE --reload-pid FILE` writes the \
             configuration that lists it and has the server read it",
        ),
        Standing::Unheld => Some(
            "WARNING: this server lets everyone do everything, so tenants are not kept apart: its configuration must \
             include the file that `lovage tenant config --out FILE` writes",
        ),
        Standing::Unreachable => Some("whether the server knows the user could not be tried"),
    }
}

/// Fails where a server that was told does not know the credentials.
pub(super) fn must_be_known(standing: Standing) -> Result<(), Failure> {
    match standing {
        Standing::Unknown => Err(Failure::new(
            Exit::Broker,
            "the server was told to read its configuration again, and does not know the user",
        )
        .hint("its log says why; nats-server.conf must `include` the file of --server-config")),
        Standing::Held | Standing::Unheld | Standing::Unreachable => Ok(()),
    }
}

/// What is said of a record's access: nothing that opens anything.
pub(super) fn access(record: &lovage_job::tenant::TenantRecord) -> Value {
    use lovage_job::tenant::Access;
    match &record.access {
        Access::None => json!({"mode": "none"}),
        Access::User { user, .. } => json!({"mode": "user", "user": user}),
        Access::Account { account, user } => json!({"mode": "account", "account": account, "user": user}),
    }
}
