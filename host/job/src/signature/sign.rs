//! One signature, as it is stored with a version.

use super::key::KeyId;
use base64::Engine as _;
use serde::{Deserialize, Serialize};

/// The largest signature file, in bytes: four short lines.
pub const SIGNATURE_BYTES_MAX: usize = 2048;

/// A text that is not a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a signature: {0}; `lovage sign` and `minisign -S` make files of four lines")]
pub struct SignatureTextError(String);

/// One signature, as it is stored with a version. What it says of itself is for people: [`super::verify`] reads
/// `minisig` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The number of the key that made it.
    pub key_id: String,
    /// What the tenant called that key when the version was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// What the signer noted; it is signed too.
    pub trusted_comment: String,
    /// The signature: the four lines of minisign's file.
    pub minisig: String,
}

impl Signature {
    /// Reads the text of a signature file. Says nothing about whether it holds.
    pub fn read(text: &str) -> Result<Self, SignatureTextError> {
        let (id, decoded) = decode(text)?;
        let trusted_comment = decoded.trusted_comment().to_owned();
        Ok(Self { key_id: id.to_string(), signer: None, trusted_comment, minisig: text.trim().to_owned() + "\n" })
    }

    /// The number of the key, read anew, and what the checking library makes of the text.
    pub(super) fn decoded(&self) -> Result<(KeyId, minisign_verify::Signature), SignatureTextError> {
        decode(&self.minisig)
    }
}

fn decode(text: &str) -> Result<(KeyId, minisign_verify::Signature), SignatureTextError> {
    let refused = |reason: &str| SignatureTextError(reason.to_owned());
    if text.len() > SIGNATURE_BYTES_MAX {
        return Err(refused(&format!("it has {} bytes, more than {SIGNATURE_BYTES_MAX}", text.len())));
    }
    if text.trim().lines().count() != 4 {
        return Err(refused("it has not four lines"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(refused("it has control characters"));
    }
    let signature = minisign_verify::Signature::decode(text.trim()).map_err(|error| refused(&error.to_string()))?;
    let line = text.trim().lines().nth(1).unwrap_or_default();
    let decoded =
        base64::engine::general_purpose::STANDARD.decode(line).map_err(|error| refused(&error.to_string()))?;
    let id = KeyId::of(&decoded).ok_or_else(|| refused("it names no key"))?;
    Ok((id, signature))
}
