//! A compiled component that the cache vouches for.

use crate::cache::error::CacheError;
use crate::cache::seal::Seal;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The ending of the file with an artefact's tag.
pub(crate) const TAG_ENDING: &str = "tag";

/// An artefact of a cache. Only the cache makes these; loading one verifies it, once for each state of the file.
#[derive(Debug, Clone)]
pub struct ArtifactPath(Arc<Place>);

#[derive(Debug)]
struct Place {
    path: PathBuf,
    name: String,
    seal: Seal,
    verified: Mutex<Option<FileState>>,
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl ArtifactPath {
    pub(crate) fn new(path: PathBuf, name: String, seal: Seal) -> Self {
        Self(Arc::new(Place { path, name, seal, verified: Mutex::default() }))
    }

    /// Where the compiled code lies.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn tag_path(&self) -> PathBuf {
        self.0.path.with_extension(TAG_ENDING)
    }

    /// All of the file, where it is what its tag says. What is compared is what is given.
    pub(crate) fn read_verified(&self) -> Result<Vec<u8>, CacheError> {
        let Place { path, name, seal, .. } = self.0.as_ref();
        let gone_or = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => CacheError::Missing { path: path.clone() },
            _ => CacheError::io("read", path)(error),
        };
        let code = std::fs::read(path).map_err(gone_or)?;
        let tag = std::fs::read_to_string(self.tag_path()).map_err(gone_or)?;
        match seal.holds(name, code.as_slice(), &tag).map_err(gone_or)? {
            true => Ok(code),
            false => Err(CacheError::Tampered { path: path.clone() }),
        }
    }

    /// Compares the file with its tag, unless it is in the state in which it was last verified.
    pub(crate) fn verify(&self) -> Result<(), CacheError> {
        let Place { path, name, seal, verified } = self.0.as_ref();
        let gone_or = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => CacheError::Missing { path: path.clone() },
            _ => CacheError::io("read", path)(error),
        };
        let file = File::open(path).map_err(gone_or)?;
        let state = FileState::of(&file.metadata().map_err(gone_or)?);
        let mut verified = verified.lock().unwrap_or_else(PoisonError::into_inner);
        if *verified == Some(state) {
            return Ok(());
        }
        let tag = std::fs::read_to_string(self.tag_path()).map_err(gone_or)?;
        if !seal.holds(name, file, &tag).map_err(gone_or)? {
            return Err(CacheError::Tampered { path: path.clone() });
        }
        *verified = Some(state);
        Ok(())
    }
}
