//! Seccomp: a list of the system calls that are left; any other ends the process.
//!
//! Two filters, of which the kernel takes the stricter answer. The first refuses, with an error, what libraries ask for
//! and can do without; the second ends the process over whatever is on neither list.

use super::held::JailError;
use super::syscalls::{REFUSED, REFUSED_OLD, allowed};
use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// Which threads a jailed process may still start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewThreads {
    /// None: all that it needs run already.
    No,
    /// Threads, and no processes.
    Yes,
}

/// The command by which the engine asks the kernel which pages a guest has written.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// The descriptor by which a process means itself.
const PIDFD_SELF: i32 = -10_000;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Leaves only the listed calls, to all threads of this process, for good.
pub(crate) fn forbid_calls(threads: NewThreads) -> Result<(), JailError> {
    let failed = |error: &dyn std::fmt::Display| JailError::of("filter system calls", error);
    // The last one forbids to add another.
    for filter in [refusing(SeccompAction::Errno(EACCES), refused()), refusing_clone3(), listing(threads)] {
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| failed(&error))?;
        apply_filter_all_threads(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

const EACCES: u32 = libc::EACCES.cast_unsigned();
const ENOSYS: u32 = libc::ENOSYS.cast_unsigned();

fn arch() -> Result<TargetArch, BackendError> {
    std::env::consts::ARCH.try_into()
}

fn refused() -> impl Iterator<Item = c_long> {
    REFUSED.iter().chain(REFUSED_OLD).copied()
}

/// Answers these calls with an error, and lets the next filter judge the others.
fn refusing(answer: SeccompAction, calls: impl Iterator<Item = c_long>) -> Result<SeccompFilter, BackendError> {
    let rules: Rules = calls.map(|call| (call, Vec::new())).collect();
    SeccompFilter::new(rules, SeccompAction::Allow, answer, arch()?)
}

/// The arguments of `clone3` lie in memory, where no filter sees them; told that there is none, libraries use `clone`.
fn refusing_clone3() -> Result<SeccompFilter, BackendError> {
    refusing(SeccompAction::Errno(ENOSYS), std::iter::once(libc::SYS_clone3))
}

/// Allows what is listed, and what another filter has answered already; the rest ends the process.
fn listing(threads: NewThreads) -> Result<SeccompFilter, BackendError> {
    let judged = refused().chain(std::iter::once(libc::SYS_clone3));
    let mut rules: Rules = allowed().chain(judged).map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_ioctl, vec![argument(1, SeccompCmpOp::Eq, PAGEMAP_SCAN)?]);
    // The pool resets its slots in batches; `PIDFD_SELF` stands for this process.
    let own_memory = u64::from(PIDFD_SELF.cast_unsigned());
    rules.insert(libc::SYS_process_madvise, vec![argument(0, SeccompCmpOp::Eq, own_memory)?]);
    // Only to itself: the end of a process that panics.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![argument(0, SeccompCmpOp::Eq, own)?]);
    rules.insert(libc::SYS_kill, vec![argument(0, SeccompCmpOp::Eq, own)?]);
    // A thread gives itself its name; one that was started before may come to that only now.
    let set_name = u64::from(libc::PR_SET_NAME.cast_unsigned());
    rules.insert(libc::SYS_prctl, vec![argument(0, SeccompCmpOp::Eq, set_name)?]);
    if threads == NewThreads::Yes {
        let flag = u64::from(libc::CLONE_THREAD.cast_unsigned());
        rules.insert(libc::SYS_clone, vec![argument(0, SeccompCmpOp::MaskedEq(flag), flag)?]);
    }
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch()?)
}

fn argument(number: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    // A process id and a command are 32 bits; what is above them is not part of the argument.
    SeccompRule::new(vec![SeccompCondition::new(number, SeccompCmpArgLen::Dword, is, value)?])
}
