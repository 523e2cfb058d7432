//! Where the broker is and who connects: options, environment and the saved contexts of the `nats` command.

use super::{Exit, Failure};
use clap::Args;
use lovage_client::{ConnectError, ConnectOptions, Credentials};
use lovage_job::name::TenantName;
use serde::Deserialize;
use std::path::PathBuf;

/// Where the broker is and who connects.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// NATS server URLs, with commas in between [default: nats://127.0.0.1:4222].
    #[arg(short, long, global = true, env = "NATS_URL", value_name = "URL")]
    server: Option<String>,
    /// A credentials file.
    #[arg(long, global = true, env = "NATS_CREDS", value_name = "FILE")]
    creds: Option<PathBuf>,
    /// A user name.
    #[arg(long, global = true, env = "NATS_USER", value_name = "USER")]
    user: Option<String>,
    /// The user's password.
    #[arg(long, global = true, env = "NATS_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    password: Option<String>,
    /// A saved context of the `nats` command.
    #[arg(long, global = true, env = "NATS_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// The prefix of inboxes, where the user may only use a certain one.
    #[arg(long, global = true, env = "NATS_INBOX_PREFIX", value_name = "PREFIX")]
    inbox_prefix: Option<String>,
    /// Whose jobs and tasks.
    #[arg(long, global = true, env = "LOVAGE_TENANT", default_value = "default", value_name = "NAME")]
    tenant: TenantName,
}

/// The parts of a saved context that are used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SavedContext {
    url: String,
    user: String,
    password: String,
    token: String,
    creds: String,
    inbox_prefix: String,
}

impl ConnectionArgs {
    /// Whose jobs and tasks.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// These, with a credentials file where nobody is named.
    pub fn with_usual_creds(&self, file: PathBuf) -> Self {
        let mut usual = self.clone();
        if usual.creds.is_none() && usual.user.is_none() && usual.context.is_none() {
            usual.creds = Some(file);
        }
        usual
    }

    /// The options with those of the saved context under them.
    pub fn options(&self, name: &str) -> Result<ConnectOptions, Failure> {
        let saved = self.context.as_deref().map(read_context).transpose()?.unwrap_or_default();
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let creds = self.creds.clone().or(some(saved.creds).map(PathBuf::from));
        let user = self.user.clone().or(some(saved.user));
        let password = self.password.clone().or(some(saved.password)).unwrap_or_default();
        let credentials = match (creds, user, some(saved.token)) {
            (Some(file), _, _) => Credentials::CredsFile(file),
            (None, Some(user), _) => Credentials::UserPassword { user, password },
            (None, None, Some(token)) => Credentials::Token(token),
            (None, None, None) => Credentials::None,
        };
        let defaults = ConnectOptions::default();
        Ok(ConnectOptions {
            servers: self.server.clone().or(some(saved.url)).unwrap_or(defaults.servers.clone()),
            name: name.to_owned(),
            credentials,
            inbox_prefix: self.inbox_prefix.clone().or(some(saved.inbox_prefix)),
            ..defaults
        })
    }

    /// Connects as an operator.
    pub async fn connect(&self) -> Result<async_nats::Client, Failure> {
        let options = self.options("lovage")?;
        lovage_client::connect(&options).await.map_err(connect_failure)
    }

    /// Connects as the tenant's client, for what its users may do, too.
    pub async fn client(&self) -> Result<lovage_client::Client, Failure> {
        let options = self.options("lovage")?;
        lovage_client::Client::connect(&options, self.tenant.clone()).await.map_err(connect_failure)
    }

    /// Connects as the tenant's client, for what only operators may do.
    pub async fn operators_client(&self) -> Result<lovage_client::Client, Failure> {
        let options = self.options("lovage")?;
        lovage_client::Client::connect_operator(&options, self.tenant.clone()).await.map_err(connect_failure)
    }
}

/// The client's error says what to do by itself.
pub(super) fn connect_failure(error: ConnectError) -> Failure {
    Failure::new(Exit::Broker, error)
}

fn read_context(name: &str) -> Result<SavedContext, Failure> {
    let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.');
    let home = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    let (true, Some(home)) = (plain, home) else {
        return Err(Failure::new(Exit::Usage, format!("context {name:?} is not a name")));
    };
    let path = home.join("nats/context").join(format!("{name}.json"));
    let fail = |reason: String| {
        Failure::new(Exit::Usage, format!("context {name:?}: {}: {reason}", path.display()))
            .hint("`nats context ls` lists the saved contexts")
    };
    let text = std::fs::read_to_string(&path).map_err(|error| fail(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fail(error.to_string()))
}
