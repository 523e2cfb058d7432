//! Signatures on their way with a push: made with a key that is at hand, or on another machine before.

use lovage_job::signature::{Claim, PublicKey, SIGNATURES_MAX, Signature, SignatureFault, verify};
use lovage_job::tenant::SignaturePolicy;
use std::fmt;

/// A secret key that signs. Its Debug prints nothing of it.
#[derive(Clone)]
pub struct SigningKey {
    secret: minisign::SecretKey,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public.id().to_string()).finish_non_exhaustive()
    }
}

/// A key or a signature that cannot be made or used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SigningError {
    /// The text is no secret key.
    #[error("this is not a secret key: {0}")]
    NotAKey(String),
    /// It is encrypted, and there is no password.
    #[error("the secret key is encrypted with a password")]
    Encrypted,
    /// Signing failed.
    #[error("cannot sign: {0}")]
    Sign(String),
    /// A signature is of something that is not pushed.
    #[error("the signature with key {key_id} is of none of what is pushed: {told}")]
    OfNothing {
        /// Whose.
        key_id: String,
        /// What it should be of.
        told: String,
    },
}

/// The largest file of a secret key, in bytes.
pub const SECRET_KEY_BYTES_MAX: u64 = 4096;

impl SigningKey {
    /// Reads minisign's secret key file.
    pub fn read(text: &str, password: Option<String>) -> Result<Self, SigningError> {
        let not_a_key = |error: minisign::PError| SigningError::NotAKey(error.to_string());
        let sealed = || minisign::SecretKeyBox::from_string(text).map_err(not_a_key);
        let secret = match (sealed()?.into_unencrypted_secret_key(), password) {
            (Ok(secret), _) => secret,
            (Err(error), None) if error.to_string().contains("encrypted") => return Err(SigningError::Encrypted),
            (Err(error), None) => return Err(not_a_key(error)),
            (Err(_), Some(password)) => sealed()?.into_secret_key(Some(password)).map_err(not_a_key)?,
        };
        let public = minisign::PublicKey::from_secret_key(&secret).map_err(not_a_key)?;
        let public = public.to_base64().parse().map_err(|error| SigningError::NotAKey(format!("{error}")))?;
        Ok(Self { secret, public })
    }

    /// The public key of the pair.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a claim.
    pub fn sign(&self, claim: &Claim, comment: &str) -> Result<Signature, SigningError> {
        let failed = |error: &dyn fmt::Display| SigningError::Sign(error.to_string());
        let untrusted = format!("signature of {claim}");
        let message = claim.message();
        let signed = minisign::sign(None, &self.secret, message.as_bytes(), Some(comment), Some(&untrusted));
        let text = signed.map_err(|error| failed(&error))?.into_string();
        Signature::read(&text).map_err(|error| failed(&error))
    }
}

/// What is signed with, and what must be signed.
#[derive(Debug, Clone, Default)]
pub struct Signing {
    /// Signs what is pushed.
    pub key: Option<SigningKey>,
    /// What is noted in those signatures.
    pub comment: String,
    /// Signatures that were made before.
    pub signatures: Vec<Signature>,
    /// Whose signatures the tenant needs.
    pub policy: SignaturePolicy,
}

/// Why a version is not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnsignedError {
    /// The tenant's policy refuses it.
    #[error(transparent)]
    Refused(#[from] SignatureFault),
    /// It cannot be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

impl Signing {
    /// The signatures that a version is stored with, those it has already included. Refuses what the policy refuses.
    pub fn of(&self, claim: &Claim, there: &[Signature]) -> Result<Vec<Signature>, UnsignedError> {
        let mut all = there.to_vec();
        for given in self.signatures.iter().filter(|given| self.fits(claim, given)) {
            put(&mut all, given.clone());
        }
        if let Some(key) = &self.key {
            put(&mut all, key.sign(claim, &self.comment)?);
        }
        for signature in &mut all {
            signature.signer = self.signer(signature);
        }
        match verify(&self.policy, claim, &all) {
            Ok(_) => Ok(all),
            // what was given and does not fit tells more than that nothing fits
            Err(SignatureFault::Missing { .. }) if !self.signatures.is_empty() => {
                Err(verify(&self.policy, claim, &self.signatures).err().map_or_else(|| self.unfit(claim), Into::into))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Refuses signatures that were given and are of nothing that is pushed: someone relies on them.
    pub fn check_given(&self, claims: &[Claim]) -> Result<(), UnsignedError> {
        for given in &self.signatures {
            if claims.iter().any(|claim| self.fits(claim, given)) {
                continue;
            }
            return match claims {
                [claim] => {
                    let required = SignaturePolicy { required: true, ..self.policy.clone() };
                    let fault = verify(&required, claim, std::slice::from_ref(given)).err();
                    Err(fault.map_or_else(|| self.unfit(claim), Into::into))
                }
                claims => {
                    let told = claims.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    Err(SigningError::OfNothing { key_id: given.key_id.clone(), told }.into())
                }
            };
        }
        Ok(())
    }

    fn unfit(&self, claim: &Claim) -> UnsignedError {
        let key_id = self.signatures.first().map(|given| given.key_id.clone()).unwrap_or_default();
        SigningError::OfNothing { key_id, told: claim.to_string() }.into()
    }

    fn fits(&self, claim: &Claim, signature: &Signature) -> bool {
        matches!(verify(&self.policy, claim, std::slice::from_ref(signature)), Ok(Some(_)))
    }

    fn signer(&self, signature: &Signature) -> Option<String> {
        let same = |text: &str| text.parse::<PublicKey>().is_ok_and(|key| key.id().to_string() == signature.key_id);
        self.policy.keys.iter().find(|(_, text)| same(text)).map(|(name, _)| name.clone())
    }
}

/// Puts a signature in the place of an earlier one with the same key.
fn put(all: &mut Vec<Signature>, signature: Signature) {
    all.retain(|other| other.key_id != signature.key_id);
    all.push(signature);
    let extra = all.len().saturating_sub(SIGNATURES_MAX);
    all.drain(..extra);
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::name::Digest;

    fn key() -> SigningKey {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        SigningKey::read(&pair.sk.to_box(None).unwrap().into_string(), None).unwrap()
    }

    fn claim(task: &str) -> Claim {
        let (tenant, task, version) = ("acme".parse().unwrap(), task.parse().unwrap(), "1".parse().unwrap());
        Claim { tenant, task, version, digest: Digest::of(b"c") }
    }

    fn signing(key: Option<&SigningKey>, given: &[Signature], trusted: &[&SigningKey], required: bool) -> Signing {
        let keys = trusted.iter().enumerate().map(|(n, key)| (format!("key{n}"), key.public().as_str().to_owned()));
        let policy = SignaturePolicy { required, keys: keys.collect(), ..SignaturePolicy::default() };
        Signing { key: key.cloned(), comment: "c".to_owned(), signatures: given.to_vec(), policy }
    }

    #[test]
    fn a_key_that_is_trusted_signs_and_is_named() {
        let key = key();
        let made = signing(Some(&key), &[], &[&key], true).of(&claim("a"), &[]).unwrap();
        assert_eq!((made.len(), made[0].signer.as_deref()), (1, Some("key0")));
        let again = signing(Some(&key), &[], &[&key], true).of(&claim("a"), &made).unwrap();
        assert_eq!(again.len(), 1, "one signature a key");
        assert!(signing(None, &[], &[&key], true).of(&claim("a"), &made).is_ok(), "what is there counts");
        assert!(!format!("{key:?}").contains("secret"), "nothing of the key is printed");
    }

    #[test]
    fn what_the_policy_refuses_is_not_stored() {
        let (ours, other) = (key(), key());
        let refused = |signing: Signing| signing.of(&claim("a"), &[]).unwrap_err().to_string();
        assert!(refused(signing(None, &[], &[&ours], true)).starts_with("unsigned: "));
        assert!(refused(signing(Some(&other), &[], &[&ours], true)).starts_with("untrusted-key: "));
        let elsewhere = ours.sign(&claim("b"), "c").unwrap();
        assert!(refused(signing(None, &[elsewhere], &[&ours], true)).starts_with("bad-signature: "));
        let kept = signing(Some(&other), &[], &[&ours], false).of(&claim("a"), &[]).unwrap();
        assert_eq!(kept[0].signer, None, "signed now, to be required later");
    }

    #[test]
    fn signatures_that_were_given_are_of_what_is_pushed() {
        let key = key();
        let (a, b) = (key.sign(&claim("a"), "c").unwrap(), key.sign(&claim("b"), "c").unwrap());
        let both = signing(None, &[a.clone(), b.clone()], &[&key], true);
        both.check_given(&[claim("a"), claim("b")]).unwrap();
        assert_eq!(both.of(&claim("a"), &[]).unwrap()[0].minisig, a.minisig);
        assert_eq!(both.of(&claim("b"), &[]).unwrap().len(), 1);
        let stray = signing(None, std::slice::from_ref(&a), &[&key], false);
        assert!(stray.check_given(&[claim("b")]).unwrap_err().to_string().starts_with("bad-signature: "));
        let stranger = signing(None, &[a], &[], false);
        let told = stranger.check_given(&[claim("a")]).unwrap_err().to_string();
        assert!(told.starts_with("untrusted-key: "), "{told}");
    }

    #[test]
    fn what_is_no_secret_key_is_refused() {
        for bad in ["", "one line", "comment\nnot base64", "untrusted comment: x\nRWQAAAA="] {
            assert!(matches!(SigningKey::read(bad, None), Err(SigningError::NotAKey(_))), "{bad}");
        }
    }
}
