//! Jails of this process: what a child gives up before it touches bytes that a tenant wrote.
//!
//! Three layers that do not lean on each other: limits of resources, no way to any file or network address (landlock),
//! and a list of the system calls that are left (seccomp). Nothing of that can be undone. From outside, its parent puts it
//! into a control group where the machine has them (`cgroup`).

pub(crate) mod calls;
pub(crate) mod cgroup;
pub(crate) mod files;
pub(crate) mod held;
pub(crate) mod limits;
pub(crate) mod syscalls;
