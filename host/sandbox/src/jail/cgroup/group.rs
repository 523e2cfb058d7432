//! One group, for one child: its limits, its only member, and whether the kernel had to end it.

use super::found::{Controller, Own, Version};
use super::groups::Groups;
use super::{PROCS, set};
use lovage_job::unit::ByteSize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// In how long a span processor time is counted.
const CPU_PERIOD_US: u32 = 100_000;

/// What a group is limited to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupLimits {
    /// Memory of all kinds, also the kernel's for it; none of it goes to swap.
    pub memory: ByteSize,
    /// Threads of all its processes.
    pub threads: u32,
    /// Processor time, in cores.
    pub cores: Option<f64>,
}

/// A file of the kernel that does not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct GroupError {
    file: PathBuf,
    source: io::Error,
}

/// A child's group. Removed when it is dropped, which should be after the child's end.
#[derive(Debug)]
pub(crate) struct Group {
    groups: Arc<Groups>,
    folders: Vec<(Version, PathBuf)>,
    held: Vec<String>,
    memory: Option<ByteSize>,
}

impl Group {
    /// Makes a group of this name at each place, and limits it.
    pub(super) fn make(
        groups: Arc<Groups>,
        places: &[Own],
        name: &str,
        limits: &GroupLimits,
    ) -> Result<Self, GroupError> {
        let mut group = Self { groups, folders: Vec::new(), held: Vec::new(), memory: None };
        for Own { version, folder, controllers } in places {
            let folder = folder.join(name);
            fs::create_dir(&folder).map_err(|source| GroupError { file: folder.clone(), source })?;
            group.folders.push((*version, folder.clone()));
            for controller in controllers {
                let told = limit(&folder, *version, *controller, limits)?;
                group.held.extend(told.map(|told| format!("{told} ({version})")));
                if *controller == Controller::Memory {
                    group.memory = Some(limits.memory);
                }
            }
        }
        Ok(group)
    }

    /// Puts a child in.
    pub(crate) fn admit(&self, pid: u32) -> Result<(), GroupError> {
        self.folders.iter().try_for_each(|(_, folder)| put(folder, PROCS, &pid.to_string()))
    }

    #[cfg(test)]
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|(_, folder)| folder.clone()).collect()
    }

    /// What holds, for people.
    pub(crate) fn held(&self) -> &[String] {
        &self.held
    }

    /// How much memory the kernel lets its processes have, where it looks.
    pub(crate) fn memory(&self) -> Option<ByteSize> {
        self.memory
    }

    /// Whether the kernel has ended a process of it for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let kills = |(version, folder): &(Version, PathBuf)| {
            let file = match version {
                Version::V1 => "memory.oom_control",
                Version::V2 => "memory.events",
            };
            kills_in(&fs::read_to_string(folder.join(file)).unwrap_or_default())
        };
        self.folders.iter().any(|folder| kills(folder) > 0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (_, folder) in std::mem::take(&mut self.folders) {
            if fs::remove_dir(&folder).is_err() {
                self.groups.leave(folder);
            }
        }
    }
}

/// How often the kernel has ended a process of a group; both layouts have a line for it.
fn kills_in(text: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

fn put(folder: &Path, name: &str, value: &str) -> Result<(), GroupError> {
    let file = folder.join(name);
    set(&file, value).map_err(|source| GroupError { file, source })
}

/// Sets one limit, and says what holds then; nothing where none is wanted.
fn limit(
    folder: &Path,
    version: Version,
    controller: Controller,
    limits: &GroupLimits,
) -> Result<Option<String>, GroupError> {
    match controller {
        Controller::Memory => limit_memory(folder, version, limits.memory).map(Some),
        Controller::Pids => {
            put(folder, "pids.max", &limits.threads.to_string())?;
            Ok(Some(format!("threads: {}", limits.threads)))
        }
        Controller::Cpu => limits.cores.map(|cores| limit_cores(folder, version, cores)).transpose(),
    }
}

fn limit_memory(folder: &Path, version: Version, memory: ByteSize) -> Result<String, GroupError> {
    let bytes = memory.0.to_string();
    // The limit on memory with swap cannot be below that on memory, so it comes second.
    let (limit, (swap, most)) = match version {
        Version::V1 => ("memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", bytes.as_str())),
        Version::V2 => ("memory.max", ("memory.swap.max", "0")),
    };
    put(folder, limit, &bytes)?;
    // A kernel that counts no swap has no such file.
    if !folder.join(swap).exists() {
        return Ok(format!("memory: {memory}"));
    }
    put(folder, swap, most)?;
    Ok(format!("memory: {memory}, no swap"))
}

fn limit_cores(folder: &Path, version: Version, cores: f64) -> Result<String, GroupError> {
    let period = CPU_PERIOD_US.to_string();
    // At least the millisecond that the kernel asks for; a float becomes the nearest number that there is.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let quota = ((cores * f64::from(CPU_PERIOD_US)).round() as u64).max(1000).to_string();
    match version {
        Version::V1 => {
            put(folder, "cpu.cfs_period_us", &period)?;
            put(folder, "cpu.cfs_quota_us", &quota)?;
        }
        Version::V2 => put(folder, "cpu.max", &format!("{quota} {period}"))?,
    }
    Ok(format!("cores: {cores}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GroupLimits = GroupLimits { memory: ByteSize::mib(64), threads: 9, cores: Some(1.5) };

    /// What is in the files that the kernel would show, after all limits are set.
    fn limited(version: Version, files: &[&str]) -> (Vec<String>, Vec<Option<String>>) {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|file| fs::write(folder.path().join(file), "").unwrap());
        let told = Controller::ALL.map(|controller| limit(folder.path(), version, controller, &LIMITS).unwrap());
        (files.iter().map(|file| fs::read_to_string(folder.path().join(file)).unwrap()).collect(), told.to_vec())
    }

    fn told(told: [&str; 3]) -> Vec<Option<String>> {
        told.map(|text| Some(text.to_owned())).to_vec()
    }

    #[test]
    fn limits_are_written_as_each_layout_wants_them() {
        let all = told(["memory: 64MiB, no swap", "threads: 9", "cores: 1.5"]);
        let v2 = limited(Version::V2, &["memory.max", "memory.swap.max", "pids.max", "cpu.max"]);
        assert_eq!(v2, (["67108864", "0", "9", "150000 100000"].map(str::to_owned).to_vec(), all.clone()));
        let files = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max", "cpu.cfs_period_us"];
        let v1 = limited(Version::V1, &[files.as_slice(), &["cpu.cfs_quota_us"]].concat());
        assert_eq!(v1, (["67108864", "67108864", "9", "100000", "150000"].map(str::to_owned).to_vec(), all));
    }

    #[test]
    fn swap_is_spoken_of_only_where_it_is_counted() {
        let (_, without) = limited(Version::V2, &["memory.max", "pids.max", "cpu.max"]);
        assert_eq!(without, told(["memory: 64MiB", "threads: 9", "cores: 1.5"]));
    }

    #[test]
    fn a_limit_that_cannot_be_set_is_an_error_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = limit(folder.path(), Version::V2, Controller::Pids, &LIMITS).unwrap_err();
        assert!(error.to_string().contains("pids.max"), "{error}");
        let none = GroupLimits { cores: None, ..LIMITS };
        assert_eq!(limit(folder.path(), Version::V2, Controller::Cpu, &none).unwrap(), None);
    }

    #[test]
    fn kills_are_counted_in_both_layouts() {
        assert_eq!(kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), 1);
        assert_eq!(kills_in("low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n"), 2);
        assert_eq!(kills_in("oom_kill_disable 1\n"), 0);
    }
}
