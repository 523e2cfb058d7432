//! The version of a nats-server program, asked of the program itself.

use std::{fmt, path::Path, process::Command, time::Duration};

use super::{bounded, error::ServerError};

/// How long `nats-server --version` may take; it takes milliseconds, except on a machine that is paging it in.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A nats-server version. Pre-release marks are left off: 2.15.0-RC.1 counts as 2.15.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

impl Version {
    /// The oldest version that has all Lovage builds on; message schedules as we use them came last.
    pub const NEEDED: Self = Self { major: 2, minor: 14, patch: 0 };

    /// Parses what `nats-server --version` prints, `nats-server: v2.15.1`.
    pub(super) fn parse(printed: &str) -> Option<Self> {
        let version = printed.trim().strip_prefix("nats-server:")?.trim_start();
        let version = version.strip_prefix('v').unwrap_or(version);
        let version = version.split(['-', '+', ' ']).next()?;
        let mut parts = version.split('.').map(str::parse::<u16>);
        let parsed = Self { major: parts.next()?.ok()?, minor: parts.next()?.ok()?, patch: parts.next()?.ok()? };
        parts.next().is_none().then_some(parsed)
    }

    /// Runs the program at `path` and returns its version.
    pub(super) fn of(path: &Path) -> Result<Self, ServerError> {
        let output = bounded::output(Command::new(path).arg("--version"), ANSWER_WITHIN)
            .map_err(|cause| ServerError::NotExecutable { path: path.into(), cause })?;
        let printed = String::from_utf8_lossy(&output.stdout);
        Self::parse(&printed).ok_or_else(|| ServerError::NotNatsServer {
            path: path.into(),
            printed: printed.chars().take(80).collect::<String>().trim().into(),
        })
    }

    /// Runs the program at `path` and returns its version if it is new enough.
    pub(super) fn of_usable(path: &Path) -> Result<Self, ServerError> {
        let found = Self::of(path)?;
        if found < Self::NEEDED { Err(ServerError::TooOld { path: path.into(), found }) } else { Ok(found) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u16, minor: u16, patch: u16) -> Version {
        Version { major, minor, patch }
    }

    #[test]
    fn versions_are_read_as_servers_print_them() {
        assert_eq!(Version::parse("nats-server: v2.15.1\n"), Some(version(2, 15, 1)));
        assert_eq!(Version::parse("nats-server: v2.9.10"), Some(version(2, 9, 10)));
        assert_eq!(Version::parse("nats-server: 2.14.0"), Some(version(2, 14, 0)));
        assert_eq!(Version::parse("nats-server: v2.15.0-RC.1"), Some(version(2, 15, 0)));
        assert_eq!(Version::parse("nats-server: v2.15.0+build"), Some(version(2, 15, 0)));
    }

    #[test]
    fn other_programs_have_no_version() {
        for printed in ["", "2.15.1", "nats-server: ", "nats-server: v2.15", "nats-server: v2.15.x", "nats: 0.2.1"] {
            assert_eq!(Version::parse(printed), None, "{printed:?}");
        }
        assert_eq!(Version::parse("nats-server: v2.15.1.4"), None);
        assert_eq!(Version::parse("nats-server: v99999999.1.1"), None);
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(version(2, 9, 10) < Version::NEEDED);
        assert!(version(2, 13, 99) < Version::NEEDED);
        assert!(version(2, 14, 0) >= Version::NEEDED);
        assert!(version(3, 0, 0) > version(2, 15, 1));
    }
}
