//! A component as an artefact: taken from a registry, and brought to one.

use super::client::Registry;
use super::error::OciError;
use super::manifest::{CONFIG, Config, ConfigComponent, Descriptor, LAYER, MANIFEST, MANIFEST_BYTES_MAX, Manifest};
use super::reference::{Reference, Target};
use bytes::Bytes;
use lovage_job::name::Digest;
use std::collections::BTreeMap;

/// A component that was taken.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The digest of the manifest that the reference named.
    pub manifest: Digest,
    /// What is noted beside it.
    pub annotations: BTreeMap<String, String>,
}

/// What is told of a component that is brought.
#[derive(Debug, Clone, Default)]
pub struct Described {
    /// When it was made, as RFC 3339.
    pub created: String,
    /// What it exports.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// What is noted beside it.
    pub annotations: BTreeMap<String, String>,
}

/// A component that was brought.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Exported {
    /// As it was asked for.
    pub reference: String,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
}

/// Takes a component of at most `size_max` bytes.
pub async fn import(registry: &Registry, reference: &Reference, size_max: u64) -> Result<Imported, OciError> {
    let what = reference.to_string();
    let (manifest, digest) = manifest(registry, reference).await?;
    let layer = manifest.component(&what)?;
    // before any of it is asked for
    if layer.size > size_max {
        return Err(OciError::TooLarge { what, size: layer.size, max: size_max });
    }
    let bytes = registry.blob(&layer.digest, layer.size, "the component").await?;
    Ok(Imported { bytes, manifest: digest, annotations: manifest.annotations })
}

/// The manifest that a reference names, and its digest.
pub(super) async fn manifest(registry: &Registry, reference: &Reference) -> Result<(Manifest, Digest), OciError> {
    let what = reference.to_string();
    let path = format!("manifests/{}", reference.target);
    let answer = registry.get(&path, MANIFEST, MANIFEST_BYTES_MAX).await?;
    let answer = answer.ok_or_else(|| OciError::NotFound(what.clone()))?;
    let actual = Digest::of(&answer.body);
    let wanted = match &reference.target {
        Target::Digest(digest) => Some(digest.clone()),
        Target::Tag(_) => {
            let told = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
            told.and_then(|text| text.parse().ok())
        }
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != actual) {
        return Err(OciError::Digest { what: format!("the manifest of {what}"), actual, wanted });
    }
    Ok((Manifest::read(&answer.body, &what)?, actual))
}

/// Brings a component under the reference's tag. The same component with the same description has the same manifest.
pub async fn export(
    registry: &Registry,
    reference: &Reference,
    component: Vec<u8>,
    described: Described,
) -> Result<Exported, OciError> {
    let broken = |error: serde_json::Error| OciError::Transport { host: registry.host(), reason: error.to_string() };
    let layer = Descriptor::of(LAYER, &component);
    let config = Config {
        created: described.created,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![layer.digest.clone()],
        component: ConfigComponent { exports: described.exports, imports: described.imports, target: None },
    };
    let config_bytes = serde_json::to_vec(&config).map_err(broken)?;
    let config = Descriptor::of(CONFIG, &config_bytes);
    let (digest, size_bytes) = (layer.digest.clone(), layer.size);
    registry.put_blob(&layer.digest, Bytes::from(component)).await?;
    registry.put_blob(&config.digest, Bytes::from(config_bytes)).await?;
    let manifest = Manifest::new(config, layer, described.annotations);
    let bytes = serde_json::to_vec(&manifest).map_err(broken)?;
    let manifest = Digest::of(&bytes);
    if let Target::Digest(wanted) = &reference.target
        && *wanted != manifest
    {
        let what = "the manifest of what is brought".to_owned();
        return Err(OciError::Digest { what, actual: manifest, wanted: wanted.clone() });
    }
    registry.put_manifest(&reference.target.to_string(), MANIFEST, Bytes::from(bytes)).await?;
    Ok(Exported { reference: reference.to_string(), manifest, digest, size_bytes })
}
