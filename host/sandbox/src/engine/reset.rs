//! How a slot of the pool is wiped between two guests.
//!
//! The fast way asks the kernel which pages a guest has written and resets only those. In this version of the engine
//! it misses a written page that has been swapped out, so that the next guest, perhaps another tenant's, could read
//! it. It is therefore used only where no swap can exist.

use std::fs;
use wasmtime::PoolingAllocationConfig;

/// How slots are wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetMode {
    /// All pages are given back to the kernel.
    Safe,
    /// Written pages are found by the kernel and reset in place.
    Fast,
}

/// Which way the operator allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResetPolicy {
    /// The fast way where a check at the start proves that no swap is in use, else the safe one.
    #[default]
    Auto,
    /// Always the safe way.
    Safe,
}

impl ResetPolicy {
    /// The way to use on this host.
    pub(crate) fn choose(self) -> ResetMode {
        let fast = self == Self::Auto && PoolingAllocationConfig::is_pagemap_scan_available() && no_swap();
        if fast { ResetMode::Fast } else { ResetMode::Safe }
    }
}

/// True where the kernel tells that nothing of this process can be swapped out; false where it does not tell.
fn no_swap() -> bool {
    let swaps = fs::read_to_string("/proc/swaps").ok();
    swaps.is_some_and(|text| lists_no_swap(&text)) || group_forbids_swap().unwrap_or(false)
}

/// `/proc/swaps` has a heading and a line for each area.
fn lists_no_swap(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.next().is_some_and(|heading| heading.starts_with("Filename")) && lines.next().is_none()
}

fn group_forbids_swap() -> Option<bool> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = unified_group(&groups)?;
    let limit = fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.swap.max")).ok()?;
    Some(limit.trim() == "0")
}

/// The path of the unified hierarchy in `/proc/self/cgroup`.
fn unified_group(groups: &str) -> Option<&str> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    (path.starts_with('/') && !path.contains("..")).then(|| path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_heading_means_no_swap() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(lists_no_swap(heading));
        assert!(!lists_no_swap(&format!("{heading}/dev/sda2 partition 1048572 0 -2\n")));
        assert!(!lists_no_swap(""));
        assert!(!lists_no_swap("something else\n"));
    }

    #[test]
    fn the_unified_group_is_found_among_old_ones() {
        assert_eq!(unified_group("12:cpu:/x\n0::/system.slice/lovage.service\n"), Some("/system.slice/lovage.service"));
        assert_eq!(unified_group("0::/\n"), Some(""));
        assert_eq!(unified_group("0::/../x\n"), None);
        assert_eq!(unified_group("12:cpu:/x\n"), None);
    }

    #[test]
    fn an_operator_can_insist_on_the_safe_way() {
        assert_eq!(ResetPolicy::Safe.choose(), ResetMode::Safe);
    }
}
