//! `lovage token`: the bearer tokens of the HTTP API.

use super::audit;
use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::task::when;
use super::{Exit, Failure, Output};
use crate::clock::now;
use crate::http::auth::{NewToken, Role};
use crate::nats::records::Records;
use crate::nats::tokens::{TokenError, Tokens};
use crate::nats::topology::{self, TopologyConfig};
use clap::Subcommand;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::{TenantName, TokenName};
use lovage_job::token::{TokenKey, TokenRecord};
use lovage_job::unit::parse_span;
use serde_json::{Value, json};
use std::time::Duration;

/// Make, list and remove tokens for the HTTP API and the console.
///
/// A token opens one tenant (that of --tenant), or all with --all. Only its hash is stored.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it, once.
    Add {
        /// Its name among those of its tenant.
        name: TokenName,
        /// What its holder may do: viewer, operator or admin.
        #[arg(long)]
        role: Role,
        /// For all tenants.
        #[arg(long)]
        all: bool,
        /// How long it is valid [default: until it is removed].
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        expires: Option<Duration>,
    },
    /// List the tokens of all tenants.
    #[command(visible_alias = "ls")]
    List,
    /// Remove a token. Servers refuse it at once, and end its streams.
    Rm {
        /// Its name.
        name: TokenName,
        /// One for all tenants.
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn main(command: TokenCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.connect().await?;
    let js = async_nats::jetstream::new(client.clone());
    topology::ensure_shared(&js, TopologyConfig::default()).await.or_exit(Exit::Broker)?;
    let tokens = Tokens::open(&js).await.or_exit(Exit::Broker)?;
    let tenant = |all: bool| (!all).then(|| connection.tenant().clone());
    match command {
        TokenCommand::Add { name, role, all, expires } => {
            if let Some(tenant) = tenant(all) {
                let records = Records::open(&js).await.or_exit(Exit::Broker)?;
                records.known(&tenant).await.map_err(super::tenant::told)?;
            }
            let new = NewToken { name, tenant: tenant(all), role, lasts: expires };
            add(&client, &tokens, new, output).await
        }
        TokenCommand::List => list(&tokens.all().await.or_exit(Exit::Broker)?, output),
        TokenCommand::Rm { name, all } => {
            let key = TokenKey { tenant: tenant(all), name };
            let removed = tokens.remove(&key).await.map_err(told)?;
            let note = AuditNote::new(&owner(&removed), AuditKind::Access, "token rm", &key).before(shown(&removed));
            audit::note(&client, note, output).await;
            match output.json {
                true => output.value(&shown(&removed))?,
                false => output.line(&format!("token {key} is removed"))?,
            }
            Ok(Exit::Done)
        }
    }
}

async fn add(client: &async_nats::Client, tokens: &Tokens, new: NewToken, output: Output) -> Result<Exit, Failure> {
    let (text, record) = new.make(now()).or_exit(Exit::Host)?;
    tokens.create(&record).await.map_err(told)?;
    let note = AuditNote::new(&owner(&record), AuditKind::Access, "token add", record.key()).after(shown(&record));
    audit::note(client, note, output).await;
    if output.json {
        let mut value = shown(&record);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("token".to_owned(), json!(text.reveal()));
        }
        output.value(&value)?;
    } else {
        output.line(text.reveal())?;
        output.note("it is shown this once; only its hash is stored");
    }
    Ok(Exit::Done)
}

/// Whose trail tells of a token: that of its tenant, or that of the platform's own.
fn owner(record: &TokenRecord) -> TenantName {
    record.tenant.clone().unwrap_or_else(TenantName::default_tenant)
}

fn shown(record: &TokenRecord) -> Value {
    json!({
        "name": record.name, "tenant": record.tenant, "role": record.role, "ends": record.ends,
        "created": record.created, "expires": record.expires,
    })
}

fn list(records: &[TokenRecord], output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(&records.iter().map(shown).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        output.note("no tokens");
        return Ok(Exit::Done);
    }
    let now = now();
    let rows = records.iter().map(|record| {
        let expires = match record.expires {
            Some(_) if record.has_expired(now) => "expired".to_owned(),
            Some(time) => when(time),
            None => "never".to_owned(),
        };
        let tenant = record.tenant.as_ref().map_or("all", TenantName::as_str).to_owned();
        let ends = format!("…{}", record.ends);
        vec![record.name.to_string(), tenant, record.role.to_string(), ends, when(record.created), expires]
    });
    output.table(&["TOKEN", "TENANT", "ROLE", "ENDS WITH", "CREATED", "EXPIRES"], rows.collect())?;
    Ok(Exit::Done)
}

fn told(error: TokenError) -> Failure {
    let exit = match error {
        TokenError::Exists(_) => Exit::Usage,
        TokenError::Unknown(_) => Exit::NotFound,
        TokenError::Broker(_) => Exit::Broker,
    };
    Failure::new(exit, error)
}
