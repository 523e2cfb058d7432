//! What the kernel tells of this process, under the names that every exporter uses.

use super::Samples;
use super::names::{
    PROCESS_CPU, PROCESS_FDS, PROCESS_FDS_MAX, PROCESS_RESIDENT, PROCESS_STARTED, PROCESS_THREADS, PROCESS_VIRTUAL,
};
use super::samples::as_number;
#[cfg(target_os = "linux")]
use crate::stat::Stat;
use std::sync::OnceLock;
use std::time::SystemTime;

/// When this process was first asked, or was told that it begins.
static STARTED: OnceLock<SystemTime> = OnceLock::new();

/// Notes that the process begins.
pub(super) fn begin() {
    STARTED.get_or_init(SystemTime::now);
}

/// Tells what the kernel tells. What cannot be read is left out.
pub(super) fn tell(samples: &mut Samples) {
    let started = STARTED.get_or_init(SystemTime::now);
    let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    samples.number(&PROCESS_STARTED, [], since.as_secs_f64());
    #[cfg(target_os = "linux")]
    if let Some(stat) = Stat::read() {
        let ticks = stat.ticks.saturating_add(stat.ticks_children);
        samples.number(&PROCESS_CPU, [], as_number(ticks) / as_number(rustix::param::clock_ticks_per_second()));
        samples.count(&PROCESS_THREADS, [], stat.threads);
        samples.count(&PROCESS_VIRTUAL, [], stat.virtual_bytes);
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
        samples.count(&PROCESS_RESIDENT, [], stat.resident_pages.saturating_mul(page));
    }
    #[cfg(target_os = "linux")]
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // the folder itself is open while it is read
        samples.count(&PROCESS_FDS, [], u64::try_from(open.count()).unwrap_or_default().saturating_sub(1));
    }
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(most) = most {
        samples.count(&PROCESS_FDS_MAX, [], most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_threads() {
        let mut samples = Samples::default();
        tell(&mut samples);
        for metric in [&PROCESS_RESIDENT, &PROCESS_THREADS, &PROCESS_FDS, &PROCESS_VIRTUAL] {
            assert!(samples.get(metric, &[]).is_some_and(|value| value >= 1.0), "{}", metric.name);
        }
    }
}
