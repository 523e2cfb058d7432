//! The folder of the demo: streams, logs, outputs and compiled components. A new run starts without the streams,
//! logs and outputs of the last one, so what is in them is a demo's, or nothing is touched.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use lovage_tests::repository;

/// Says whose folder it is; it is locked while a demo runs.
const MARK: &str = ".lovage-demo";

/// The folder, ours as long as this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes `dir`, or `target/demo`, and empties it but for what saves time.
    pub(crate) fn open(dir: Option<&Path>) -> anyhow::Result<Self> {
        let root = match dir {
            Some(dir) => std::path::absolute(dir).with_context(|| dir.display().to_string())?,
            None => repository().join("target").join("demo"),
        };
        let shown = root.display().to_string();
        fs::create_dir_all(&root).with_context(|| format!("cannot make {shown}"))?;
        let mark = root.join(MARK);
        let mut entries = fs::read_dir(&root).with_context(|| format!("cannot read {shown}"))?;
        if !mark.exists() && entries.next().is_some() {
            bail!("{shown} is not empty and not the folder of an earlier demo; give --dir another one");
        }
        let lock = File::create(&mark).with_context(|| format!("cannot write to {shown}"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another demo runs in {shown}; end it, or give --dir another one"),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {shown}")),
        }
        let folder = Self { root, _lock: lock };
        folder.check_orphan()?;
        for old in [folder.store(), folder.logs(), folder.output()] {
            remove(&old).with_context(|| format!("cannot empty {}", old.display()))?;
        }
        for new in [folder.logs(), folder.output()] {
            fs::create_dir_all(&new).with_context(|| format!("cannot make {}", new.display()))?;
        }
        Ok(folder)
    }

    /// The streams of the nats-server.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("nats")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// What the tasks made.
    pub(crate) fn output(&self) -> PathBuf {
        self.root.join("output")
    }

    /// Compiled components, kept from one run to the next.
    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join("compiled")
    }

    /// Refuses where the server of a demo that was killed still writes: it holds the lock on its store.
    fn check_orphan(&self) -> anyhow::Result<()> {
        let Ok(lock) = File::open(self.store().join("nats-server.lock")) else { return Ok(()) };
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            let pid = fs::read_to_string(self.store().join("nats-server.pid")).unwrap_or_default();
            let pid = pid.trim();
            ensure!(
                pid.is_empty(),
                "an earlier demo was killed and left its nats-server (process {pid}); `kill {pid}`, then try again"
            );
            bail!("something still writes to {}; give --dir another folder", self.store().display());
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
