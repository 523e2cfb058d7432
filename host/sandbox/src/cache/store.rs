//! The folder of compiled components.
//!
//! An artefact is `<digest>-<engine key>.cwasm` beside `….tag`. Files appear by renaming, so a reader sees all of one
//! or nothing; a mapped file is never written to. The tag's time of change is the artefact's last use.

use crate::cache::artifact::{ArtifactPath, TAG_ENDING};
use crate::cache::error::CacheError;
use crate::cache::key::engine_key;
use crate::cache::seal::Seal;
use lovage_job::name::Digest;
use lovage_job::unit::ByteSize;
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

const ARTIFACT_ENDING: &str = "cwasm";
const PARTIAL_PREFIX: &str = ".partial-";
/// What a cache keeps where its owner does not say.
pub const CACHE_SIZE_DEFAULT: ByteSize = ByteSize::mib(2048);

/// A folder of compiled components. Clones are the same cache.
#[derive(Debug, Clone)]
pub struct ArtifactCache(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    engine_key: String,
    seal: Seal,
    size_max: u64,
    /// Handed out before, so that each is verified once.
    known: Mutex<HashMap<String, ArtifactPath>>,
}

impl ArtifactCache {
    /// Opens the folder `path`, or makes it, for at most [`CACHE_SIZE_DEFAULT`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with_size(path, CACHE_SIZE_DEFAULT)
    }

    /// Opens the folder `path`, or makes it; beyond `size_max` the artefacts that were not used for longest go.
    pub fn open_with_size(path: impl AsRef<Path>, size_max: ByteSize) -> Result<Self, CacheError> {
        let path = path.as_ref();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(CacheError::io("create", path))?;
        let path = fs::canonicalize(path).map_err(CacheError::io("open", path))?;
        check_owner(&path)?;
        let seal = Seal::of_folder(&path)?;
        let folder = Folder { engine_key: engine_key()?, seal, size_max: size_max.0, known: Mutex::default(), path };
        Ok(Self(Arc::new(folder)))
    }

    /// The artefact of a component, where there is one and it is what was written; another is removed.
    pub fn get(&self, digest: &Digest) -> Result<Option<ArtifactPath>, CacheError> {
        let artifact = self.place(digest);
        match artifact.verify() {
            Ok(()) => {
                // The order of eviction only; a read-only folder may refuse it.
                let _ = File::open(artifact.tag_path()).and_then(|tag| tag.set_modified(SystemTime::now()));
                Ok(Some(artifact))
            }
            Err(CacheError::Missing { .. }) => Ok(None),
            Err(CacheError::Tampered { path }) => {
                tracing::warn!(path = %path.display(), "a compiled component was changed on disk and is removed");
                self.remove(digest)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps `compiled`, which must come from our own compiler, as the artefact of a component.
    pub(crate) fn put(&self, digest: &Digest, compiled: &[u8]) -> Result<ArtifactPath, CacheError> {
        let artifact = self.place(digest);
        let name = self.name(digest);
        let tag = self.0.seal.tag(&name, compiled).map_err(CacheError::io("seal", artifact.path()))?;
        // Nothing is removed before: another process may be about to load what it put here, which is the same code.
        // The tag goes last: an artefact without one does not exist.
        self.write(artifact.path(), compiled)?;
        self.write(&artifact.tag_path(), tag.as_bytes())?;
        self.evict(artifact.path())?;
        Ok(artifact)
    }

    /// Removes the artefact of a component, where there is one. Code that is mapped stays so.
    pub fn remove(&self, digest: &Digest) -> Result<(), CacheError> {
        let artifact = self.place(digest);
        self.known().remove(&self.name(digest));
        remove_file(&artifact.tag_path())?;
        remove_file(artifact.path())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, ArtifactPath>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{}-{}", digest.hex(), self.0.engine_key)
    }

    fn place(&self, digest: &Digest) -> ArtifactPath {
        let name = self.name(digest);
        let fresh = || {
            let path = self.0.path.join(&name).with_extension(ARTIFACT_ENDING);
            ArtifactPath::new(path, name.clone(), self.0.seal.clone())
        };
        self.known().entry(name.clone()).or_insert_with(fresh).clone()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
        let partial = self.0.path.join(format!("{PARTIAL_PREFIX}{:016x}", rand::random::<u64>()));
        let written = File::create_new(&partial).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let written = written.and_then(|()| fs::rename(&partial, path));
        if let Err(error) = written {
            remove_file(&partial)?;
            return Err(CacheError::io("write", path)(error));
        }
        Ok(())
    }

    /// Removes the artefacts that were not used for longest until the rest fits; `kept` stays.
    fn evict(&self, kept: &Path) -> Result<(), CacheError> {
        let mut artifacts = Vec::new();
        let entries = fs::read_dir(&self.0.path).map_err(CacheError::io("read", &self.0.path))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == ARTIFACT_ENDING) {
                let size = entry.metadata().map(|metadata| metadata.len()).unwrap_or(0);
                let used = fs::metadata(path.with_extension(TAG_ENDING)).and_then(|tag| tag.modified());
                artifacts.push((used.unwrap_or(SystemTime::UNIX_EPOCH), size, path));
            }
        }
        artifacts.sort();
        let mut total: u64 = artifacts.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in artifacts {
            if total <= self.0.size_max {
                break;
            }
            if path != kept {
                remove_file(&path.with_extension(TAG_ENDING))?;
                remove_file(&path)?;
                total = total.saturating_sub(size);
            }
        }
        Ok(())
    }
}

fn remove_file(path: &Path) -> Result<(), CacheError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CacheError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Refuses a folder that someone else owns or may write to.
fn check_owner(path: &Path) -> Result<(), CacheError> {
    let metadata = fs::metadata(path).map_err(CacheError::io("read", path))?;
    let unsafe_because = |reason: String| CacheError::Unsafe { path: path.to_owned(), reason };
    let ours = rustix::process::geteuid().as_raw();
    if metadata.uid() != ours {
        return Err(unsafe_because(format!("it belongs to user {} and not to user {ours}", metadata.uid())));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(unsafe_because(format!("its mode is {:o}, so others may write there", metadata.mode() & 0o777)));
    }
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
