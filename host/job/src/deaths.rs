//! Runners that died of a component: noted by digest, and after the third the component is quarantined for its tenant.
//!
//! A death costs a job no attempt, so without this rule a component that kills its runner would run for ever. Only a
//! death with one component aboard is noted; where there were several, each runs alone until one is found.

use crate::name::{Digest, TenantName};
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};

/// A component of which so many runners died is quarantined.
pub const DEATHS_MAX: usize = 3;
/// The most bytes of a record that are read.
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// The most of what is noted of how a runner died.
const HOW_CHARS_MAX: usize = 400;

/// A runner that died of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeathNote {
    /// When.
    pub at: UnixMs,
    /// Whose runner it was.
    pub worker: String,
    /// How it died.
    pub how: String,
}

/// The runners that died of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deaths(pub Vec<DeathNote>);

impl Deaths {
    /// Reads a record; what is none counts as nothing, like a note that was lost.
    pub fn read(bytes: &[u8]) -> Self {
        let fits = bytes.len() <= RECORD_BYTES_MAX;
        let mut read: Self = fits.then(|| serde_json::from_slice(bytes).ok()).flatten().unwrap_or_default();
        read.0.truncate(DEATHS_MAX);
        read
    }

    /// Notes a death; what is beyond the last that counts is dropped.
    pub fn add(&mut self, mut note: DeathNote) {
        if self.0.len() < DEATHS_MAX {
            note.how = note.how.chars().take(HOW_CHARS_MAX).collect();
            self.0.push(note);
        }
    }

    /// Whether no job of the component runs any more.
    pub fn is_quarantine(&self) -> bool {
        self.0.len() >= DEATHS_MAX
    }

    /// Why no job of the component runs any more, where that is so.
    pub fn reason(&self, digest: &Digest) -> Option<String> {
        let last = self.0.last().filter(|_| self.is_quarantine())?;
        let count = self.0.len();
        Some(format!("{count} runners died of component {digest}, last: {}; push another version", last.how))
    }
}

/// The key of a component's record in the bucket `control`.
pub fn key(tenant: &TenantName, digest: &Digest) -> String {
    format!("{tenant}.deaths.{}", digest.hex())
}

/// Whose record a key is of.
pub fn parse_key(key: &str) -> Option<(TenantName, Digest)> {
    let (tenant, rest) = key.split_once('.')?;
    let hex = rest.strip_prefix("deaths.")?;
    Some((tenant.parse().ok()?, format!("sha256:{hex}").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(how: &str) -> DeathNote {
        DeathNote { at: UnixMs(5), worker: "w".into(), how: how.into() }
    }

    #[test]
    fn the_third_death_is_a_quarantine() {
        let (mut deaths, digest) = (Deaths::default(), Digest::of(b"x"));
        for count in 1..=4 {
            deaths.add(note(&format!("death {count}")));
            assert_eq!(deaths.is_quarantine(), count >= 3);
        }
        assert_eq!(deaths.0.len(), 3);
        assert!(deaths.reason(&digest).unwrap().contains("last: death 3"));
    }

    #[test]
    fn a_record_on_the_wire_is_stable_and_junk_is_nothing() {
        let mut deaths = Deaths::default();
        deaths.add(note("x"));
        let text = r#"[{"at":5,"worker":"w","how":"x"}]"#;
        assert_eq!(serde_json::to_string(&deaths).unwrap(), text);
        assert_eq!(Deaths::read(text.as_bytes()), deaths);
        for junk in ["", "{", "{}", "7", &"[".repeat(100_000)] {
            assert_eq!(Deaths::read(junk.as_bytes()), Deaths::default(), "{junk:.9}");
        }
    }

    #[test]
    fn keys_read_back() {
        let (tenant, digest) = ("acme".parse().unwrap(), Digest::of(b"x"));
        assert_eq!(parse_key(&key(&tenant, &digest)), Some((tenant, digest)));
        for other in ["acme.cancel.j", "acme.deaths.zz", "ACME.deaths.00", "acme"] {
            assert_eq!(parse_key(other), None, "{other}");
        }
    }
}
