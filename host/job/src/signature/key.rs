//! Public keys that a tenant trusts.

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest text of a public key: two lines of minisign's file.
const KEY_TEXT_BYTES_MAX: usize = 2048;
/// Algorithm, key id and key.
const KEY_BYTES: usize = 42;

/// The number that a key pair has; as minisign shows it: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(u64);

impl KeyId {
    /// The id in the first bytes of a decoded key or signature: two of the algorithm, then eight.
    pub(super) fn of(decoded: &[u8]) -> Option<Self> {
        let id: [u8; 8] = decoded.get(2..10)?.try_into().ok()?;
        Some(Self(u64::from_le_bytes(id)))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// A text that is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a public key: give the line that begins with RW of the .pub file of `lovage key new` or of minisign"
)]
pub struct TrustedKeyError(String);

/// A public key that signatures are checked against: minisign's 56 characters of base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    text: String,
    id: KeyId,
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Its one line.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn key(&self) -> &minisign_verify::PublicKey {
        &self.key
    }
}

impl FromStr for PublicKey {
    type Err = TrustedKeyError;

    /// Reads the line alone, or the whole file with its comment.
    fn from_str(text: &str) -> Result<Self, TrustedKeyError> {
        let refused = || TrustedKeyError(text.chars().take(80).collect());
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(refused());
        }
        let line = text.trim().lines().last().unwrap_or_default().trim();
        let decoded = base64::engine::general_purpose::STANDARD.decode(line).map_err(|_| refused())?;
        let id = KeyId::of(&decoded).filter(|_| decoded.len() == KEY_BYTES).ok_or_else(refused)?;
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| refused())?;
        Ok(Self { text: line.to_owned(), id, key })
    }
}

impl TryFrom<String> for PublicKey {
    type Error = TrustedKeyError;
    fn try_from(text: String) -> Result<Self, TrustedKeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn a_key_is_read_from_its_line_or_its_file() {
        let key: PublicKey = KEY.parse().unwrap();
        assert_eq!((key.as_str(), key.id().to_string().as_str()), (KEY, "E7620F1842B4E81F"));
        let file = format!("untrusted comment: minisign public key E7620F1842B4E81F\n{KEY}\n");
        assert_eq!(file.parse::<PublicKey>().unwrap(), key);
        assert_eq!(serde_json::to_value(&key).unwrap(), KEY);
    }

    #[test]
    fn other_texts_are_no_keys() {
        let cut = &KEY[..52];
        let other = KEY.replace("RW", "XX");
        for bad in ["", "RW", "not base64!", cut, other.as_str(), &"A".repeat(4000)] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }
}
