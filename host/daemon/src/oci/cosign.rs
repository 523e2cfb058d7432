//! Signatures of cosign with a key: an artefact beside the one that is signed, tagged with its digest, whose layers are
//! small documents that name that digest, each with an ECDSA signature (P-256, SHA-256). Without a key, by identity, they
//! are not checked here.

use super::artefact::manifest;
use super::client::Registry;
use super::error::OciError;
use super::manifest::Descriptor;
use super::reference::{Reference, Target};
use base64::Engine as _;
use lovage_job::name::Digest;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::str::FromStr;

/// The media type of a layer that is signed.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that holds its signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Signatures that are looked at.
const SIGNATURES_MAX: usize = 32;
/// The largest document that is signed, in bytes.
const PAYLOAD_BYTES_MAX: u64 = 64 << 10;
/// The largest file of a key, in bytes.
const PEM_BYTES_MAX: usize = 2048;
/// What a public key on P-256 begins with in DER, before its point (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point.
const POINT_BYTES: usize = 65;

/// A public key of cosign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignKey {
    point: Vec<u8>,
}

/// A text that is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a public key of cosign: it is PEM with BEGIN PUBLIC KEY, on the curve P-256, as in cosign.pub")]
pub struct CosignKeyError;

impl FromStr for CosignKey {
    type Err = CosignKeyError;
    fn from_str(text: &str) -> Result<Self, CosignKeyError> {
        let text = text.trim();
        if text.len() > PEM_BYTES_MAX {
            return Err(CosignKeyError);
        }
        let inner = text.strip_prefix("-----BEGIN PUBLIC KEY-----").ok_or(CosignKeyError)?;
        let inner = inner.strip_suffix("-----END PUBLIC KEY-----").ok_or(CosignKeyError)?;
        let inner: String = inner.split_ascii_whitespace().collect();
        let der = base64::engine::general_purpose::STANDARD.decode(inner).map_err(|_| CosignKeyError)?;
        let point = der.strip_prefix(&P256_PREFIX).filter(|point| point.len() == POINT_BYTES);
        Ok(Self { point: point.ok_or(CosignKeyError)?.to_vec() })
    }
}

impl CosignKey {
    fn holds(&self, payload: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point).verify(payload, signature).is_ok()
    }
}

/// Finds a signature of a manifest with one of the keys, and returns that key's name.
pub async fn verify(
    registry: &Registry,
    reference: &Reference,
    signed: &Digest,
    keys: &[(String, CosignKey)],
) -> Result<String, OciError> {
    let refused = |reason: &str| OciError::NotSigned {
        what: reference.at(signed).to_string(),
        keys: keys.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" or "),
        reason: reason.to_owned(),
    };
    let beside = Reference { target: Target::Tag(format!("sha256-{}.sig", signed.hex())), ..reference.clone() };
    let signatures = match manifest(registry, &beside).await {
        Ok((manifest, _)) => manifest.layers,
        Err(OciError::NotFound(_)) => return Err(refused("there is no signature")),
        Err(error) => return Err(error),
    };
    let mut reason = "there is no signature";
    for layer in signatures.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING).take(SIGNATURES_MAX) {
        if layer.size > PAYLOAD_BYTES_MAX {
            reason = "what is signed is too large";
            continue;
        }
        match one(registry, layer, signed, keys).await? {
            Ok(name) => return Ok(name),
            Err(found) => reason = found,
        }
    }
    Err(refused(reason))
}

async fn one(
    registry: &Registry,
    layer: &Descriptor,
    signed: &Digest,
    keys: &[(String, CosignKey)],
) -> Result<Result<String, &'static str>, OciError> {
    let signature = layer.annotations.get(SIGNATURE).map(|text| base64::engine::general_purpose::STANDARD.decode(text));
    let Some(Ok(signature)) = signature else { return Ok(Err("the signature cannot be read")) };
    let payload = registry.blob(&layer.digest, layer.size, "what cosign signed").await?;
    Ok(holds(&payload, &signature, signed, keys))
}

fn holds(
    payload: &[u8],
    signature: &[u8],
    signed: &Digest,
    keys: &[(String, CosignKey)],
) -> Result<String, &'static str> {
    let key = keys.iter().find(|(_, key)| key.holds(payload, signature));
    let (name, _) = key.ok_or("the signature is with another key, or of something else")?;
    let payload: serde_json::Value = serde_json::from_slice(payload).map_err(|_| "what is signed cannot be read")?;
    let text = |place: &str| payload.pointer(place).and_then(serde_json::Value::as_str);
    if text("/critical/type") != Some("cosign container image signature") {
        return Err("what is signed is no signature of an artefact");
    }
    match text("/critical/image/docker-manifest-digest") {
        Some(digest) if digest == signed.as_str() => Ok(name.clone()),
        _ => Err("it is of another artefact"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    fn pair() -> (EcdsaKeyPair, CosignKey) {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref(), &random).unwrap();
        let key = pem(pair.public_key().as_ref()).parse().unwrap();
        (pair, key)
    }

    fn pem(point: &[u8]) -> String {
        let der = [&P256_PREFIX[..], point].concat();
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let (one, two) = text.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{one}\n{two}\n-----END PUBLIC KEY-----\n")
    }

    fn payload(kind: &str, digest: &Digest) -> Vec<u8> {
        serde_json::json!({"critical": {
            "identity": {"docker-reference": ""}, "image": {"docker-manifest-digest": digest}, "type": kind
        }, "optional": null})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_signature_is_of_one_artefact_with_one_key() {
        const KIND: &str = "cosign container image signature";
        let ((pair, key), (_, stranger)) = (pair(), pair());
        let (digest, other) = (Digest::of(b"manifest"), Digest::of(b"other"));
        let keys = [("ci".to_owned(), stranger.clone()), ("release".to_owned(), key)];
        let sign = |payload: &[u8]| pair.sign(&SystemRandom::new(), payload).unwrap();
        let good = payload(KIND, &digest);
        assert_eq!(holds(&good, sign(&good).as_ref(), &digest, &keys).as_deref(), Ok("release"));
        assert!(holds(&good, sign(&good).as_ref(), &digest, &keys[..1]).is_err(), "another key");
        assert!(holds(&good, sign(&good).as_ref(), &other, &keys).is_err(), "another artefact");
        assert!(holds(&payload(KIND, &other), sign(&good).as_ref(), &other, &keys).is_err(), "another document");
        assert!(holds(&good, b"", &digest, &keys).is_err());
        let kind = payload("something else", &digest);
        assert!(holds(&kind, sign(&kind).as_ref(), &digest, &keys).is_err(), "another purpose");
        assert!(holds(b"{", sign(b"{").as_ref(), &digest, &keys).is_err());
    }

    #[test]
    fn keys_on_p256_alone_are_read() {
        let mut point = [7u8; POINT_BYTES];
        point[0] = 4;
        assert!(pem(&point).parse::<CosignKey>().is_ok());
        let other = pem(&point).replace("MFkw", "MFkx");
        let short = pem(&point[..60]);
        for bad in
            ["", "RWQ", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", &other, &short, &"A".repeat(5000)]
        {
            assert_eq!(bad.parse::<CosignKey>(), Err(CosignKeyError), "{bad}");
        }
    }
}
