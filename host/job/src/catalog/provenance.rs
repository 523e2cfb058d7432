//! Where a version came from, as whoever pushed it says; and what an attestation says that came with it.

use crate::name::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest attestation, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 128 << 10;

/// Where a version came from. Nothing of it is vouched for but by signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What was pushed.
    pub source: Source,
    /// Who pushed it: the user and host of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_by: Option<String>,
    /// What it was pushed with.
    pub tool: String,
    /// What an attestation says of how it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Source {
    /// A file.
    File {
        /// Its name, without the folder.
        name: String,
        /// Its size in bytes.
        size_bytes: u64,
        /// The digest of its bytes: another than the version's where the file was a core module.
        digest: Digest,
    },
    /// An artefact of a registry.
    Oci {
        /// As it was asked for.
        reference: String,
        /// The manifest that the reference named at that time.
        manifest: Digest,
        /// The layer.
        digest: Digest,
        /// Its size in bytes.
        size_bytes: u64,
        /// The cosign key that signed the manifest, as the tenant or the command line calls it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cosign: Option<String>,
    },
}

impl Source {
    /// The digest of the bytes that were read.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::File { digest, .. } | Self::Oci { digest, .. } => digest,
        }
    }
}

/// An attestation: an in-toto statement, such as SLSA's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What it tells, such as `https://slsa.dev/provenance/v1`.
    pub predicate_type: String,
    /// Who built it, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// The commit that it was built from, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// All of it.
    pub document: Value,
}

/// A file that is no attestation of the component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It is too large.
    #[error("an attestation of {0} bytes is larger than {STATEMENT_BYTES_MAX}")]
    TooLarge(usize),
    /// It is no JSON.
    #[error("an attestation is an in-toto statement in JSON: {0}")]
    NotJson(String),
    /// It is something else.
    #[error("an attestation is an in-toto statement: {0}")]
    NotAStatement(&'static str),
    /// It is of something else.
    #[error("the attestation is of {subjects}, and not of the component, whose digest is {wanted}")]
    OtherSubject {
        /// What it is of.
        subjects: String,
        /// What it should be of.
        wanted: String,
    },
}

impl Statement {
    /// Reads an in-toto statement, or the envelope (DSSE) of one, whose own signatures are not looked at. One of its
    /// subjects must be one of `digests`.
    pub fn read(bytes: &[u8], digests: &[&Digest]) -> Result<Self, StatementError> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::TooLarge(bytes.len()));
        }
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes);
        let document = parse(bytes).map_err(|error| StatementError::NotJson(error.to_string()))?;
        let inner = match document.get("payload").and_then(Value::as_str) {
            Some(payload) => {
                use base64::Engine as _;
                let payload = base64::engine::general_purpose::STANDARD.decode(payload);
                let payload = payload.map_err(|error| StatementError::NotJson(error.to_string()))?;
                parse(&payload).map_err(|error| StatementError::NotJson(error.to_string()))?
            }
            None => document.clone(),
        };
        let kind = inner.get("_type").and_then(Value::as_str).unwrap_or_default();
        if !kind.starts_with("https://in-toto.io/Statement/") {
            return Err(StatementError::NotAStatement("its _type is not https://in-toto.io/Statement/…"));
        }
        let predicate_type = inner.get("predicateType").and_then(Value::as_str);
        let predicate_type = predicate_type.ok_or(StatementError::NotAStatement("it has no predicateType"))?;
        check_subject(&inner, digests)?;
        let predicate = inner.get("predicate").unwrap_or(&Value::Null);
        Ok(Self {
            predicate_type: short(predicate_type),
            builder: builder(predicate).map(short),
            commit: commit(predicate).map(short),
            document,
        })
    }
}

fn check_subject(statement: &Value, digests: &[&Digest]) -> Result<(), StatementError> {
    let subjects = statement.get("subject").and_then(Value::as_array);
    let subjects = subjects.ok_or(StatementError::NotAStatement("it has no list of subjects"))?;
    let of = |subject: &Value| subject.pointer("/digest/sha256").and_then(Value::as_str).map(str::to_owned);
    let found: Vec<String> = subjects.iter().filter_map(of).collect();
    if found.iter().any(|hex| digests.iter().any(|digest| digest.hex() == hex)) {
        return Ok(());
    }
    let shown: Vec<_> = found.iter().take(3).map(|hex| short(hex)).collect();
    Err(StatementError::OtherSubject {
        subjects: if shown.is_empty() { "nothing with a sha256".to_owned() } else { shown.join(", ") },
        wanted: digests.iter().map(|digest| digest.hex()).collect::<Vec<_>>().join(" or "),
    })
}

/// SLSA 1.0, then 0.2.
fn builder(predicate: &Value) -> Option<&str> {
    let places = ["/runDetails/builder/id", "/builder/id"];
    places.iter().find_map(|place| predicate.pointer(place)?.as_str())
}

fn commit(predicate: &Value) -> Option<&str> {
    let of = |material| {
        ["/digest/gitCommit", "/digest/sha1"].iter().find_map(|place| Value::pointer(material, place)?.as_str())
    };
    let lists = ["/buildDefinition/resolvedDependencies", "/materials"];
    lists.iter().find_map(|list| predicate.pointer(list)?.as_array()?.iter().find_map(of))
}

/// What is shown of a text that anyone may have written.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[path = "provenance_tests.rs"]
mod tests;
