//! Cleans up after what all tests of this process share: a static is never dropped, and a process may be killed.
//!
//! A small shell outlives this process. It is told the ids of the shared processes over a pipe, sees the pipe close
//! with the end of this process, whatever ended it, and then ends them and removes the folder of this run.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use crate::{Cli, guest};

const SCRIPT: &str = r#"
while read -r id; do ids="$ids $id"; done
for id in $ids; do kill -9 "$id" 2>/dev/null; done
rm -rf -- "$1"
"#;

static RUN: LazyLock<Run> = LazyLock::new(Run::start);
static CACHE: LazyLock<PathBuf> = LazyLock::new(new_cache);

struct Run {
    folder: PathBuf,
    keeper: Mutex<ChildStdin>,
}

impl Run {
    #[allow(clippy::zombie_processes, reason = "it ends after this process")]
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("lovage-run-").tempdir().expect("a temporary folder").keep();
        // The files of what is shared lie below, too, so that one removal is enough.
        let _ = tempfile::env::override_temp_dir(&folder);
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "keeper"]).arg(&folder);
        // A group of its own: Ctrl-C ends the tests, and the clean-up comes after them.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a shell");
        let keeper = Mutex::new(child.stdin.take().expect("the pipe that was asked for"));
        Self { folder, keeper }
    }
}

/// Has a process end after this one; for what is shared by all tests and so never dropped.
///
/// # Panics
/// The shell that does it is gone.
pub fn end_with_this_process(pid: u32) {
    let mut keeper = RUN.keeper.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(keeper, "{pid}").expect("the shell reads until this process ends");
}

/// Returns the folder of this run of the tests, which goes when this process has ended.
pub(crate) fn run_folder() -> &'static Path {
    &RUN.folder
}

/// Returns where workers and commands of this run keep compiled components, so that each is compiled once.
#[must_use]
pub fn shared_cache() -> PathBuf {
    CACHE.clone()
}

/// Makes the cache with one command alone: what happens when several begin at once is a test of its own.
fn new_cache() -> PathBuf {
    let cache = run_folder().join("compiled");
    let file = guest("sha256").into_os_string();
    let args = ["run".into(), file, "sha256-hex".into(), "abc".into(), "--cache-dir".into(), cache.clone().into()];
    Cli::without_server().ok(args);
    cache
}
