//! Whether a tenant's policy lets a version run.

use super::claim::Claim;
use super::fault::SignatureFault;
use super::key::PublicKey;
use super::sign::Signature;
use crate::tenant::SignaturePolicy;
use serde::Serialize;

/// Signatures of a version that are looked at; more are never stored.
pub const SIGNATURES_MAX: usize = 16;

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// The key, as the tenant calls it.
    pub signer: String,
    /// The key's number.
    pub key_id: String,
    /// What the signer noted.
    pub trusted_comment: String,
}

/// Finds the first signature of `claim` by a key that the policy trusts. Where there is none, that is a fault if the
/// policy requires one.
pub fn verify(
    policy: &SignaturePolicy,
    claim: &Claim,
    signatures: &[Signature],
) -> Result<Option<SignedBy>, SignatureFault> {
    let mut fault = None;
    for signature in signatures.iter().take(SIGNATURES_MAX) {
        match one(policy, claim, signature) {
            Ok(signed) => return Ok(Some(signed)),
            Err(found) => fault = fault.or(Some(found)),
        }
    }
    match (policy.required, fault) {
        (false, _) => Ok(None),
        (true, Some(fault)) => Err(fault),
        (true, None) => Err(SignatureFault::Missing { claim: claim.clone() }),
    }
}

fn one(policy: &SignaturePolicy, claim: &Claim, signature: &Signature) -> Result<SignedBy, SignatureFault> {
    let unreadable = |reason| SignatureFault::Unreadable { claim: claim.clone(), reason };
    let (id, decoded) = signature.decoded().map_err(|error| unreadable(error.to_string()))?;
    let (mut trusted, mut broken, mut other) = (Vec::new(), None, None);
    for (name, text) in &policy.keys {
        let Ok(key) = text.parse::<PublicKey>() else {
            broken = Some(name);
            continue;
        };
        trusted.push(format!("{name} ({})", key.id()));
        if key.id() != id {
            continue;
        }
        match key.key().verify(claim.message().as_bytes(), &decoded, false) {
            Ok(()) => {
                return Ok(SignedBy {
                    signer: name.clone(),
                    key_id: id.to_string(),
                    trusted_comment: decoded.trusted_comment().to_owned(),
                });
            }
            Err(_) => other = Some(name),
        }
    }
    match (other, broken) {
        (Some(signer), _) => Err(SignatureFault::Other { claim: claim.clone(), signer: signer.clone() }),
        (None, Some(name)) => Err(SignatureFault::Policy { tenant: claim.tenant.clone(), name: name.clone() }),
        (None, None) => {
            let trusted = if trusted.is_empty() { "no key".to_owned() } else { trusted.join(", ") };
            Err(SignatureFault::UnknownKey { claim: claim.clone(), key_id: id.to_string(), trusted })
        }
    }
}
