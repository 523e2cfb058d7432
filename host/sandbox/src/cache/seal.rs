//! The authenticated hash of an artefact, under a secret that never leaves the cache's folder.
//!
//! The folder's mode keeps other users out; the seal catches a broken disk, a restored backup and whoever can write
//! files there but not read them.

use crate::cache::error::CacheError;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

const SECRET_FILE: &str = "secret.key";
/// The block of the hash, which is the longest key that is used as it is.
const SECRET_BYTES: usize = 64;

/// The cache's secret; shows nothing of itself.
#[derive(Clone)]
pub(crate) struct Seal([u8; SECRET_BYTES]);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Reads the secret of a folder, or makes one. Of several processes that make one at once, all end up with the
    /// same: it is written aside, whole, and linked into its place, which only the first can do.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, CacheError> {
        let path = folder.join(SECRET_FILE);
        if !path.exists() {
            Self::create(folder, &path)?;
        }
        Self::read(&path)
    }

    fn create(folder: &Path, path: &Path) -> Result<(), CacheError> {
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret);
        let aside = folder.join(format!("{SECRET_FILE}.{}.{:016x}", std::process::id(), rand::random::<u64>()));
        let mut new = OpenOptions::new();
        let mut file =
            new.write(true).create_new(true).mode(0o600).open(&aside).map_err(CacheError::io("create", &aside))?;
        let written = file.write_all(&secret).and_then(|()| file.sync_all()).map_err(CacheError::io("write", &aside));
        let linked = written.and_then(|()| match std::fs::hard_link(&aside, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(CacheError::io("link", path)(error)),
            _ => Ok(()),
        });
        let removed = std::fs::remove_file(&aside).map_err(CacheError::io("remove", &aside));
        linked.and(removed)
    }

    fn read(path: &Path) -> Result<Self, CacheError> {
        let mut file = File::open(path).map_err(CacheError::io("open", path))?;
        let mode = file.metadata().map_err(CacheError::io("read", path))?.mode();
        if mode & 0o077 != 0 {
            let reason = format!("{SECRET_FILE} has mode {:o} and not 600", mode & 0o777);
            return Err(CacheError::Unsafe { path: path.to_owned(), reason });
        }
        let mut secret = [0; SECRET_BYTES];
        file.read_exact(&mut secret).map_err(CacheError::io("read", path))?;
        Ok(Self(secret))
    }

    /// The tag of the artefact `name` that `content` gives, as text.
    pub(crate) fn tag(&self, name: &str, content: impl Read) -> std::io::Result<String> {
        Ok(hex::encode(self.fed(name, content)?.finalize().into_bytes()))
    }

    /// True where `tag` is the tag of what `content` gives; compared in constant time.
    pub(crate) fn holds(&self, name: &str, content: impl Read, tag: &str) -> std::io::Result<bool> {
        let Ok(tag) = hex::decode(tag.trim()) else { return Ok(false) };
        Ok(self.fed(name, content)?.verify_slice(&tag).is_ok())
    }

    fn fed(&self, name: &str, mut content: impl Read) -> std::io::Result<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.0.into());
        mac.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(name.as_bytes());
        let mut chunk = vec![0; 256 << 10];
        loop {
            match content.read(&mut chunk)? {
                0 => return Ok(mac),
                read => mac.update(chunk.get(..read).unwrap_or_default()),
            }
        }
    }
}
