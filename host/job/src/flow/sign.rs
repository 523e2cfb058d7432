//! Signatures of webhooks, after the Standard Webhooks convention: an HMAC over id, time and body.

use crate::unit::UnixMs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use std::time::Duration;

/// How long an old secret signs beside the new one.
pub const ROTATED_SIGNS_FOR: Duration = Duration::from_secs(86_400);
/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has: ours have 32, the examples of the convention 18.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 18..=64;

/// A key that webhooks are signed with; its `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// A secret of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random.to_vec())
    }

    /// The text for the receiver: `whsec_` and base64. Whoever has it can sign.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// One signature: `v1,` and the base64 of the HMAC over `<id>.<time>.<body>`.
    pub fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(id.as_bytes());
        mac.update(format!(".{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl TryFrom<String> for WebhookSecret {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        let bytes = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| format!("not {PREFIX} and the base64 of 18 to 64 bytes"))
    }
}

impl From<WebhookSecret> for String {
    fn from(secret: WebhookSecret) -> String {
        secret.reveal()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The secrets of a tenant, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// The one that signs.
    pub current: WebhookSecret,
    /// The one before, which signs beside it until its time is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<WebhookSecret>,
    /// Until when the one before signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<UnixMs>,
}

impl Secrets {
    /// The first secret of a tenant.
    pub fn first(secret: WebhookSecret) -> Self {
        Self { current: secret, previous: None, previous_until: None }
    }

    /// A new secret in place of the current one, which signs beside it for a day.
    pub fn rotated(self, secret: WebhookSecret, now: UnixMs) -> Self {
        Self { current: secret, previous: Some(self.current), previous_until: Some(now.after(ROTATED_SIGNS_FOR)) }
    }

    /// The value of the `webhook-signature` header: a signature of each secret that is good, with spaces in between.
    pub fn sign(&self, id: &str, now: UnixMs, body: &[u8]) -> String {
        let seconds = now.0 / 1_000;
        let previous = self.previous.as_ref().filter(|_| self.previous_until.is_some_and(|until| now < until));
        let secrets = std::iter::once(&self.current).chain(previous);
        secrets.map(|secret| secret.sign(id, seconds, body)).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> WebhookSecret {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn the_example_of_the_convention_is_signed_alike() {
        let secret = secret("whsec_plJ3nmyCDGBKInavdOK15jsl");
        let body = br#"{"event_type":"ping","data":{"success":true}}"#;
        let signature = secret.sign("msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
        assert_eq!(signature, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    }

    #[test]
    fn both_secrets_sign_for_a_day_after_a_rotation() {
        let (old, new) = (WebhookSecret::new([1; 32]), WebhookSecret::new([2; 32]));
        let at = UnixMs(5_000);
        let rotated = Secrets::first(old.clone()).rotated(new.clone(), at);
        let both = format!("{} {}", new.sign("i", 5, b"x"), old.sign("i", 5, b"x"));
        assert_eq!(rotated.sign("i", at, b"x"), both);
        let last = UnixMs(5_000 + 86_400_000 - 1);
        assert!(rotated.sign("i", last, b"x").contains(' '));
        let later = at.after(ROTATED_SIGNS_FOR);
        assert_eq!(rotated.sign("i", later, b"x"), new.sign("i", later.0 / 1_000, b"x"));
    }

    #[test]
    fn a_secret_is_stored_and_not_printed() {
        let secrets = Secrets::first(WebhookSecret::new([7; 32]));
        let stored = serde_json::to_string(&secrets).unwrap();
        assert_eq!(serde_json::from_str::<Secrets>(&stored).unwrap(), secrets);
        assert!(!format!("{secrets:?}").contains(&STANDARD.encode([7; 32])));
        for bad in ["", "whsec_", "whsec_AAAA", "whsec_!", "plJ3nmyCDGBKInavdOK15jsl"] {
            WebhookSecret::try_from(bad.to_owned()).unwrap_err();
        }
    }
}
