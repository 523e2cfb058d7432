//! A component that goes from here to a registry, past the broker.

use super::super::registry::{annotations, described, registry_failure};
use super::super::{Exit, Failure, Output};
use super::{PushArgs, SIZE_CEILING, taken};
use crate::clock::now;
use crate::oci::{Access, Exported, Reference, export};
use lovage_job::name::Digest;
use lovage_sandbox::{InspectOptions, inspect};

pub(super) async fn main(args: &PushArgs, reference: &Reference, output: Output) -> Result<Exit, Failure> {
    let taken = taken::take(args).await?;
    let options = InspectOptions { size_max: args.max_size.min(SIZE_CEILING).as_usize(), shape: args.shape };
    let found = inspect(&taken.bytes, &options)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", args.file.display())))?;
    let provenance = args.vouch.provenance(taken.source, &Digest::of(&found.component))?;
    let exports: Vec<String> = found.exports.iter().map(|export| export.name.to_string()).collect();
    let title = format!("{}.wasm", reference.last_part());
    let created = now().to_rfc3339();
    let version = args.version.as_ref().map(AsRef::as_ref);
    let notes = annotations(&title, version, None, &created, &provenance);
    let registry = args.registry.open(reference, Access::Push)?;
    let told = described(created, exports, found.imports, notes);
    let exported = export(&registry, reference, found.component, told).await.map_err(registry_failure)?;
    print(&exported, output)
}

/// What was brought.
pub(in crate::cli) fn print(exported: &Exported, output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.value(exported)?;
    } else {
        output.line(&format!("{}@{}", exported.reference, exported.manifest))?;
        output.note(&format!("{} bytes, {}", exported.size_bytes, exported.digest));
    }
    Ok(Exit::Done)
}
