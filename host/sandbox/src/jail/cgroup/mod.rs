//! Control groups: the kernel's own limits on the memory, threads and processor time of a child, where this process may
//! make groups of its own. Both layouts are known: one hierarchy for each controller (v1), and one for all (v2).
//!
//! A child is put into its group before it is told anything of a tenant; what it takes from then on is counted there.

pub(crate) mod found;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod leftovers;
pub(crate) mod unified;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The processes of a group, one a line; writing an id here moves that process.
const PROCS: &str = "cgroup.procs";

/// Sets a file of the kernel, which is there or cannot be set: it is never made.
fn set(file: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(value.as_bytes())
}

/// The ids of the processes in a group; 0 stands for one of another namespace.
fn processes(folder: &Path) -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(folder.join(PROCS))?;
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}
