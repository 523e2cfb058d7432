//! `lovage task export`: a version of a task goes to a registry.

use super::{known, no_version};
use crate::cli::exit::OrExit;
use crate::cli::push::brought;
use crate::cli::registry::{RegistryArgs, annotations, described, registry_failure};
use crate::cli::{Exit, Failure, Output};
use crate::nats::store::{Catalog, Components};
use crate::oci::{Access, Reference, export};
use clap::Args;
use lovage_job::catalog::{AliasTargets, Provenance, Source, TaskRecord, VersionRecord, VersionRef};
use lovage_job::name::{AliasName, Digest, TaskName, TenantName, VersionName};
use std::str::FromStr;

/// What `lovage task export` takes.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The task, with the version, alias or sha256:… to bring where it is not what stable names.
    #[arg(value_name = "TASK[@VERSION]")]
    what: Wanted,
    /// Where it goes: oci://HOST[:PORT]/REPOSITORY[:TAG].
    #[arg(long, value_name = "REFERENCE")]
    to: Reference,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// A task, and which version of it.
#[derive(Debug, Clone)]
struct Wanted {
    task: TaskName,
    version: Option<VersionRef>,
}

impl FromStr for Wanted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (task, version) = text.split_once('@').map_or((text, None), |(task, version)| (task, Some(version)));
        let task = task.parse().map_err(|error| format!("{error}"))?;
        let version = version.map(str::parse).transpose().map_err(|error| format!("{error}"))?;
        Ok(Self { task, version })
    }
}

pub(super) async fn main(
    args: &ExportArgs,
    catalog: &Catalog,
    components: &Components,
    tenant: &TenantName,
    output: Output,
) -> Result<Exit, Failure> {
    let Wanted { task, version } = &args.what;
    let record = known(catalog, tenant, task).await?;
    let name = chosen(&record, version.as_ref())?;
    let version = catalog.version(tenant, task, &name).await.or_exit(Exit::Broker)?;
    let version = version.ok_or_else(|| no_version(task, &name))?;
    let component = components.get(tenant, &version.digest).await.or_exit(Exit::Broker)?;
    let gone = || Failure::new(Exit::NotFound, format!("the component {} is not in the store", version.digest));
    let component = component.ok_or_else(gone)?;
    let actual = Digest::of(&component);
    if actual != version.digest {
        let told = format!("the stored component has digest {actual} where {} is expected", version.digest);
        return Err(Failure::new(Exit::Broker, told));
    }
    let registry = args.registry.open(&args.to, Access::Push)?;
    let told = told_of(&version);
    let exported = export(&registry, &args.to, component.to_vec(), told).await.map_err(registry_failure)?;
    brought::print(&exported, output)
}

/// The one version that is meant.
fn chosen(record: &TaskRecord, wanted: Option<&VersionRef>) -> Result<VersionName, Failure> {
    let unknown = |wanted: &str| {
        let versions: Vec<_> = record.versions.iter().map(|entry| entry.version.as_str()).collect();
        let told = format!("task {} has no version {wanted}; it has {}", record.task, versions.join(", "));
        Failure::new(Exit::NotFound, told)
    };
    let name = match wanted {
        Some(VersionRef::Digest(digest)) => {
            let entry = record.versions.iter().rev().find(|entry| entry.digest == *digest);
            return entry.map(|entry| entry.version.clone()).ok_or_else(|| unknown(digest.as_str()));
        }
        Some(VersionRef::Name(name)) => name.as_str().to_owned(),
        None => AliasName::stable().as_str().to_owned(),
    };
    let alias = name.parse::<AliasName>().ok();
    match alias.and_then(|alias| record.aliases.get(&alias)) {
        Some(AliasTargets(sides)) => match sides.as_slice() {
            [side] => Ok(side.version.clone()),
            _ => {
                let told = format!("alias {name} of task {} names several versions; name one", record.task);
                Err(Failure::new(Exit::Usage, told))
            }
        },
        None => {
            let entry = record.versions.iter().find(|entry| entry.version.as_str() == name);
            entry.map(|entry| entry.version.clone()).ok_or_else(|| unknown(&name))
        }
    }
}

/// The same for each export of a version, so that its manifest is the same, too.
fn told_of(version: &VersionRecord) -> crate::oci::Described {
    let created = version.pushed.to_rfc3339();
    // what was pushed before anyone noted where it came from
    let unknown = || Provenance {
        source: Source::File { name: String::new(), size_bytes: version.size_bytes, digest: version.digest.clone() },
        pushed_by: None,
        tool: String::new(),
        statement: None,
    };
    let provenance = version.provenance.clone().unwrap_or_else(unknown);
    let title = format!("{}.wasm", version.task);
    let (name, summary) = (version.version.as_str(), version.export.summary.as_deref());
    let notes = annotations(&title, Some(name), summary, &created, &provenance);
    described(created, vec![version.export.name.to_string()], version.imports.clone(), notes)
}
