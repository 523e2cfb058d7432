//! `lovage tenant policy`: whether a tenant takes signed components only.

use super::super::audit;
use super::super::exit::OrExit;
use super::super::{Exit, Failure, Output};
use super::{ChangeError, change_failure, open, told as record_told};
use crate::cli::connection::ConnectionArgs;
use crate::nats::records::Records;
use crate::nats::store::Catalog;
use clap::Args;
use lovage_job::audit::{AuditKind, AuditNote};
use lovage_job::name::TenantName;
use lovage_job::signature::{Claim, PublicKey, verify};
use lovage_job::tenant::TenantRecord;
use serde_json::json;

/// See or change whether a tenant takes components only that are signed by a key it trusts.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// The tenant.
    tenant: TenantName,
    /// Refuse what is not signed, at push and at each start of a job on every worker.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_signature: Option<bool>,
}

pub(super) async fn main(args: &PolicyArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let policies = Policies::open(connection, output).await?;
    let Some(required) = args.require_signature else {
        return told(&policies.get(&args.tenant).await?, output);
    };
    let change = |record: &mut TenantRecord| {
        if required && record.signatures.keys.is_empty() {
            let told = format!("tenant {} trusts no key, so that nothing could run; add one first", record.tenant);
            return Err(ChangeError::Refused(Exit::Usage, told));
        }
        record.signatures.required = required;
        Ok(())
    };
    let record = policies.change(&args.tenant, "tenant policy", "signatures", change).await?;
    if required {
        note_refused(&record, &policies.client, output).await?;
    }
    told(&record, output)
}

/// The policies of tenants; what is changed of them is noted in the audit trail.
pub(super) struct Policies {
    client: async_nats::Client,
    records: Records,
    output: Output,
}

impl Policies {
    pub(super) async fn open(connection: &ConnectionArgs, output: Output) -> Result<Self, Failure> {
        let (js, records) = open(connection).await?;
        Ok(Self { client: js.client(), records, output })
    }

    pub(super) async fn get(&self, tenant: &TenantName) -> Result<TenantRecord, Failure> {
        self.records.known(tenant).await.map_err(record_told)
    }

    /// Changes a tenant's policy, and notes it.
    pub(super) async fn change(
        &self,
        tenant: &TenantName,
        action: &str,
        target: &str,
        change: impl Fn(&mut TenantRecord) -> Result<(), ChangeError>,
    ) -> Result<TenantRecord, Failure> {
        let (before, record) = self.records.try_change(tenant, change).await.map_err(change_failure)?;
        let note = AuditNote::new(tenant, AuditKind::Signatures, action, target);
        audit::note(&self.client, note.before(&before.signatures).after(&record.signatures), self.output).await;
        Ok(record)
    }
}

/// Names what does not run any more.
async fn note_refused(record: &TenantRecord, client: &async_nats::Client, output: Output) -> Result<(), Failure> {
    let js = async_nats::jetstream::new(client.clone());
    // a broker that nothing was ever pushed to has no catalogue
    let Ok(catalog) = Catalog::open(&js).await else { return Ok(()) };
    for task in catalog.tasks(&record.tenant).await.or_exit(Exit::Broker)? {
        for entry in &task.versions {
            let version = catalog.version(&record.tenant, &task.task, &entry.version).await.or_exit(Exit::Broker)?;
            let signatures = version.map(|version| version.signatures).unwrap_or_default();
            let claim = Claim {
                tenant: record.tenant.clone(),
                task: task.task.clone(),
                version: entry.version.clone(),
                digest: entry.digest.clone(),
            };
            if let Err(fault) = verify(&record.signatures, &claim, &signatures) {
                output.note(&format!("no longer runs: {fault}"));
            }
        }
    }
    Ok(())
}

/// A policy, as a table or as JSON.
pub(super) fn told(record: &TenantRecord, output: Output) -> Result<Exit, Failure> {
    let policy = &record.signatures;
    let id = |key: &str| key.parse::<PublicKey>().map_or_else(|_| "unreadable".to_owned(), |key| key.id().to_string());
    if output.json {
        let minisign = policy.keys.iter();
        let minisign =
            minisign.map(|(name, key)| json!({"name": name, "kind": "minisign", "key_id": id(key), "public_key": key}));
        let cosign = policy.cosign.iter();
        let cosign = cosign.map(|(name, key)| json!({"name": name, "kind": "cosign", "public_key": key}));
        let keys: Vec<_> = minisign.chain(cosign).collect();
        output.value(&json!({"tenant": record.tenant, "require_signature": policy.required, "keys": keys}))?;
        return Ok(Exit::Done);
    }
    let needs = if policy.required { "required" } else { "not required" };
    output.line(&format!("tenant      {}", record.tenant))?;
    output.line(&format!("signatures  {needs}"))?;
    for (name, key) in &policy.keys {
        output.line(&format!("key         {name}  {}  {key}", id(key)))?;
    }
    for name in policy.cosign.keys() {
        output.line(&format!("key         {name}  cosign, of everything that is taken from a registry"))?;
    }
    Ok(Exit::Done)
}
