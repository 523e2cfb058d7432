//! What a worker holds: memory, open files and children, of the process and of all that descend from it.
//!
//! Read from the kernel and not from the worker, which a hostile guest might have made lie. Only Linux tells it; where
//! there is no `/proc`, everything here fails with that.

use std::{
    fmt, fs,
    io::{self, ErrorKind},
    path::PathBuf,
};

/// A process and its descendants, by the id of the first.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    pid: u32,
}

/// What they held at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Resident memory of all of them, in bytes.
    pub resident_bytes: u64,
    /// Open files of the first one.
    pub files: usize,
    /// How many descendants there are.
    pub children: usize,
}

impl Health {
    /// Looks at a process.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Returns what they hold now.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn held(&self) -> io::Result<Held> {
        let tree = self.tree()?;
        let files = fs::read_dir(proc(self.pid, "fd")).map_or(0, Iterator::count);
        Ok(Held { resident_bytes: sum(&tree, "VmRSS:")?, files, children: tree.len().saturating_sub(1) })
    }

    /// Begins to measure the peak anew.
    ///
    /// # Errors
    /// The kernel does not let us.
    pub fn reset_peak(&self) -> io::Result<()> {
        for pid in self.tree()? {
            // one that has just ended has no peak either
            present(fs::write(proc(pid, "clear_refs"), "5"))?;
        }
        Ok(())
    }

    /// Returns the most that each of them has held since the last reset, added up.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn peak_bytes(&self) -> io::Result<u64> {
        sum(&self.tree()?, "VmHWM:")
    }

    /// The process and its descendants.
    fn tree(&self) -> io::Result<Vec<u32>> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if let Some(parent) = parent_of(pid)? {
                parents.push((pid, parent));
            }
        }
        let mut tree = vec![self.pid];
        let mut place = 0;
        while let Some(parent) = tree.get(place).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
            place += 1;
        }
        Ok(tree)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident_bytes, files, children } = self;
        write!(f, "{} MiB resident, {files} files, {children} children", resident_bytes >> 20)
    }
}

fn proc(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

/// What the kernel says of a process; nothing where it has ended.
fn present<T>(told: io::Result<T>) -> io::Result<Option<T>> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parent_of(pid: u32) -> io::Result<Option<u32>> {
    let stat = present(fs::read_to_string(proc(pid, "stat")))?.unwrap_or_default();
    // The name in brackets may hold anything; the state and the parent come after it.
    let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
    Ok(parent)
}

/// The sum over processes of a line of their status that is in KiB, in bytes.
fn sum(tree: &[u32], line: &str) -> io::Result<u64> {
    let mut kib = 0_u64;
    for pid in tree {
        let status = present(fs::read_to_string(proc(*pid, "status")))?.unwrap_or_default();
        let found = status.lines().find_map(|text| text.strip_prefix(line));
        kib += found.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(kib << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::{
        hint::black_box,
        process::{Command, Stdio},
    };

    #[test]
    fn memory_files_and_children_are_counted() {
        // More than the other tests of this process open and close meanwhile.
        const FILES: usize = 100;
        let health = Health::of(std::process::id());
        let before = health.held().unwrap();
        let ballast = black_box(vec![1_u8; 64 << 20]);
        let files: Vec<fs::File> = (0..FILES).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let with = health.held().unwrap();
        assert!(with.resident_bytes >= before.resident_bytes + (48 << 20), "{before}, then {with}");
        assert!(with.files > before.files + FILES / 2 && with.children > before.children, "{before}, then {with}");
        drop((ballast, files));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(health.peak_bytes().unwrap() >= with.resident_bytes / 2);
    }
}
