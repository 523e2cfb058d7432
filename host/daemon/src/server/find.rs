//! Where a nats-server may come from, and in what order.
//!
//! What a person names is used or refused, never replaced. What lies on PATH is used when it is new enough.
//! Otherwise the pinned version comes from the cache, into which it is fetched once.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    error::{FetchError, ServerError},
    fetch,
    version::Version,
};

/// Names the program in place of what PATH or the cache would give.
const VARIABLE: &str = "LOVAGE_NATS_SERVER";
const PROGRAM: &str = "nats-server";

/// A nats-server program that ran, told its version and is new enough.
#[derive(Clone, Debug)]
pub struct NatsServer {
    pub path: PathBuf,
    pub version: Version,
    pub origin: Origin,
}

/// Where a nats-server program was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by an option or by `LOVAGE_NATS_SERVER`.
    Named,
    /// First on PATH that is new enough.
    Path,
    /// Fetched earlier into the user's cache.
    Cache,
    /// Fetched just now.
    Fetched,
}

/// Finds a nats-server: the given file, `LOVAGE_NATS_SERVER`, PATH, the user's cache, or one fetched into it.
///
/// # Errors
/// A named program that is absent, cannot be run or is too old; or, with none named, the failure of the fetch
/// together with what was passed over on PATH.
pub fn find(option: Option<&Path>) -> Result<NatsServer, ServerError> {
    Search::of_environment().find(option)
}

/// The places to look in, taken from the environment once so that tests can name their own.
struct Search {
    named: Option<PathBuf>,
    path: OsString,
    cache: Option<PathBuf>,
    python: PathBuf,
}

impl Search {
    fn of_environment() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let cache = set("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        Self {
            named: set(VARIABLE).map(PathBuf::from),
            path: set("PATH").unwrap_or_default(),
            cache: cache
                .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")))
                .map(|dir| dir.join("lovage")),
            python: PathBuf::from("python3"),
        }
    }

    fn find(&self, option: Option<&Path>) -> Result<NatsServer, ServerError> {
        if let Some(path) = option.or(self.named.as_deref()) {
            return named(path);
        }
        let mut passed_over = None;
        for path in env::split_paths(&self.path).map(|dir| dir.join(PROGRAM)).filter(|path| path.is_file()) {
            match Version::of_usable(&path) {
                Ok(version) => return Ok(NatsServer { path, version, origin: Origin::Path }),
                Err(error) => passed_over = passed_over.or_else(|| Some(error.to_string())),
            }
        }
        self.cached().map_err(|cause| ServerError::NoneInstalled { passed_over, cause })
    }

    fn cached(&self) -> Result<NatsServer, FetchError> {
        let cache = self.cache.as_deref().ok_or(FetchError::NoCacheFolder)?;
        let path = fetch::place(cache);
        if let Ok(version) = Version::of_usable(&path) {
            return Ok(NatsServer { path, version, origin: Origin::Cache });
        }
        let version = fetch::fetch(&self.python, cache)?;
        Ok(NatsServer { path, version, origin: Origin::Fetched })
    }
}

fn named(path: &Path) -> Result<NatsServer, ServerError> {
    if !path.exists() {
        return Err(ServerError::Missing { path: path.into() });
    }
    // A bare file name would be looked up on PATH by the operating system, but it was meant as a file.
    let path = std::path::absolute(path).map_err(|cause| ServerError::NotExecutable { path: path.into(), cause })?;
    let version = Version::of_usable(&path)?;
    Ok(NatsServer { path, version, origin: Origin::Named })
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
