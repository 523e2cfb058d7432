//! Connecting to the broker, and finding out at once whether it can do the job.

use crate::link::{AskError, Link, Refusals};
use async_nats::{ConnectErrorKind, Event, RequestErrorKind, ServerError};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The oldest server with all that Lovage needs: schedules that repeat, and message TTL.
const VERSION_MIN: (u64, u64) = (2, 14);
/// What a tenant's user has no right to ask.
const JETSTREAM_INFO: &str = "$JS.API.INFO";
/// How long to wait for JetStream to answer. A user without the right to ask gets no answer at all.
const JETSTREAM_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two tries of the first connection.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Who connects.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody in particular, or who the server's URL says.
    #[default]
    None,
    /// A `.creds` file with a JWT and its key.
    CredsFile(PathBuf),
    /// A user with a password.
    UserPassword {
        /// The user.
        user: String,
        /// Their password.
        password: String,
    },
    /// A token.
    Token(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::CredsFile(path) => f.debug_tuple("CredsFile").field(path).finish(),
            Self::UserPassword { user, .. } => {
                f.debug_struct("UserPassword").field("user", user).finish_non_exhaustive()
            }
            Self::Token(_) => f.write_str("Token(…)"),
        }
    }
}

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The servers' URLs, with commas in between.
    pub servers: String,
    /// The connection's name, for the operator of the broker.
    pub name: String,
    /// Who connects.
    pub credentials: Credentials,
    /// The prefix of inboxes, where the user may only use a certain one.
    pub inbox_prefix: Option<String>,
    /// The longest time that one try to connect takes.
    pub timeout: Duration,
    /// Whether to try for ever while no server can be reached, as a worker does that starts together with its broker.
    /// Dropping the future ends it.
    pub retry_on_initial: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            servers: "nats://127.0.0.1:4222".to_owned(),
            name: "lovage-client".to_owned(),
            credentials: Credentials::None,
            inbox_prefix: None,
            timeout: Duration::from_secs(5),
            retry_on_initial: false,
        }
    }
}

/// Why there is no connection that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The servers are not URLs.
    #[error("{servers:?} is not a list of servers: {reason}; write nats://HOST:PORT, several with commas in between")]
    Servers {
        /// What was given, without what may be a password.
        servers: String,
        /// What is wrong.
        reason: String,
    },
    /// No server answers.
    #[error(
        "no NATS server answers at {server} ({reason}); start one with `lovage dev`, or name another with --server or NATS_URL"
    )]
    Unreachable {
        /// The servers.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server wants other credentials, or the given ones cannot be read.
    #[error("the credentials are not accepted at {server}: {reason}; check --creds or --user and --password")]
    Credentials {
        /// The servers.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// TLS failed.
    #[error("no secure connection to {server}: {reason}; check the server's certificate and the name in the URL")]
    Tls {
        /// The servers.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server is too old.
    #[error("the NATS server at {server} has version {version}; Lovage needs {need} or later, so upgrade it")]
    TooOld {
        /// The servers.
        server: String,
        /// Its version.
        version: String,
        /// The oldest that will do.
        need: String,
    },
    /// The user has no right to JetStream, which an operator has and a tenant's user has not.
    #[error(
        "the server at {server} refuses {JETSTREAM_INFO}: {reason}; an operator's credentials are given with --creds, or \
         --user and --password"
    )]
    NoRight {
        /// The servers.
        server: String,
        /// What it says, and what the user may do.
        reason: String,
    },
    /// The server stores nothing.
    #[error(
        "the NATS server at {server} has no JetStream ({reason}); start it with -js, or enable it for this account"
    )]
    NoJetStream {
        /// The servers.
        server: String,
        /// What it says.
        reason: String,
    },
}

/// Who a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// An operator, who has the right to all of JetStream.
    Operator,
    /// Anyone, such as a tenant's user.
    Anyone,
}

/// Connects as an operator or a worker, and checks that the server is new enough, has JetStream, and lets this user use
/// it.
pub async fn connect(options: &ConnectOptions) -> Result<async_nats::Client, ConnectError> {
    connect_link(options, Who::Operator).await.map(|link| (*link).clone())
}

/// Connects, and hears what the server refuses.
pub(crate) async fn connect_link(options: &ConnectOptions, who: Who) -> Result<Link, ConnectError> {
    let refusals = Refusals::default();
    let nats = loop {
        match try_connect(options, &refusals).await {
            Err(ConnectError::Unreachable { .. }) if options.retry_on_initial => tokio::time::sleep(RETRY_DELAY).await,
            done => break done?,
        }
    };
    let server = shown(&options.servers);
    check_version(&nats.server_info().version, &server)?;
    let link = Link::new(nats, refusals);
    check_jetstream(&link, &server, who).await?;
    Ok(link)
}

async fn try_connect(options: &ConnectOptions, refusals: &Refusals) -> Result<async_nats::Client, ConnectError> {
    let servers = parse_servers(&options.servers)?;
    let refusals = refusals.clone();
    let mut settings = async_nats::ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(options.timeout)
        .event_callback(move |event| {
            if let Event::ServerError(ServerError::Other(text)) = &event
                && is_refusal(text)
            {
                refusals.note(text);
            }
            std::future::ready(())
        });
    if let Some(prefix) = &options.inbox_prefix {
        settings = settings.custom_inbox_prefix(prefix);
    }
    let settings = with_credentials(settings, options).await?;
    settings.connect(servers).await.map_err(|error| told(&error, &options.servers))
}

async fn with_credentials(
    settings: async_nats::ConnectOptions,
    options: &ConnectOptions,
) -> Result<async_nats::ConnectOptions, ConnectError> {
    match &options.credentials {
        Credentials::None => Ok(settings),
        Credentials::Token(token) => Ok(settings.token(token.clone())),
        Credentials::UserPassword { user, password } => Ok(settings.user_and_password(user.clone(), password.clone())),
        Credentials::CredsFile(path) => settings.credentials_file(path).await.map_err(|error| {
            let reason = format!("{} cannot be read: {error}", path.display());
            ConnectError::Credentials { server: shown(&options.servers), reason }
        }),
    }
}

fn is_refusal(text: &str) -> bool {
    text.to_ascii_lowercase().contains("permissions violation")
}

fn parse_servers(servers: &str) -> Result<Vec<async_nats::ServerAddr>, ConnectError> {
    let bad = |reason: String| ConnectError::Servers { servers: shown(servers), reason };
    let parsed = servers.split(',').map(str::trim).filter(|server| !server.is_empty()).map(str::parse);
    let parsed: Vec<_> = parsed.collect::<Result<_, std::io::Error>>().map_err(|error| bad(error.to_string()))?;
    if parsed.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    if servers.split(',').any(|server| server.trim().ends_with("://")) {
        return Err(bad("a host is missing".to_owned()));
    }
    Ok(parsed)
}

/// The servers without user names and passwords.
fn shown(servers: &str) -> String {
    let one = |server: &str| match (server.split_once("://"), server.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => server.to_owned(),
    };
    servers.split(',').map(str::trim).map(one).collect::<Vec<_>>().join(",")
}

fn told(error: &async_nats::ConnectError, servers: &str) -> ConnectError {
    let server = shown(servers);
    let reason = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.kind().to_string(),
    };
    match error.kind() {
        ConnectErrorKind::ServerParse => ConnectError::Servers { servers: server, reason },
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ConnectError::Credentials { server, reason }
        }
        ConnectErrorKind::Tls => ConnectError::Tls { server, reason },
        ConnectErrorKind::Dns | ConnectErrorKind::TimedOut | ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => {
            ConnectError::Unreachable { server, reason }
        }
    }
}

fn check_version(version: &str, server: &str) -> Result<(), ConnectError> {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found >= VERSION_MIN {
        return Ok(());
    }
    let need = format!("{}.{}", VERSION_MIN.0, VERSION_MIN.1);
    Err(ConnectError::TooOld { server: server.to_owned(), version: version.to_owned(), need })
}

/// Asks for JetStream. A tenant's user has no right to ask; then what the server said of itself must do.
async fn check_jetstream(nats: &Link, server: &str, who: Who) -> Result<(), ConnectError> {
    let none = |reason: &str| ConnectError::NoJetStream { server: server.to_owned(), reason: reason.to_owned() };
    let by_its_word = || if nats.server_info().jetstream { Ok(()) } else { Err(none("it does not answer")) };
    let request = async_nats::Request::new().payload("".into()).timeout(Some(JETSTREAM_TIMEOUT));
    match nats.ask(JETSTREAM_INFO.to_owned(), request).await {
        Ok(message) => match crate::publish::api_error(&message.payload) {
            Some(error) => Err(none(&error.description)),
            None => Ok(()),
        },
        Err(AskError::Forbidden(reason)) if who == Who::Operator => {
            Err(ConnectError::NoRight { server: server.to_owned(), reason })
        }
        Err(AskError::Failed(error)) if error.kind() == RequestErrorKind::NoResponders => {
            Err(none("nothing answers for it"))
        }
        Err(_) => by_its_word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused_by_version() {
        for good in ["2.14.0", "2.15.1", "2.15.0-dev", "3.0.0"] {
            check_version(good, "s").unwrap();
        }
        for bad in ["2.13.9", "2.9.10", "1.20.0", "", "x"] {
            let error = check_version(bad, "s").unwrap_err().to_string();
            assert!(error.contains("2.14"), "{error}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let options = ConnectOptions {
            credentials: Credentials::UserPassword { user: "u".into(), password: "secret".into() },
            ..ConnectOptions::default()
        };
        assert!(!format!("{options:?}").contains("secret"));
        assert!(!format!("{:?}", Credentials::Token("secret".into())).contains("secret"));
        assert_eq!(shown("nats://u:secret@a:1, b:2"), "nats://a:1,b:2");
    }

    #[test]
    fn servers_are_a_list() {
        assert_eq!(parse_servers("nats://a:1, b:2,").unwrap().len(), 2);
        for bad in ["", " , ", "nats://", "http://a b"] {
            parse_servers(bad).unwrap_err();
        }
    }
}
