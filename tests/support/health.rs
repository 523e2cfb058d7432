//! What a worker holds: memory, open files and children, of the process and of all that descend from it.
//!
//! Read from the kernel and not from the worker, which a hostile guest might have made lie.

use std::{fmt, fs, io::ErrorKind, path::PathBuf};

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
    #[must_use]
    pub fn held(&self) -> Held {
        let tree = self.tree();
        let files = fs::read_dir(proc(self.pid, "fd")).map_or(0, Iterator::count);
        Held {
            resident_bytes: tree.iter().map(|pid| status_kib(*pid, "VmRSS:") << 10).sum(),
            files,
            children: tree.len() - 1,
        }
    }

    /// Begins to measure the peak anew.
    pub fn reset_peak(&self) {
        for pid in self.tree() {
            // One that has just ended has no peak either.
            let _ = fs::write(proc(pid, "clear_refs"), "5");
        }
    }

    /// Returns the most that each of them has held since the last reset, added up.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.tree().into_iter().map(|pid| status_kib(pid, "VmHWM:") << 10).sum()
    }

    /// The process and its descendants.
    fn tree(&self) -> Vec<u32> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc").expect("the kernel tells of processes").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if let Some(parent) = parent_of(pid) {
                parents.push((pid, parent));
            }
        }
        let mut tree = vec![self.pid];
        let mut place = 0;
        while let Some(parent) = tree.get(place).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
            place += 1;
        }
        tree
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

/// The text of a file about a process; nothing where the process has ended.
fn text(pid: u32, file: &str) -> String {
    match fs::read_to_string(proc(pid, file)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3) => String::new(),
        Err(error) => panic!("{}: {error}", proc(pid, file).display()),
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = text(pid, "stat");
    // The name in brackets may hold anything; the state and the parent come after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn status_kib(pid: u32, line: &str) -> u64 {
    let status = text(pid, "status");
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        hint::black_box,
        process::{Command, Stdio},
    };

    #[test]
    fn memory_files_and_children_are_counted() {
        let health = Health::of(std::process::id());
        let before = health.held();
        let ballast = black_box(vec![1_u8; 64 << 20]);
        let file = fs::File::open("/proc/self/stat").unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let with = health.held();
        assert!(with.resident_bytes >= before.resident_bytes + (48 << 20), "{before}, then {with}");
        assert!(with.files > before.files && with.children > before.children, "{before}, then {with}");
        drop((ballast, file));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(health.peak_bytes() >= with.resident_bytes / 2);
    }
}
