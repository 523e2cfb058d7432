//! The compiler's support for guests: present, or how to add it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

/// What guests are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// Returns the command that adds the target for the toolchain in use in `folder`, or `None` where it is there.
///
/// The compiler is asked, not rustup: a distribution's own toolchain may have the target without it.
///
/// # Errors
/// There is no compiler, one that knows no such target, or no rustup to add it with.
pub fn missing_target(folder: &Path) -> anyhow::Result<Option<Command>> {
    let mut ask = Command::new("rustc");
    ask.current_dir(folder).args(["--print", "target-libdir", "--target", TARGET]);
    let output = ask.output().context("rustc cannot be run; install a toolchain with rustup")?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "this rustc knows no {TARGET}; Rust 1.95 or later is needed");
    if PathBuf::from(told.trim()).is_dir() {
        return Ok(None);
    }
    let rustup = Command::new("rustup").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !rustup.is_ok_and(|status| status.success()) {
        bail!("the {TARGET} target is missing and there is no rustup to add it; add it the way rustc was installed");
    }
    let mut add = Command::new("rustup");
    add.current_dir(folder).args(["target", "add", TARGET]);
    Ok(Some(add))
}
