//! Passwords that nobody chooses.

use rand::TryRngCore;
use rand::rngs::OsRng;
use std::fmt;

/// The cost of a hash, the lowest there is. It is there to slow down those who guess passwords that people chose; nobody
/// guesses one of 256 random bits at any speed, and the server pays it at each connection and each reload.
const COST: u32 = 4;

/// What cannot be made of a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(rand::rand_core::OsError),
    /// The password cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(bcrypt::BcryptError),
}

/// A password of 256 random bits.
#[derive(Clone)]
pub struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// A new one.
    pub fn random() -> Result<Self, SecretError> {
        // digits alone: one that began with a minus sign would be taken for an option
        Ok(Self(hex::encode(random::<32>()?)))
    }

    /// What to give to the user, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the server checks it against.
    pub fn hash(&self) -> Result<String, SecretError> {
        hash(&self.0, COST)
    }
}

/// What the server checks a password against: bcrypt, in the form that it knows.
pub fn hash(password: &str, cost: u32) -> Result<String, SecretError> {
    let parts = bcrypt::hash_with_salt(password, cost, random::<16>()?).map_err(SecretError::Hash)?;
    // nats-server knows a hash by this prefix, and takes any other for the password itself
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(SecretError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_are_checked_by_their_hash() {
        let (one, other) = (Password::random().unwrap(), Password::random().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), 64);
        let hash = one.hash().unwrap();
        assert!(hash.starts_with("$2a$04$"), "{hash}");
        assert!(bcrypt::verify(one.reveal(), &hash).unwrap());
        assert!(!bcrypt::verify(other.reveal(), &hash).unwrap());
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
