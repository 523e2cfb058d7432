//! Signed claims as nats-server reads them: what they say, and the signature over it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lovage_job::unit::UnixMs;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// Claims that cannot be signed or read.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The key does not sign.
    #[error("the claims cannot be signed: {0}")]
    Sign(nkeys::error::Error),
    /// It is not a JWT of ours.
    #[error("these are no claims that nats-server reads: {0}")]
    Unreadable(String),
}

/// What claims are about.
#[derive(Debug, Clone)]
pub struct Claims {
    /// The public key of whom they are about.
    pub subject: String,
    /// Their name, for people.
    pub name: String,
    /// When they are made.
    pub at: UnixMs,
    /// What they say.
    pub nats: Value,
}

impl Claims {
    /// Signs them.
    pub fn sign(&self, signer: &KeyPair) -> Result<String, JwtError> {
        let body = json!({
            // the server takes claims of the same id for the same ones
            "jti": uuid::Uuid::now_v7().simple().to_string().to_ascii_uppercase(),
            "iat": self.at.0 / 1_000,
            "iss": signer.public_key(),
            "sub": self.subject,
            "name": self.name,
            "nats": self.nats,
        });
        let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
        let text = [header, body].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = signer.sign(text.as_bytes()).map_err(JwtError::Sign)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// What a token of ours says under `nats`, after its signature was checked.
pub fn read(token: &str, signer: &KeyPair) -> Result<Value, JwtError> {
    let bad = |reason: &str| JwtError::Unreadable(reason.to_owned());
    let (text, signature) = token.trim().rsplit_once('.').ok_or_else(|| bad("they have no signature"))?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| JwtError::Unreadable(error.to_string()));
    signer.verify(text.as_bytes(), &decode(signature)?).map_err(|error| JwtError::Unreadable(error.to_string()))?;
    let (_, body) = text.split_once('.').ok_or_else(|| bad("they have no body"))?;
    let body: Value =
        serde_json::from_slice(&decode(body)?).map_err(|error| JwtError::Unreadable(error.to_string()))?;
    body.get("nats").cloned().ok_or_else(|| bad("they say nothing"))
}

/// A file of credentials: a user's claims and its key.
pub fn creds(token: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_read_back_and_a_change_is_noticed() {
        let (signer, other) = (KeyPair::new_operator(), KeyPair::new_operator());
        let nats = json!({"type": "account", "version": 2});
        let claims = Claims { subject: "A".into(), name: "a".into(), at: UnixMs(5_000), nats: nats.clone() };
        let token = claims.sign(&signer).unwrap();
        assert_eq!(read(&token, &signer).unwrap(), nats);
        read(&token, &other).unwrap_err();
        read(&token.replace('.', "A."), &signer).unwrap_err();
        for junk in ["", "a", "a.b", "a.b.c"] {
            read(junk, &signer).unwrap_err();
        }
        assert_ne!(token, claims.sign(&signer).unwrap(), "each has an id of its own");
    }
}
