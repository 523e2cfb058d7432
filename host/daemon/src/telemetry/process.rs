//! What the kernel tells of this process, under the names that every exporter uses.

use super::Samples;
use super::names::{
    PROCESS_CPU, PROCESS_FDS, PROCESS_FDS_MAX, PROCESS_RESIDENT, PROCESS_STARTED, PROCESS_THREADS, PROCESS_VIRTUAL,
};
use super::samples::as_number;
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
    if let Some(stat) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        samples.number(&PROCESS_CPU, [], as_number(stat.ticks) / as_number(rustix::param::clock_ticks_per_second()));
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

/// What is read of `/proc/self/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // the name of the program stands in brackets and may have anything in it
        let (_, rest) = text.rsplit_once(") ")?;
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: (14..=17).map(field).sum::<Option<u64>>()?,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_whatever_the_program_is_called() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 10 20 3 4 20 0 9 0 100 8192 5 18446744073709551615 1";
        let stat = Stat { ticks: 37, threads: 9, virtual_bytes: 8192, resident_pages: 5 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (a"), None);
    }

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
