//! The audit trail: who changed what a tenant may do, and what was refused. Entries name things and never hold secrets,
//! payloads or values that a task is configured with.

use crate::name::TenantName;
use crate::unit::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The stream of all entries.
pub const STREAM: &str = "AUDIT";
/// What the stream takes.
pub const SUBJECTS: &str = "lovage-audit.>";
/// The longest text of a target or a reason, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;
/// The most bytes of a state as JSON.
const STATE_BYTES_MAX: usize = 64 << 10;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditKind {
    /// Tenants, their quotas and ceilings.
    Tenant,
    /// Users, credentials and accounts.
    Access,
    /// Versions and aliases.
    Catalog,
    /// What tasks are granted.
    Grants,
    /// Secrets, by name.
    Secrets,
    /// Keys and signatures of components.
    Signatures,
    /// Requests to other hosts.
    Egress,
    /// Storage that tasks are granted.
    Storage,
    /// Jobs that were submitted.
    Submit,
    /// Jobs that were cancelled, and dead letters that were replayed or removed.
    Jobs,
    /// Schedules.
    Schedules,
    /// Pauses and limits.
    Control,
    /// Workers that were told something.
    Workers,
}

impl AuditKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Tenant,
        Self::Access,
        Self::Catalog,
        Self::Grants,
        Self::Secrets,
        Self::Signatures,
        Self::Egress,
        Self::Storage,
        Self::Submit,
        Self::Jobs,
        Self::Schedules,
        Self::Control,
        Self::Workers,
    ];

    /// The name on the command line, in subjects and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Access => "access",
            Self::Catalog => "catalog",
            Self::Grants => "grants",
            Self::Secrets => "secrets",
            Self::Signatures => "signatures",
            Self::Egress => "egress",
            Self::Storage => "storage",
            Self::Submit => "submit",
            Self::Jobs => "jobs",
            Self::Schedules => "schedules",
            Self::Control => "control",
            Self::Workers => "workers",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who did it. What the broker says of the connection is known; the rest is what the process says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Who {
    /// The user of the connection, as the broker knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The account of the connection, as the broker knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The user of the machine, or the name of the worker.
    pub name: String,
    /// The machine.
    pub host: String,
    /// The process on it.
    pub pid: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user.as_ref().unwrap_or(&self.name), self.host)
    }
}

/// One entry, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub who: Who,
    /// What happened.
    #[serde(flatten)]
    pub note: AuditNote,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditNote {
    /// Whose.
    pub tenant: TenantName,
    /// What it is about.
    pub kind: AuditKind,
    /// What was done, such as `task allow`.
    pub action: String,
    /// What it was done to, such as a task.
    pub target: String,
    /// The state before.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// The state after.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// Why it was refused; nothing where it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl AuditNote {
    /// A note of what was done.
    pub fn new(tenant: &TenantName, kind: AuditKind, action: &str, target: impl fmt::Display) -> Self {
        Self {
            tenant: tenant.clone(),
            kind,
            action: cut(action),
            target: cut(&target.to_string()),
            before: Value::Null,
            after: Value::Null,
            refused: None,
        }
    }

    /// What was there before.
    #[must_use]
    pub fn before(mut self, state: impl Serialize) -> Self {
        self.before = value(state);
        self
    }

    /// What is there since.
    #[must_use]
    pub fn after(mut self, state: impl Serialize) -> Self {
        self.after = value(state);
        self
    }

    /// It was not done, for this reason.
    #[must_use]
    pub fn refused(mut self, reason: impl fmt::Display) -> Self {
        self.refused = Some(cut(&reason.to_string()));
        self
    }

    /// The subject that it is stored under.
    pub fn subject(&self) -> String {
        subject(Some(&self.tenant), Some(self.kind))
    }
}

/// The subject of entries; of all tenants or kinds where none is given.
pub fn subject(tenant: Option<&TenantName>, kind: Option<AuditKind>) -> String {
    let tenant = tenant.map_or("*", TenantName::as_str);
    format!("lovage-audit.{tenant}.{}", kind.map_or("*", AuditKind::as_str))
}

fn value(state: impl Serialize) -> Value {
    match serde_json::to_value(state) {
        Ok(value) if value.to_string().len() <= STATE_BYTES_MAX => value,
        Ok(_) => Value::String("too large to be kept".to_owned()),
        Err(error) => Value::String(format!("cannot be written: {error}")),
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_reads_back_and_is_bounded() {
        let tenant = TenantName::default_tenant();
        let note = AuditNote::new(&tenant, AuditKind::Grants, "task allow", "é".repeat(2_000));
        let note = note.before(json!({})).after("x".repeat(STATE_BYTES_MAX)).refused("no");
        assert_eq!((note.target.len(), &note.after), (2_000, &json!("too large to be kept")));
        assert_eq!(note.subject(), "lovage-audit.default.grants");
        let entry = AuditEntry { at: UnixMs(7), who: Who { name: "w".to_owned(), ..Who::default() }, note };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<AuditEntry>(&text).unwrap(), entry);
    }

    #[test]
    fn subjects_name_what_is_asked_for() {
        assert_eq!(subject(None, None), "lovage-audit.*.*");
        for kind in AuditKind::ALL {
            assert_eq!(AuditKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(AuditKind::parse("*"), None);
    }
}
