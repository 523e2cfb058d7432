//! Groups that a worker which was killed has left behind.

use super::{PROCS, processes};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};

const PREFIX: &str = "lovage-";

/// The name of the group number `number` of the process `pid`.
pub(crate) fn name(pid: u32, number: u64) -> String {
    format!("{PREFIX}{pid}-{number}")
}

/// Whose group it is.
fn maker(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u64>().ok()?;
    pid.parse().ok()
}

/// Removes the groups in `folder` whose maker is gone, or had the id `own` before this process, with whatever still runs
/// in them; returns those that are not empty yet.
pub(crate) fn remove_leftovers(folder: &Path, own: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_left =
        |name: &str| maker(name).is_some_and(|pid| pid == own || !Path::new("/proc").join(pid.to_string()).exists());
    let left = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_left));
    let left = left.map(|entry| entry.path()).filter(|group| group.join(PROCS).exists());
    left.filter(|group| !removed(group)).collect()
}

/// Ends what runs in a group, and removes it if nothing does any more.
fn removed(group: &Path) -> bool {
    for pid in processes(group).unwrap_or_default() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            tracing::warn!(process.pid = pid.as_raw_nonzero().get(), "ended what a killed worker has left running");
            // It may have ended in this moment.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    fs::remove_dir(group).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_known_by_their_maker() {
        assert_eq!(maker(&name(7, 3)), Some(7));
        for other in ["lovage-worker", "lovage-7", "lovage-7-x", "other-7-3", "7-3"] {
            assert_eq!(maker(other), None, "{other}");
        }
    }

    #[test]
    fn folders_that_are_no_groups_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        // No process has so high an id. A folder on a disk has no list of processes.
        fs::create_dir(folder.path().join(name(u32::MAX, 1))).unwrap();
        assert!(remove_leftovers(folder.path(), 1).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
