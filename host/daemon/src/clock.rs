//! The wall clock, in one place: the rules take the time as an argument.

use lovage_job::unit::UnixMs;
use std::time::SystemTime;

/// Now, by this machine's clock.
pub fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
