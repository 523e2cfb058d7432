//! `lovage secret`: values that only granted tasks read, sealed before they leave this machine.

mod keys;
mod rekey;
mod value;

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::task::when;
use super::{Exit, Failure, Output, audit};
use crate::clock::now;
use crate::nats::secrets::SecretStore;
use crate::nats::topology::TopologyConfig;
use crate::secrets::{KeyRing, SealedSecret, seal};
use clap::{Args, Subcommand};
pub(super) use keys::{dev_keys, worker_keys};
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::SecretName;
use serde_json::json;
use std::path::PathBuf;

/// Keep secrets for tasks.
///
/// A task reads one with `lovage_task::secrets` once it is granted it: `lovage task allow TASK secret=NAME`. Values lie
/// on the broker encrypted, with a key that workers have and you: make one with `lovage secret key new --out FILE` and
/// give it to workers as `[secrets] key_file`, and to this command as --key-file. No command prints a value.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret, in place of the one of that name.
    ///
    /// The value comes from a file or standard input, byte for byte, or is asked for without being shown; never from the
    /// command line, which others on this machine can see.
    Set(SetArgs),
    /// List secrets: names, sizes, times and the ids of their keys.
    #[command(visible_alias = "list")]
    Ls {
        /// Those of every tenant.
        #[arg(long)]
        all: bool,
    },
    /// Remove a secret. Tasks that ask for it find none.
    Rm {
        /// Its name.
        name: SecretName,
    },
    /// Encrypt every secret of every tenant anew, with the first of the keys.
    ///
    /// To change the key: `lovage secret key new --out FILE` puts a new one before those in the file; give that file to
    /// the workers and restart them; run this; then take the old key out of the file.
    Rekey(KeyArgs),
    /// Make the keys that secrets are encrypted with.
    #[command(subcommand)]
    Key(keys::KeyCommand),
}

/// What `secret set` takes.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Its name, by which tasks are granted it and ask for it.
    name: SecretName,
    /// Where the value is read from; `-` is standard input [default: standard input, or a question on a terminal].
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

/// Where the keys are.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The file of keys [default: the keys in LOVAGE_SECRETS_KEY].
    #[arg(long, value_name = "FILE", env = "LOVAGE_SECRETS_KEY_FILE")]
    key_file: Option<PathBuf>,
}

impl KeyArgs {
    fn ring(&self) -> Result<KeyRing, Failure> {
        let missing = || {
            let hint = "give --key-file FILE with the keys that the workers have; `lovage secret key new --out FILE` makes one";
            Failure::new(Exit::Usage, "there is no key to encrypt secrets with").hint(hint)
        };
        worker_keys(self.key_file.as_deref())?.ok_or_else(missing)
    }
}

pub(super) async fn main(command: SecretCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    match command {
        SecretCommand::Set(args) => set(args, connection, output).await,
        SecretCommand::Ls { all } => ls(all, connection, output).await,
        SecretCommand::Rm { name } => rm(&name, connection, output).await,
        SecretCommand::Rekey(key) => rekey::rekey(&key.ring()?, connection, output).await,
        SecretCommand::Key(command) => keys::main(&command, output),
    }
}

async fn store(client: &async_nats::Client) -> Result<SecretStore, Failure> {
    let js = async_nats::jetstream::new(client.clone());
    SecretStore::open(&js, TopologyConfig::default()).await.or_exit(Exit::Broker)
}

/// What the audit trail has of a record: never the value, and not the sealed one either.
fn told(record: &SealedSecret) -> serde_json::Value {
    json!({ "bytes": record.size, "key": record.key, "set": record.set })
}

async fn set(args: SetArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let ring = args.key.ring()?;
    let value = value::read(args.from_file.as_deref(), &args.name, output)?;
    let (tenant, name) = (connection.tenant(), &args.name);
    let record = seal(&ring, (tenant, name), &value, now(), rand::random()).or_exit(Exit::Host)?;
    let client = connection.connect().await?;
    let store = store(&client).await?;
    // one that is damaged is written over
    let before = store.get(tenant, name).await.ok().flatten();
    store.put(tenant, name, &record).await.or_exit(Exit::Broker)?;
    let note = AuditNote::new(tenant, AuditKind::Secrets, "set", name).after(told(&record));
    audit::note(&client, note.before(before.map(|(record, _)| told(&record))), output).await;
    if output.json {
        output.value(&json!({ "tenant": tenant, "name": name, "size": record.size, "key": record.key }))?;
    } else {
        output.note(&format!(
            "secret {name} of {tenant} is set: {} bytes, encrypted with key {}",
            record.size, record.key
        ));
    }
    Ok(Exit::Done)
}

async fn ls(all: bool, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let tenant = (!all).then(|| connection.tenant());
    let secrets = store(&connection.connect().await?).await?.list(tenant).await.or_exit(Exit::Broker)?;
    if output.json {
        let list: Vec<_> = secrets
            .iter()
            .map(|(tenant, name, record)| {
                json!({ "tenant": tenant, "name": name, "size": record.size, "set": record.set, "key": record.key })
            })
            .collect();
        output.value(&list)?;
        return Ok(Exit::Done);
    }
    let rows = secrets.into_iter().map(|(tenant, name, record)| {
        let tenant = if all { tenant.to_string() } else { String::new() };
        vec![tenant, name.to_string(), record.size.to_string(), when(record.set), record.key]
    });
    output.table(&["TENANT", "NAME", "BYTES", "SET", "KEY"], rows.collect())?;
    Ok(Exit::Done)
}

async fn rm(name: &SecretName, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let tenant = connection.tenant();
    let client = connection.connect().await?;
    if !store(&client).await?.remove(tenant, name).await.or_exit(Exit::Broker)? {
        return Err(Failure::new(Exit::NotFound, format!("tenant {tenant} has no secret {name}")));
    }
    audit::note(&client, AuditNote::new(tenant, AuditKind::Secrets, "rm", name), output).await;
    output.note(&format!("secret {name} of {tenant} is removed"));
    Ok(Exit::Done)
}
