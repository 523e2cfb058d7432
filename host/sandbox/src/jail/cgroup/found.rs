//! Which groups this process is in, read from what the kernel tells of it. Nothing is changed here.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a group can limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// Memory of all kinds.
    Memory,
    /// Processes and threads.
    Pids,
    /// Processor time.
    Cpu,
}

impl Controller {
    /// All that are used here.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// The kernel's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which layout a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// A hierarchy for a controller, or a few.
    V1,
    /// One hierarchy for all.
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "cgroup v1",
            Self::V2 => "cgroup v2",
        })
    }
}

/// A group of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) version: Version,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What groups below it could limit; in v2 the files there say which of these they can.
    pub(crate) controllers: Vec<Controller>,
}

/// The groups of this process by the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
pub(crate) fn own_groups(groups: &str, mounts: &str) -> Vec<Own> {
    groups.lines().filter_map(|line| own_group(line, mounts)).collect()
}

/// A line is `number:controllers:path`; v2 has no controllers there.
fn own_group(line: &str, mounts: &str) -> Option<Own> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (list, path) = (fields.next()?, fields.next()?);
    let version = if list.is_empty() { Version::V2 } else { Version::V1 };
    let of_list = |controller: &Controller| list.split(',').any(|name| name == controller.as_str());
    let controllers: Vec<Controller> = match version {
        Version::V1 => Controller::ALL.into_iter().filter(of_list).collect(),
        Version::V2 => Controller::ALL.to_vec(),
    };
    let first = controllers.first()?;
    let folder = mounts.lines().find_map(|mount| folder_below(mount, version, *first, path))?;
    Some(Own { version, folder, controllers })
}

/// The folder of a group, where a line of `mountinfo` is the mount of its hierarchy: `… root point options … - type
/// source options` (proc(5)). A mount may show a part of a hierarchy.
fn folder_below(mount: &str, version: Version, controller: Controller, path: &str) -> Option<PathBuf> {
    let (place, of) = mount.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut of = of.split(' ');
    let (kind, options) = (of.next()?, of.nth(1)?);
    let is_it = match version {
        Version::V1 => kind == "cgroup" && options.split(',').any(|option| option == controller.as_str()),
        Version::V2 => kind == "cgroup2",
    };
    let below = Path::new(path).strip_prefix(root).ok().filter(|_| is_it && !path.contains(".."))?;
    Some(Path::new(point).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_layouts_are_found() {
        let groups = "8:pids:/\n5:cpu,cpuacct:/a/b\n4:memory:/docker/c\n2:freezer:/\n0::/x.slice/y.service\n";
        let mounts = "30 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro\n\
            31 30 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
            32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            34 30 0:30 /docker/c /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let own = |version, folder: &str, controllers: &[Controller]| Own {
            version,
            folder: folder.into(),
            controllers: controllers.to_vec(),
        };
        assert_eq!(
            own_groups(groups, mounts),
            [
                own(Version::V1, "/sys/fs/cgroup/pids", &[Controller::Pids]),
                own(Version::V1, "/sys/fs/cgroup/cpu,cpuacct/a/b", &[Controller::Cpu]),
                own(Version::V1, "/sys/fs/cgroup/memory", &[Controller::Memory]),
                own(Version::V2, "/sys/fs/cgroup/unified/x.slice/y.service", &Controller::ALL),
            ]
        );
    }

    #[test]
    fn what_is_not_to_be_seen_from_here_is_not_found() {
        let mount = "32 30 0:28 /docker/c /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        assert_eq!(own_groups("8:pids:/docker/other\n", mount), []);
        assert_eq!(own_groups("8:pids:/docker/c/../../x\n", mount), []);
        assert_eq!(own_groups("8:memory:/docker/c\n0::/\nnonsense\n", mount), []);
    }
}
