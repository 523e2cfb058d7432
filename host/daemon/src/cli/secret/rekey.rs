//! `lovage secret rekey`: every secret with the first of the keys.

use super::super::connection::ConnectionArgs;
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output, audit};
use crate::nats::secrets::SecretStore;
use crate::secrets::{KeyRing, open, seal};
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::{SecretName, TenantName};
use serde_json::json;

/// How often one secret is tried that is set anew meanwhile.
const TRIES: usize = 10;

pub(super) async fn rekey(ring: &KeyRing, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let client = connection.connect().await?;
    let store = super::store(&client).await?;
    let (mut done, mut kept, mut faults) = (0u64, 0u64, Vec::new());
    for (tenant, name, record) in store.list(None).await.or_exit(Exit::Broker)? {
        if record.key == ring.current().id() {
            kept += 1;
            continue;
        }
        match one(&store, ring, &tenant, &name).await {
            Ok(()) => {
                done += 1;
                let key = |id: &str| json!({ "key": id });
                let note = AuditNote::new(&tenant, AuditKind::Secrets, "rekey", &name);
                let note = note.before(key(&record.key)).after(key(&ring.current().id()));
                audit::note(&client, note, output).await;
            }
            Err(failure) => faults.push(format!("secret {name} of {tenant}: {}", failure.message)),
        }
    }
    let key = ring.current().id();
    if output.json {
        output.value(&json!({ "key": key, "rekeyed": done, "kept": kept, "faults": faults }))?;
    } else {
        output.note(&format!("{done} secrets are encrypted anew with key {key}, {kept} were already"));
        faults.iter().for_each(|fault| output.note(fault));
    }
    match faults.len() {
        0 => Ok(Exit::Done),
        count => {
            let failure = Failure::new(Exit::Usage, format!("{count} secrets are as they were"));
            Err(failure.hint("give all keys that they are encrypted with, the new one first"))
        }
    }
}

/// One secret; again where someone sets it meanwhile.
async fn one(store: &SecretStore, ring: &KeyRing, tenant: &TenantName, name: &SecretName) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let Some((record, revision)) = store.get(tenant, name).await.or_exit(Exit::Broker)? else { return Ok(()) };
        let value = open(ring, tenant, name, &record).or_exit(Exit::Usage)?;
        let anew = seal(ring, (tenant, name), &value, record.set, rand::random()).or_exit(Exit::Host)?;
        if store.replace(tenant, name, &anew, revision).await.or_exit(Exit::Broker)? {
            return Ok(());
        }
    }
    Err(Failure::new(Exit::Broker, "it is set by others all the time"))
}
