//! The compiler's process: one component, hard limits, and then it ends.

use std::ffi::OsString;
use std::path::PathBuf;

/// The hidden command.
pub(super) const NAME: &str = "compile-child";

/// The hidden command of a runner.
pub(crate) const RUNNER: &str = "runner";

/// How the worker starts the compiler: this program again.
pub fn compiler_program() -> std::io::Result<(PathBuf, Vec<OsString>)> {
    Ok((std::env::current_exe()?, vec![NAME.into()]))
}
