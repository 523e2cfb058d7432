//! Master keys: a list of them, of which the first seals and all open, so that they can be changed one after another.

use super::error::SecretError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use lovage_job::name::TenantName;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// The variable that has the keys themselves, one or several with commas.
pub const KEY_VARIABLE: &str = "LOVAGE_SECRETS_KEY";
/// The largest file of keys.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The bits of a file's mode with which others read or write it.
const OTHERS: u32 = 0o007;

/// One master key. `Debug` tells only its id.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key of random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What names it, beside each value that it sealed. Tells nothing of the key.
    pub fn id(&self) -> String {
        let digest = Sha256::new().chain_update(b"lovage secrets key id").chain_update(*self.0).finalize();
        hex::encode(digest).chars().take(16).collect()
    }

    /// The key as a line of a file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.0))
    }

    /// The key of one tenant.
    pub(super) fn of_tenant(&self, tenant: &TenantName) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        let info = [b"lovage secrets 1 ", tenant.as_str().as_bytes()];
        // fails only for more bytes than 255 hashes have
        let expanded = Hkdf::<Sha256>::new(None, &*self.0).expand_multi_info(&info, &mut *derived);
        debug_assert!(expanded.is_ok());
        derived
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey {}", self.id())
    }
}

/// Master keys; never empty.
#[derive(Debug, Clone)]
pub struct KeyRing {
    first: MasterKey,
    others: Vec<MasterKey>,
}

impl KeyRing {
    /// Reads keys: one a line or with commas between them; lines with `#` are comments.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            for key in line.split(',') {
                keys.push(MasterKey::parse(key).ok_or(SecretError::Key { line: index + 1 })?);
            }
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(SecretError::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// Reads a file of keys. One that everyone may read is refused.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let fail = |source| SecretError::File { path: path.to_owned(), source };
        let about = std::fs::metadata(path).map_err(fail)?;
        let mode = about.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        if about.len() > FILE_BYTES_MAX {
            return Err(fail(std::io::Error::other(format!("{} bytes are more than {FILE_BYTES_MAX}", about.len()))));
        }
        Self::parse(&Zeroizing::new(std::fs::read_to_string(path).map_err(fail)?))
    }

    /// The key that seals.
    pub fn current(&self) -> &MasterKey {
        &self.first
    }

    /// The key of an id.
    pub fn find(&self, id: &str) -> Option<&MasterKey> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new([byte; 32])
    }

    #[test]
    fn keys_read_back_and_the_first_is_current() {
        let text = format!("# new\n{}\n\n{},{}\n", *key(1).to_text(), *key(2).to_text(), *key(3).to_text());
        let ring = KeyRing::parse(&text).unwrap();
        assert_eq!(ring.current(), &key(1));
        assert_eq!(ring.find(&key(3).id()), Some(&key(3)));
        assert_eq!(ring.find("nothing"), None);
    }

    #[test]
    fn what_is_no_key_is_told_by_its_line_and_not_shown() {
        assert!(matches!(KeyRing::parse("# only this\n"), Err(SecretError::Empty)));
        for bad in ["short", "c2hvcnQ=", "!"] {
            let error = KeyRing::parse(&format!("\n{bad}")).unwrap_err().to_string();
            assert!(error.contains("line 2") && !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn debug_tells_the_id_alone() {
        let shown = format!("{:?}", KeyRing::parse(&key(7).to_text()).unwrap());
        assert!(shown.contains(&key(7).id()) && !shown.contains(key(7).to_text().as_str()), "{shown}");
    }

    #[test]
    fn each_tenant_has_a_key_of_its_own() {
        let of = |name: &str| key(1).of_tenant(&name.parse().unwrap());
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a"), of("a"));
    }

    #[test]
    fn a_file_that_everyone_reads_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key(1).to_text().as_str()).unwrap();
        KeyRing::read(file.path()).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(KeyRing::read(file.path()).unwrap_err().to_string().contains("chmod 600"));
    }
}
