//! Names and ids that cannot be built from unchecked text.
//!
//! Subjects, stream names, bucket keys and file names are made from these types only, so a name that passes here
//! can never carry a wildcard, a separator or a line break into the broker or the file system.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The longest tenant, queue, task or alias name, in bytes.
pub const NAME_LENGTH_MAX: usize = 32;
/// The longest job id, in bytes.
pub const JOB_ID_LENGTH_MAX: usize = 64;

/// A text that is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {rule}")]
pub struct NameError {
    /// What the text was meant to be, such as `task name`.
    pub kind: &'static str,
    /// The text, cut to a printable length.
    pub value: String,
    /// What would be right.
    pub rule: &'static str,
}

fn name_error(kind: &'static str, value: &str, rule: &'static str) -> NameError {
    let value = if value.chars().count() > 60 {
        value.chars().take(60).chain("…".chars()).collect()
    } else {
        value.to_owned()
    };
    NameError { kind, value, rule }
}

const NAME_RULE: &str = "use 1 to 32 characters of a-z, 0-9, '-' and '_', starting with a letter or digit";
const VERSION_RULE: &str = "use 1 to 32 characters of a-z, 0-9, '-', '_' and single dots, starting with a letter or digit and not ending with a dot";
const JOB_ID_RULE: &str = "use 1 to 64 characters of A-Z, a-z, 0-9, '-' and '_'";
const GROUP_ID_RULE: &str = "use 1 to 56 characters of A-Z, a-z, 0-9, '-' and '_'";
const DIGEST_RULE: &str = "use 'sha256:' and 64 hexadecimal digits in lower case";

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_LENGTH_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn is_version(text: &str) -> bool {
    let plain = text.replace('.', "-");
    is_name(&plain) && !text.starts_with('.') && !text.ends_with('.') && !text.contains("..")
}

fn is_job_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= JOB_ID_LENGTH_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Shorter than a job id: those of its members are made from it.
fn is_group_id(text: &str) -> bool {
    is_job_id(text) && text.len() <= JOB_ID_LENGTH_MAX - 8
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                if $check(text) { Ok(Self(text.into())) } else { Err(name_error($kind, text, $rule)) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

checked_text!(
    /// Whose jobs, code and data: the unit of isolation.
    TenantName, "tenant name", is_name, NAME_RULE
);
checked_text!(
    /// Where jobs wait.
    QueueName, "queue name", is_name, NAME_RULE
);
checked_text!(
    /// A named piece of guest code.
    TaskName, "task name", is_name, NAME_RULE
);
checked_text!(
    /// A movable name for a version of a task.
    AliasName, "alias", is_name, NAME_RULE
);
checked_text!(
    /// The name of a bearer token among those of its tenant.
    TokenName, "token name", is_name, NAME_RULE
);
checked_text!(
    /// The immutable name of one version of a task.
    VersionName, "version", is_version, VERSION_RULE
);
checked_text!(
    /// One request to run a task; unique within its tenant.
    JobId, "job id", is_job_id, JOB_ID_RULE
);
checked_text!(
    /// A named rule of when a task runs.
    ScheduleName, "schedule name", is_name, NAME_RULE
);
checked_text!(
    /// What a tenant calls a key that it trusts.
    SignerName, "key name", is_name, NAME_RULE
);
checked_text!(
    /// Jobs that belong together; unique within its tenant.
    GroupId, "group id", is_group_id, GROUP_ID_RULE
);
checked_text!(
    /// A key-value bucket of a tenant, as its tasks name it.
    BucketName, "bucket name", is_name, NAME_RULE
);
checked_text!(
    /// A container of blobs of a tenant, as its tasks name it.
    ContainerName, "container name", is_name, NAME_RULE
);
checked_text!(
    /// A secret of a tenant; the name alone is none.
    SecretName, "secret name", is_name, NAME_RULE
);
checked_text!(
    /// The SHA-256 of a component, written `sha256:<64 hexadecimal digits>`.
    Digest, "digest", is_digest, DIGEST_RULE
);

impl TenantName {
    /// The tenant of whoever names none.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

impl QueueName {
    /// The queue of whoever names none.
    pub fn default_queue() -> Self {
        Self("default".into())
    }
}

impl AliasName {
    /// The alias that jobs run when they name no version.
    pub fn stable() -> Self {
        Self("stable".into())
    }
}

impl VersionName {
    /// The version that follows `count` earlier ones of a task whose author names none.
    pub fn numbered(count: u64) -> Self {
        Self(count.to_string().into())
    }
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))).into())
    }

    /// The 64 hexadecimal digits alone, which are safe as a file name.
    pub fn hex(&self) -> &str {
        self.0.get("sha256:".len()..).unwrap_or_default()
    }

    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or_default()
    }
}

impl GroupId {
    /// The id of the member at a place.
    pub fn member(&self, index: u32) -> JobId {
        // five digits at most, since no group is larger than that
        JobId(format!("{self}_{}", index.min(99_999)).into())
    }

    /// The id of the job that runs when the group is complete.
    pub fn completion(&self) -> JobId {
        JobId(format!("{self}_done").into())
    }
}

impl JobId {
    /// An id made from a short kind and some parts: the same ones always give the same id.
    pub fn from_parts(kind: &str, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digits = hex::encode(hash.finalize());
        Self(format!("{kind}-{}", digits.get(..40).unwrap_or(&digits)).into())
    }

    /// The id of a job whose publisher gave none: made from the creation time of its stream and its place in it,
    /// which every worker and the publisher's own acknowledgement agree on.
    pub fn from_stream(created_unix_ms: u64, sequence: u64) -> Self {
        Self(format!("s{created_unix_ms:x}-{sequence}").into())
    }

    /// The id of a tick of a schedule: its name and its slot in Unix milliseconds. The same tick has the same id,
    /// whoever plans it.
    pub fn of_tick(schedule: &ScheduleName, slot_unix_ms: u64) -> Self {
        Self(format!("{schedule}-{slot_unix_ms}").into())
    }

    /// The id of a run of a schedule that was asked for by hand at a time.
    pub fn of_run_now(schedule: &ScheduleName, unix_ms: u64) -> Self {
        Self(format!("{schedule}-now-{unix_ms}").into())
    }

    /// A number in `0..range` that depends on the id alone; `0` for an empty range. Decides which side of a
    /// weighted alias a job runs, so that a second delivery runs the same side.
    pub fn bucket(&self, range: u32) -> u32 {
        let hash = Sha256::digest(self.as_str().as_bytes());
        let number = hash.iter().take(8).fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        u32::try_from(number.checked_rem(u64::from(range)).unwrap_or(0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_accepted() {
        for good in ["a", "0", "word-stats", "word_stats", "a1-_", &"a".repeat(32)] {
            assert_eq!(good.parse::<TaskName>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn hostile_names_are_refused_with_the_rule() {
        let long = "a".repeat(33);
        let very_long = "a".repeat(200);
        for bad in [
            "",
            "-a",
            "_a",
            "A",
            "aB",
            "*",
            ">",
            "a.b",
            "a b",
            "a\r\nPUB x",
            "..",
            "a/b",
            "a\\b",
            "\0",
            "é",
            "a\u{430}",
            &long,
            &very_long,
        ] {
            let error = bad.parse::<TaskName>().unwrap_err();
            assert_eq!(error.rule, NAME_RULE, "{bad:?}");
            assert!(error.to_string().len() < 400);
        }
    }

    #[test]
    fn versions_may_carry_single_dots() {
        for good in ["1", "1.2.3", "v1.0-rc1", "2026.11.23"] {
            good.parse::<VersionName>().unwrap();
        }
        for bad in ["", ".1", "1.", "1..2", "1/2", "V1", "1 2", "*", ">"] {
            bad.parse::<VersionName>().unwrap_err();
        }
    }

    #[test]
    fn job_ids_are_single_tokens() {
        for good in ["a", "A-b_9", &"x".repeat(64)] {
            good.parse::<JobId>().unwrap();
        }
        for bad in ["", "a.b", "a b", "*", ">", "é", &"x".repeat(65)] {
            bad.parse::<JobId>().unwrap_err();
        }
    }

    #[test]
    fn digests_are_lower_case_sha256() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.as_str(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.short(), "ba7816bf8f01");
        for bad in ["sha256:", "sha512:00", "ba7816bf", &digest.as_str().to_uppercase()] {
            bad.parse::<Digest>().unwrap_err();
        }
    }

    #[test]
    fn ids_from_the_stream_are_ids() {
        JobId::from_stream(u64::MAX, u64::MAX).as_str().parse::<JobId>().unwrap();
    }

    #[test]
    fn buckets_spread_evenly() {
        let low = (0..10_000).filter(|n| JobId::from_stream(1, *n).bucket(100) < 10).count();
        assert!((800..1200).contains(&low), "{low}");
    }
}
