//! The component on its way in: read from a file, or taken from a registry.

use super::super::key::small_file;
use super::super::registry::registry_failure;
use super::super::{Exit, Failure};
use super::vouched::file_source;
use super::{PushArgs, SIZE_CEILING, read_component};
use crate::oci::{Access, CosignKey, Reference, Registry, import, verify_cosign};
use lovage_job::catalog::Source;
use lovage_job::name::{Digest, TaskName};
use lovage_job::tenant::SignaturePolicy;
use std::path::Path;

/// The largest file of a cosign key, in bytes.
const COSIGN_KEY_BYTES_MAX: u64 = 2048;

/// A component that was read.
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    pub(super) source: Source,
    artefact: Option<(Registry, Reference, Digest)>,
}

/// The reference that the argument is, where it is none of a file.
fn reference(path: &Path) -> Option<Result<Reference, Failure>> {
    let text = path.to_str().filter(|text| text.starts_with("oci:"))?;
    Some(text.parse().map_err(|error| Failure::new(Exit::Usage, format!("{error}"))))
}

/// The task name that the argument suggests: `http_echo.wasm` is http-echo, and so is `oci://host/team/http_echo:1`.
pub(super) fn suggested_name(path: &Path) -> Option<TaskName> {
    let stem = match reference(path) {
        Some(reference) => reference.ok()?.last_part().to_owned(),
        None => path.file_stem()?.to_str()?.to_lowercase(),
    };
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.trim_matches('-').parse().ok()
}

/// Reads the component; refuses before reading what is too large.
pub(super) async fn take(args: &PushArgs) -> Result<Taken, Failure> {
    let Some(reference) = reference(&args.file) else {
        if args.cosign_key.is_some() {
            let told = "--cosign-key is for what is taken from a registry, as oci://…; a file has --signature";
            return Err(Failure::new(Exit::Usage, told));
        }
        let bytes = read_component(&args.file, args.max_size)?;
        let source = file_source(&args.file, &bytes);
        return Ok(Taken { bytes, source, artefact: None });
    };
    let reference = reference?;
    let key = args.cosign_key.as_deref().map(cosign_key).transpose()?;
    let registry = args.registry.open(&reference, Access::Pull)?;
    let size_max = args.max_size.min(SIZE_CEILING).0;
    let imported = import(&registry, &reference, size_max).await.map_err(registry_failure)?;
    let signer = match key {
        Some(key) => {
            let signer = verify_cosign(&registry, &reference, &imported.manifest, &[key]).await;
            Some(signer.map_err(registry_failure)?)
        }
        None => None,
    };
    let source = Source::Oci {
        reference: reference.to_string(),
        manifest: imported.manifest.clone(),
        digest: Digest::of(&imported.bytes),
        size_bytes: u64::try_from(imported.bytes.len()).unwrap_or(u64::MAX),
        cosign: signer,
    };
    Ok(Taken { bytes: imported.bytes, source, artefact: Some((registry, reference, imported.manifest)) })
}

impl Taken {
    /// Checks an artefact against the cosign keys of the tenant, where it has some, and returns whose signature holds.
    pub(super) async fn check_policy(&self, policy: &SignaturePolicy) -> Result<Option<String>, Failure> {
        let Some((registry, reference, manifest)) = self.artefact.as_ref().filter(|_| !policy.cosign.is_empty()) else {
            return Ok(None);
        };
        let read = |(name, text): (&String, &String)| match text.parse::<CosignKey>() {
            Ok(key) => Ok((name.clone(), key)),
            Err(error) => Err(Failure::new(Exit::Usage, format!("bad-policy: key {name}: {error}"))),
        };
        let keys = policy.cosign.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        verify_cosign(registry, reference, manifest, &keys).await.map(Some).map_err(registry_failure)
    }
}

fn cosign_key(path: &Path) -> Result<(String, CosignKey), Failure> {
    let text = small_file(path, COSIGN_KEY_BYTES_MAX)?;
    let fail = |error| Failure::new(Exit::Usage, format!("{}: {error}", path.display()));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, text.parse::<CosignKey>().map_err(fail)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_artefacts_suggest_names() {
        let of = |text: &str| suggested_name(Path::new(text)).map(|name| name.to_string());
        assert_eq!(of("a/http_echo.wasm").as_deref(), Some("http-echo"));
        assert_eq!(of("oci://localhost:5000/team/http_echo:1.2").as_deref(), Some("http-echo"));
        assert_eq!(of("oci://localhost:5000/"), None);
    }
}
