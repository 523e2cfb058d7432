//! Sealing: XChaCha20-Poly1305 with a key of the tenant, a nonce of its own, and all that the record says beside the value
//! bound to it, so that a record that was swapped, renamed or changed does not open.

use super::error::SecretError;
use super::key::{KeyRing, MasterKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use lovage_job::name::{SecretName, TenantName};
use lovage_job::secret::SecretBytes;
use lovage_job::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// A value as it lies on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    /// The id of the master key.
    pub key: String,
    /// When the value was set.
    pub set: UnixMs,
    /// The value's size, in bytes.
    pub size: usize,
    /// 24 bytes, as base64.
    nonce: String,
    /// The sealed value, as base64.
    sealed: String,
}

/// Whose value it is, and all that the record says of it.
fn bound(tenant: &TenantName, name: &SecretName, key: &str, set: UnixMs, size: usize) -> String {
    // none of them has a line break
    format!("lovage secret 1\n{tenant}\n{name}\n{key}\n{}\n{size}", set.0)
}

fn cipher(key: &MasterKey, tenant: &TenantName) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.of_tenant(tenant)).into())
}

/// Seals a value with the current key. `nonce` must be random.
pub fn seal(
    ring: &KeyRing,
    (tenant, name): (&TenantName, &SecretName),
    value: &SecretBytes,
    set: UnixMs,
    nonce: [u8; 24],
) -> Result<SealedSecret, SecretError> {
    let (key, size) = (ring.current().id(), value.reveal().len());
    let aad = bound(tenant, name, &key, set, size);
    let payload = Payload { msg: value.reveal(), aad: aad.as_bytes() };
    let sealed = cipher(ring.current(), tenant).encrypt(XNonce::from_slice(&nonce), payload);
    let sealed = sealed.map_err(|_| SecretError::Damaged)?;
    Ok(SealedSecret { key, set, size, nonce: STANDARD.encode(nonce), sealed: STANDARD.encode(sealed) })
}

/// Opens a value.
pub fn open(
    ring: &KeyRing,
    tenant: &TenantName,
    name: &SecretName,
    record: &SealedSecret,
) -> Result<SecretBytes, SecretError> {
    let key = ring.find(&record.key).ok_or_else(|| SecretError::OtherKey(record.key.chars().take(16).collect()))?;
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| SecretError::Damaged);
    let nonce: [u8; 24] = decode(&record.nonce)?.try_into().map_err(|_| SecretError::Damaged)?;
    let (sealed, aad) = (decode(&record.sealed)?, bound(tenant, name, &record.key, record.set, record.size));
    let payload = Payload { msg: &sealed, aad: aad.as_bytes() };
    let opened = cipher(key, tenant).decrypt(XNonce::from_slice(&nonce), payload);
    opened.map(SecretBytes::new).map_err(|_| SecretError::Tampered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(bytes: &[u8]) -> KeyRing {
        let lines: Vec<_> = bytes.iter().map(|byte| MasterKey::new([*byte; 32]).to_text().to_string()).collect();
        KeyRing::parse(&lines.join("\n")).unwrap()
    }

    fn names(tenant: &str, name: &str) -> (TenantName, SecretName) {
        (tenant.parse().unwrap(), name.parse().unwrap())
    }

    fn sealed() -> SealedSecret {
        let (tenant, name) = names("acme", "api");
        let value = SecretBytes::new(b"hunter2-hunter2".to_vec());
        seal(&ring(&[1]), (&tenant, &name), &value, UnixMs(5), [9; 24]).unwrap()
    }

    fn opened(ring: &KeyRing, tenant: &str, name: &str, record: &SealedSecret) -> Result<Vec<u8>, SecretError> {
        let (tenant, name) = names(tenant, name);
        open(ring, &tenant, &name, record).map(|value| value.reveal().to_vec())
    }

    #[test]
    fn a_value_opens_for_its_tenant_and_name_alone() {
        assert_eq!(opened(&ring(&[1]), "acme", "api", &sealed()).unwrap(), b"hunter2-hunter2");
        for (tenant, name) in [("globex", "api"), ("acme", "other")] {
            assert!(matches!(opened(&ring(&[1]), tenant, name, &sealed()), Err(SecretError::Tampered)));
        }
        let text = serde_json::to_string(&sealed()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_changed_record_does_not_open() {
        let record = sealed();
        let mut bytes = STANDARD.decode(&record.sealed).unwrap();
        bytes[3] ^= 1;
        for changed in [
            SealedSecret { sealed: STANDARD.encode(&bytes), ..record.clone() },
            SealedSecret { sealed: STANDARD.encode(&bytes[..4]), ..record.clone() },
            SealedSecret { nonce: STANDARD.encode([8; 24]), ..record.clone() },
            SealedSecret { set: UnixMs(6), ..record.clone() },
            SealedSecret { size: 1, ..record.clone() },
        ] {
            assert!(matches!(opened(&ring(&[1]), "acme", "api", &changed), Err(SecretError::Tampered)));
        }
        let short = SealedSecret { nonce: STANDARD.encode([8; 23]), ..record };
        assert!(matches!(opened(&ring(&[1]), "acme", "api", &short), Err(SecretError::Damaged)));
    }

    #[test]
    fn keys_are_changed_one_after_another() {
        assert_eq!(opened(&ring(&[2, 1]), "acme", "api", &sealed()).unwrap(), b"hunter2-hunter2");
        assert!(matches!(opened(&ring(&[2]), "acme", "api", &sealed()), Err(SecretError::OtherKey(_))));
    }
}
