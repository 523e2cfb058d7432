//! Version 2: a group whose children are to be limited holds no process of its own (cgroups(7), "no internal
//! processes"), so this one goes into a leaf beside them first. It does so only in a group that is its alone.

use super::found::{Controller, Own};
use super::{PROCS, processes, set};
use std::fs;
use std::io;
use std::path::Path;

/// The group of this process itself, once it has made room.
const LEAF: &str = "lovage-worker";
/// What the groups below one can limit.
const SUBTREE: &str = "cgroup.subtree_control";

/// Sees to it that groups made below `own` can be limited, and returns in what.
pub(crate) fn open(own: &Own, pid: u32) -> Result<Vec<Controller>, String> {
    let folder = &own.folder;
    let failed = |file: &str, error: io::Error| format!("{}: {error}", folder.join(file).display());
    let listed = |file| {
        let text = fs::read_to_string(folder.join(file)).map_err(|error| failed(file, error))?;
        let listed = own.controllers.iter().filter(|known| text.split_whitespace().any(|name| name == known.as_str()));
        Ok::<_, String>(listed.copied().collect::<Vec<Controller>>())
    };
    let (available, on) = (listed("cgroup.controllers")?, listed(SUBTREE)?);
    if available.is_empty() {
        return Err(format!("{}: none of memory, pids and cpu is given to it", folder.display()));
    }
    let missing: Vec<String> = available.iter().filter(|one| !on.contains(one)).map(|one| format!("+{one}")).collect();
    if !missing.is_empty() {
        enable(folder, &missing.join(" "), pid).map_err(|error| failed(SUBTREE, error))?;
    }
    Ok(available)
}

fn enable(folder: &Path, missing: &str, pid: u32) -> io::Result<()> {
    // The root of all groups, which has no type, may hold processes too.
    if !folder.join("cgroup.type").exists() {
        return set(&folder.join(SUBTREE), missing);
    }
    if processes(folder)?.iter().any(|other| *other != pid) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "other processes are in this group"));
    }
    let leaf = folder.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // 0 is whoever writes.
    let moved = set(&leaf.join(PROCS), "0").and_then(|()| set(&folder.join(SUBTREE), missing));
    if moved.is_err() {
        // As it was before, as far as that goes; the reason is what counts.
        let _ = set(&folder.join(PROCS), "0");
        let _ = fs::remove_dir(&leaf);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jail::cgroup::found::Version;

    /// A folder with the files that the kernel would show.
    struct Shown(tempfile::TempDir);

    impl Shown {
        fn of(files: &[(&str, &str)]) -> Self {
            let shown = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let file = shown.0.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            shown
        }

        fn open(&self) -> Result<Vec<Controller>, String> {
            let (folder, controllers) = (self.0.path().to_owned(), Controller::ALL.to_vec());
            open(&Own { version: Version::V2, folder, controllers }, 7)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.path().join(name)).unwrap()
        }
    }

    #[test]
    fn a_group_of_ones_own_is_opened_from_a_leaf() {
        let shown = Shown::of(&[
            ("cgroup.controllers", "cpuset cpu io memory pids\n"),
            (SUBTREE, "pids\n"),
            ("cgroup.type", "domain\n"),
            (PROCS, "7\n"),
            ("lovage-worker/cgroup.procs", ""),
        ]);
        assert_eq!(shown.open().unwrap(), Controller::ALL);
        assert_eq!(shown.read("lovage-worker/cgroup.procs"), "0");
        assert!(shown.read(SUBTREE).starts_with("+memory +cpu"), "what is on already is left alone");
        assert_eq!(shown.read(PROCS), "7\n");
    }

    #[test]
    fn a_group_that_others_are_in_is_left_as_it_is() {
        let shown =
            Shown::of(&[("cgroup.controllers", "memory"), (SUBTREE, ""), ("cgroup.type", "domain"), (PROCS, "7\n8\n")]);
        assert!(shown.open().unwrap_err().contains("other processes"));
        assert!(!shown.0.path().join(LEAF).exists());
        assert_eq!(shown.read(SUBTREE), "");
    }

    #[test]
    fn the_root_needs_no_leaf_and_what_is_on_needs_nothing() {
        let root = Shown::of(&[("cgroup.controllers", "memory hugetlb"), (SUBTREE, ""), (PROCS, "1\n7\n8\n")]);
        assert_eq!(root.open().unwrap(), [Controller::Memory]);
        assert_eq!(root.read(SUBTREE), "+memory");
        let on = Shown::of(&[("cgroup.controllers", "memory"), (SUBTREE, "memory"), ("cgroup.type", "domain")]);
        assert_eq!(on.open().unwrap(), [Controller::Memory]);
    }

    #[test]
    fn without_controllers_there_is_nothing_to_open() {
        let shown = Shown::of(&[("cgroup.controllers", "hugetlb\n"), (SUBTREE, "")]);
        assert!(shown.open().unwrap_err().contains("none of memory"));
        assert!(Shown::of(&[]).open().unwrap_err().contains("cgroup.controllers"));
    }
}
