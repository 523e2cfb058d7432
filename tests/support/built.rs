//! What has to be built before a suite can run: the `lovage` binary and the example guests.
//!
//! Cargo is asked once per process even where the files are there: it takes well under a second when nothing
//! changed, and a test against yesterday's binary would prove nothing. Cargo's own lock makes parallel test
//! processes take turns.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use crate::wasm;

static BINARY: LazyLock<PathBuf> = LazyLock::new(build_binary);
static GUESTS: LazyLock<PathBuf> = LazyLock::new(build_guests);

/// Returns the root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository")
}

/// Returns the `lovage` binary: the one `LOVAGE_BIN` names, or the one of this build profile, brought up to date.
#[must_use]
pub fn lovage_binary() -> &'static Path {
    &BINARY
}

/// Returns the component of an example task, by the name of its folder: `guest("word-stats")`.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    // A library is named with underscores, a program as it is written.
    let candidates = [name.replace('-', "_"), name.to_owned()].map(|name| GUESTS.join(name + ".wasm"));
    let found = candidates.iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no example task {name}: {} is not there", candidates[0].display())).clone()
}

fn build_binary() -> PathBuf {
    if let Some(path) = env::var_os("LOVAGE_BIN").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "LOVAGE_BIN names {}, which is not there", path.display());
        return path;
    }
    let exe = env::current_exe().expect("a test has a file");
    // `target/debug/deps/suites-…` for a test, `target/debug/demo` for a program.
    let deps = exe.ancestors().find(|path| path.ends_with("deps"));
    let folder = deps.unwrap_or(&exe).parent().expect("a file has a folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut command = cargo(repository());
    command.args(["build", "--package", "lovage", "--profile", profile]);
    command.arg("--target-dir").arg(folder.parent().expect("a profile lies in a target folder"));
    run(&mut command);
    folder.join("lovage")
}

fn build_guests() -> PathBuf {
    run(&mut guests_build());
    guests_target().join(wasm::TARGET).join("release")
}

/// Returns the command that builds every example task.
#[must_use]
pub fn guests_build() -> Command {
    let mut command = cargo(&guests_folder());
    command.args(["build", "--release", "--target", wasm::TARGET, "--target-dir"]).arg(guests_target());
    command
}

/// Returns the workspace of the example tasks.
#[must_use]
pub fn guests_folder() -> PathBuf {
    repository().join("example-tasks")
}

/// Returns where the example tasks are built, whatever folder the person set for cargo.
#[must_use]
pub fn guests_target() -> PathBuf {
    guests_folder().join("target")
}

/// Returns the path of a program that is built into the folder of this one.
///
/// Ask before anything is built: a build may put a new file in the place of this program.
///
/// # Errors
/// The operating system does not tell where this program lies.
pub fn beside_this_program(name: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(name))
}

/// Returns cargo as a person would start it in `folder`.
///
/// What the cargo around this process says about this package is left out: build scripts of dependencies watch some
/// of it, so cargo would build half the workspace anew, and again the next time it is started from a shell.
#[must_use]
pub fn cargo(folder: &Path) -> Command {
    const OF_THIS_PACKAGE: [&str; 6] = [
        "CARGO_BIN_",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
    ];
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).stdin(Stdio::null());
    let told = env::vars_os().map(|(name, _)| name);
    for name in told.filter(|name| OF_THIS_PACKAGE.iter().any(|of| name.to_string_lossy().starts_with(of))) {
        command.env_remove(name);
    }
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; `cargo verify` adds what is missing\n{said}");
}
