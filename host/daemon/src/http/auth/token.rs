//! Making tokens. The text is shown once, to whoever made it, and is stored nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lovage_job::name::{TenantName, TokenName};
use lovage_job::token::{Role, SECRET_BYTES, TOKEN_PREFIX, TokenRecord, hash};
use lovage_job::unit::UnixMs;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// How many of the last characters are kept to tell a token by.
const ENDS: usize = 4;
/// The characters of a secret after its prefix.
const LENGTH: usize = SECRET_BYTES.div_ceil(3) * 4 - 1;

/// The text of a token or session. Printing it for debugging shows nothing.
#[derive(Clone)]
pub struct TokenText(Zeroizing<String>);

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("this machine gives no random bytes")]
pub struct NoRandomness;

impl TokenText {
    /// A new one.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
        Ok(Self(Zeroizing::new(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))))
    }

    /// What has the form of one; nothing else is worth a hash.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(TOKEN_PREFIX)?;
        let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain && rest.len() == LENGTH).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hash(&self.0)
    }
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its name.
    pub name: TokenName,
    /// The tenant that it opens; nothing where it opens all.
    pub tenant: Option<TenantName>,
    /// What its holder may do.
    pub role: Role,
    /// How long it is valid; for ever where nothing is said.
    pub lasts: Option<Duration>,
}

impl NewToken {
    /// The text, and what is to be stored.
    pub fn make(self, now: UnixMs) -> Result<(TokenText, TokenRecord), NoRandomness> {
        let text = TokenText::random()?;
        let ends = text.reveal();
        let ends = ends.get(ends.len().saturating_sub(ENDS)..).unwrap_or_default().to_owned();
        let record = TokenRecord {
            name: self.name,
            tenant: self.tenant,
            role: self.role,
            sha256: text.sha256(),
            ends,
            created: now,
            expires: self.lasts.map(|span| now.after(span)),
        };
        Ok((text, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_shows_nothing() {
        let text = TokenText::random().unwrap();
        assert_eq!(text.reveal().len(), TOKEN_PREFIX.len() + LENGTH);
        assert_eq!(TokenText::parse(text.reveal()).unwrap().sha256(), text.sha256());
        assert_ne!(TokenText::random().unwrap().reveal(), text.reveal());
        assert_eq!(format!("{text:?}"), "TokenText(…)");
    }

    #[test]
    fn what_is_no_token_is_not_hashed() {
        let long = format!("{TOKEN_PREFIX}{}", "a".repeat(LENGTH + 1));
        let odd = format!("{TOKEN_PREFIX}{}", "é".repeat(LENGTH));
        for text in ["", "lvg_", "lvg_abc", "Bearer x", long.as_str(), odd.as_str()] {
            assert!(TokenText::parse(text).is_none(), "{text}");
        }
        assert!(TokenText::parse(long.get(..long.len() - 1).unwrap()).is_some());
    }

    #[test]
    fn what_is_stored_does_not_hold_the_token() {
        let new = NewToken {
            name: "ci".parse().unwrap(),
            tenant: None,
            role: Role::Admin,
            lasts: Some(Duration::from_secs(2)),
        };
        let (text, record) = new.make(UnixMs(1_000)).unwrap();
        assert!(!serde_json::to_string(&record).unwrap().contains(text.reveal()));
        assert!(text.reveal().ends_with(&record.ends) && record.ends.len() == ENDS);
        assert_eq!((record.expires, record.sha256), (Some(UnixMs(3_000)), text.sha256()));
    }
}
