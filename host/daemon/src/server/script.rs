//! Stand-in programs for the tests of this room.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Writes an executable shell script. A child process writes it: a file that this process had open for writing
/// could not be executed while another test's fork still holds the handle.
pub(super) fn write(path: &Path, body: &str) -> PathBuf {
    let script = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let status = Command::new("/bin/sh").args(["-c", script, "sh"]).arg(path).arg(body).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot write {}", path.display());
    path.into()
}
