//! Limits of resources, and who this process is to the kernel.

use super::held::JailError;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, setrlimit};
use std::io::Read;

/// How willingly the kernel ends a jailed process when memory is short: before any other of ours.
const OOM_SCORE: &str = "900";

fn set(action: &'static str, resource: Resource, most: u64) -> Result<(), JailError> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, limit).map_err(|error| JailError::of(action, error))
}

/// No core files, no file above so many bytes, so many descriptors.
pub(crate) fn limit_files(file_bytes: u64, descriptors: u64) -> Result<(), JailError> {
    set("forbid core files", Resource::Core, 0)?;
    set("limit files", Resource::Fsize, file_bytes)?;
    set("limit descriptors", Resource::Nofile, descriptors)
}

/// So much address space.
pub(crate) fn limit_address_space(bytes: u64) -> Result<(), JailError> {
    set("limit address space", Resource::As, bytes)
}

/// No further process or thread of this user from here, where the kernel counts them.
pub(crate) fn limit_processes() -> Result<(), JailError> {
    set("forbid processes", Resource::Nproc, 0)
}

/// A session of its own, ended with its parent, first to go when memory is short, and closed to other processes of the
/// same user. Called by the parent's direct child.
pub(crate) fn stand_apart() -> Result<(), JailError> {
    // A process that leads a group already is one that a shell started by hand.
    let _ = rustix::process::setsid();
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| JailError::of("end with the parent", error))?;
    // Without /proc the order is the kernel's own.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| JailError::of("close itself to others", error))?;
    std::env::set_current_dir("/").map_err(|error| JailError::of("leave its folder", error))
}

/// Where a process reads its own size; opened while files can be, and read later.
pub(crate) struct OwnSize(std::fs::File);

impl OwnSize {
    pub(crate) fn open() -> Result<Self, JailError> {
        std::fs::File::open("/proc/self/statm").map(Self).map_err(|error| JailError::of("read its own size", error))
    }

    /// The address space that is mapped now, in bytes.
    pub(crate) fn bytes(&self) -> Result<u64, JailError> {
        let mut text = String::new();
        (&self.0).read_to_string(&mut text).map_err(|error| JailError::of("read its own size", error))?;
        let pages = text.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
        let pages = pages.ok_or_else(|| JailError::of("read its own size", format!("{text:?} has no pages")))?;
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
        Ok(pages.saturating_mul(page))
    }
}
