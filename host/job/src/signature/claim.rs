//! What a signature is of.

use crate::name::{Digest, TaskName, TenantName, VersionName};
use std::fmt;

/// What a signature is of: one component as one version of one task of one tenant.
///
/// As text, which is the message that is signed, byte for byte:
///
/// ```text
/// lovage signature v1
/// tenant <tenant>
/// task <task>
/// version <version>
/// digest sha256:<64 hexadecimal digits>
/// ```
///
/// Each of the five lines ends with one line feed. The first line keeps a signature from being taken for one of
/// anything else, or of a later form. None of the four values can hold a space or a line break, so that no two claims
/// have the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose task.
    pub tenant: TenantName,
    /// The task.
    pub task: TaskName,
    /// The version.
    pub version: VersionName,
    /// The component.
    pub digest: Digest,
}

/// The first line: what the message is, and the version of its form.
const DOMAIN: &str = "lovage signature v1";

impl Claim {
    /// The message that is signed.
    pub fn message(&self) -> String {
        let Self { tenant, task, version, digest } = self;
        format!("{DOMAIN}\ntenant {tenant}\ntask {task}\nversion {version}\ndigest {digest}\n")
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, task, version, digest } = self;
        write!(f, "version {version} of task {task} of tenant {tenant} ({digest})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_as_documented() {
        let claim = Claim {
            tenant: "acme".parse().unwrap(),
            task: "word-stats".parse().unwrap(),
            version: "1.2".parse().unwrap(),
            digest: Digest::of(b"abc"),
        };
        assert_eq!(
            claim.message(),
            "lovage signature v1\n\
             tenant acme\n\
             task word-stats\n\
             version 1.2\n\
             digest sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
        );
    }
}
