//! The system calls that are left to a jailed process, each group with its reason.

use libc::c_long;

/// Memory of the allocator and of the engine.
const MEMORY: &[c_long] =
    &[libc::SYS_brk, libc::SYS_madvise, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_mremap, libc::SYS_munmap];

/// Files in memory, without a name: the engine keeps the first state of linear memories in them, and maps it.
const IMAGES: &[c_long] = &[libc::SYS_memfd_create, libc::SYS_ftruncate, libc::SYS_fcntl, libc::SYS_pwrite64];

/// Locks and waits of threads that are there.
const THREADS: &[c_long] = &[
    libc::SYS_exit,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_sysinfo,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
];

/// The streams that it was started with.
const STREAMS: &[c_long] = &[
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
];

/// Time and chance.
const TIME: &[c_long] =
    &[libc::SYS_clock_getres, libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_getrandom];

/// Traps of guests and the end of the process.
const SIGNALS: &[c_long] = &[
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// Those of another name on this architecture.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[libc::SYS_poll, libc::SYS_gettimeofday, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[c_long] = &[libc::SYS_ppoll, libc::SYS_gettimeofday];

/// Answered with an error, not with the end: libraries ask for these and go on without.
pub(crate) const REFUSED: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_setpriority,
];
#[cfg(target_arch = "x86_64")]
pub(crate) const REFUSED_OLD: &[c_long] =
    &[libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_readlink, libc::SYS_access];
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const REFUSED_OLD: &[c_long] = &[];

/// Every call that is allowed whatever its arguments.
pub(crate) fn allowed() -> impl Iterator<Item = c_long> {
    [MEMORY, IMAGES, THREADS, STREAMS, TIME, SIGNALS, OLD].into_iter().flatten().copied()
}
