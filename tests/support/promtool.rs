//! Prometheus' own tool, which judges scrapes and alerts.

use std::{env, path::PathBuf};

/// Finds promtool: the program that `LOVAGE_PROMTOOL` names, or the one on PATH.
#[must_use]
pub fn find_promtool() -> Option<PathBuf> {
    if let Some(given) = env::var_os("LOVAGE_PROMTOOL").filter(|given| !given.is_empty()) {
        return Some(given.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join("promtool")).find(|file| file.is_file())
}
