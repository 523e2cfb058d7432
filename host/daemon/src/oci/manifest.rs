//! The layout of a component in a registry: the common one for WebAssembly, which has one configuration and one layer.

use super::error::OciError;
use lovage_job::name::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The media type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of the configuration.
pub(super) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the layer.
pub(super) const LAYER: &str = "application/wasm";
/// The largest manifest, in bytes.
pub(super) const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// A blob, as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Names these bytes.
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { media_type: media_type.to_owned(), digest: Digest::of(bytes), size, annotations: BTreeMap::new() }
    }
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    #[serde(default)]
    pub(super) media_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest of one component.
    pub(super) fn new(config: Descriptor, layer: Descriptor, annotations: BTreeMap<String, String>) -> Self {
        Self { schema_version: 2, media_type: Some(MANIFEST.to_owned()), config, layers: vec![layer], annotations }
    }

    /// Reads a manifest of whatever artefact.
    pub(super) fn read(bytes: &[u8], what: &str) -> Result<Self, OciError> {
        let refused = |reason: String| OciError::NotWasm { what: what.to_owned(), reason };
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| refused(format!("its manifest cannot be read: {error}")))?;
        match (manifest.schema_version, manifest.media_type.as_deref()) {
            (2, None | Some(MANIFEST)) => Ok(manifest),
            (version, media_type) => {
                let media_type = media_type.unwrap_or("none");
                Err(refused(format!("its manifest is of version {version} and type {media_type:.100?}")))
            }
        }
    }

    /// The layer that is the component.
    pub(super) fn component(&self, what: &str) -> Result<&Descriptor, OciError> {
        let refused = |reason: String| OciError::NotWasm { what: what.to_owned(), reason };
        if self.config.media_type != CONFIG {
            return Err(refused(format!("its configuration is {:.100?} and not {CONFIG}", self.config.media_type)));
        }
        match self.layers.as_slice() {
            [layer] if layer.media_type == LAYER => Ok(layer),
            [layer] => Err(refused(format!("its layer is {:.100?} and not {LAYER}", layer.media_type))),
            layers => Err(refused(format!("it has {} layers and not one", layers.len()))),
        }
    }
}

/// The configuration of a component.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) created: String,
    pub(super) architecture: &'static str,
    pub(super) os: &'static str,
    pub(super) layer_digests: Vec<Digest>,
    pub(super) component: ConfigComponent,
}

/// What the component imports and exports.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ConfigComponent {
    pub(super) exports: Vec<String>,
    pub(super) imports: Vec<String>,
    pub(super) target: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest() -> Value {
        let (config, layer) = (Descriptor::of(CONFIG, b"{}"), Descriptor::of(LAYER, b"wasm"));
        serde_json::to_value(Manifest::new(config, layer, BTreeMap::new())).unwrap()
    }

    fn read(value: &Value) -> Result<Digest, OciError> {
        let manifest = Manifest::read(value.to_string().as_bytes(), "it")?;
        manifest.component("it").map(|layer| layer.digest.clone())
    }

    #[test]
    fn the_layout_reads_back() {
        assert_eq!(read(&manifest()), Ok(Digest::of(b"wasm")));
        let mut foreign = manifest();
        foreign["artifactType"] = json!("x");
        foreign.as_object_mut().unwrap().remove("mediaType");
        assert_eq!(read(&foreign), Ok(Digest::of(b"wasm")), "what is not needed is left alone");
    }

    #[test]
    fn other_layouts_are_refused() {
        let changed = |path: &str, value: Value| {
            let mut manifest = manifest();
            *manifest.pointer_mut(path).unwrap() = value;
            read(&manifest)
        };
        for (path, value, told) in [
            ("/schemaVersion", json!(1), "version 1"),
            ("/mediaType", json!("application/vnd.oci.image.index.v1+json"), "index"),
            ("/config/mediaType", json!("application/vnd.oci.image.config.v1+json"), "configuration"),
            ("/layers/0/mediaType", json!("application/vnd.oci.image.layer.v1.tar"), "layer is"),
            ("/layers", json!([]), "0 layers"),
            ("/layers/0/digest", json!("sha256:../.."), "cannot be read"),
            ("/layers/0/size", json!(-1), "cannot be read"),
        ] {
            let error = changed(path, value).unwrap_err();
            assert!(error.to_string().contains(told), "{path}: {error}");
        }
        let mut two = manifest();
        let layer = two["layers"][0].clone();
        two["layers"].as_array_mut().unwrap().push(layer);
        assert!(read(&two).unwrap_err().to_string().contains("2 layers"));
        assert!(Manifest::read(b"[", "it").is_err());
    }
}
