//! `lovage tenant keys`: whose signatures a tenant trusts.

use super::super::key::small_file;
use super::super::{Exit, Failure, Output};
use super::policy::{Policies, told};
use crate::cli::connection::ConnectionArgs;
use crate::oci::CosignKey;
use clap::Subcommand;
use lovage_job::name::{SignerName, TenantName};
use lovage_job::signature::PublicKey;
use lovage_job::tenant::{KEYS_MAX, TenantRecord};
use std::path::Path;

/// See and change the keys whose signatures a tenant trusts.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Trust a key.
    Add {
        /// The tenant.
        tenant: TenantName,
        /// What the key is called.
        name: SignerName,
        /// The public key: the line of `lovage key new`, or the file that it is in; or cosign.pub, the file of a key of
        /// cosign (P-256), of which then everything must have a signature that is taken from a registry.
        #[arg(value_name = "PUBKEY")]
        key: String,
    },
    /// Trust a key no longer: what only it signed does not start any more, on running workers too.
    Rm {
        /// The tenant.
        tenant: TenantName,
        /// What the key is called.
        name: SignerName,
    },
    /// List the keys.
    #[command(visible_alias = "list")]
    Ls {
        /// The tenant.
        tenant: TenantName,
    },
}

/// The largest file of a public key, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 2048;

pub(super) async fn main(command: &KeysCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    match command {
        KeysCommand::Add { tenant, name, key } => {
            let key = read(key)?;
            let policies = Policies::open(connection, output).await?;
            let what = format!("key {name}");
            let record = policies.change(tenant, "tenant keys add", &what, |record| add(record, name, &key)).await?;
            told(&record, output)
        }
        KeysCommand::Rm { tenant, name } => {
            let policies = Policies::open(connection, output).await?;
            let what = format!("key {name}");
            let record = policies.change(tenant, "tenant keys rm", &what, |record| remove(record, name)).await?;
            if record.signatures.required && record.signatures.keys.is_empty() {
                output.note(&format!("tenant {tenant} requires signatures and trusts no key: none of its jobs starts"));
            }
            told(&record, output)
        }
        KeysCommand::Ls { tenant } => told(&Policies::open(connection, output).await?.get(tenant).await?, output),
    }
}

/// A key of either kind, as it is noted.
enum Key {
    Minisign(String),
    Cosign(String),
}

/// Reads a key from its line, or from the file that holds it.
fn read(text: &str) -> Result<Key, Failure> {
    let refused = |told: String| Failure::new(Exit::Usage, told);
    let path = Path::new(text);
    let text = match path.is_file() {
        true => small_file(path, KEY_FILE_BYTES_MAX)?,
        false => text.to_owned(),
    };
    if text.contains("BEGIN PUBLIC KEY") {
        let read = text.parse::<CosignKey>().map(|_| Key::Cosign(text.trim().to_owned() + "\n"));
        return read.map_err(|error| refused(error.to_string()));
    }
    let key: PublicKey = text.parse().map_err(|error| refused(format!("{error}")))?;
    Ok(Key::Minisign(key.as_str().to_owned()))
}

fn add(record: &mut TenantRecord, name: &SignerName, key: &Key) -> Result<(), super::ChangeError> {
    let refused = |told: String| Err(super::ChangeError::Refused(Exit::Usage, told));
    let policy = &mut record.signatures;
    let (keys, others, key) = match key {
        Key::Minisign(key) => (&mut policy.keys, &policy.cosign, key),
        Key::Cosign(key) => (&mut policy.cosign, &policy.keys, key),
    };
    if others.contains_key(name.as_str()) {
        return refused(format!("there is a key of another kind called {name}; choose another name"));
    }
    if let Some((other, _)) = keys.iter().find(|(other, there)| *there == key && *other != name.as_str()) {
        return refused(format!("that key is trusted already, as {other}"));
    }
    match keys.get(name.as_str()) {
        Some(there) if there == key => Ok(()),
        Some(_) => refused(format!("there is another key called {name}; remove it first, or choose another name")),
        None if keys.len() >= KEYS_MAX => refused(format!("a tenant trusts at most {KEYS_MAX} keys")),
        None => {
            keys.insert(name.to_string(), key.clone());
            Ok(())
        }
    }
}

fn remove(record: &mut TenantRecord, name: &SignerName) -> Result<(), super::ChangeError> {
    let policy = &mut record.signatures;
    if policy.keys.remove(name.as_str()).or_else(|| policy.cosign.remove(name.as_str())).is_some() {
        return Ok(());
    }
    let known: Vec<_> = policy.keys.keys().chain(policy.cosign.keys()).cloned().collect();
    let known = if known.is_empty() { "no key".to_owned() } else { known.join(", ") };
    let told = format!("tenant {} trusts no key called {name}; it trusts {known}", record.tenant);
    Err(super::ChangeError::Refused(Exit::NotFound, told))
}
