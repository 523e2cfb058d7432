//! What a component may do beyond its own sandbox, because whoever pushed it said so.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A capability that must be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Submit jobs: `lovage:task/jobs`.
    Submit,
}

impl Grant {
    /// Every grant.
    pub const ALL: [Grant; 1] = [Self::Submit];

    /// The name on the command line and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
        }
    }

    /// The interface that needs the grant.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Submit => "lovage:task/jobs",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text)
    }

    /// The first grant that a component with these imports needs and does not have.
    pub fn missing(imports: &[String], granted: &[Grant]) -> Option<Self> {
        let imported = |grant: &Grant| {
            imports.iter().any(|name| name.split('@').next().is_some_and(|path| path == grant.interface()))
        };
        Self::ALL.into_iter().find(|grant| imported(grant) && !granted.contains(grant))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_needs_the_grant_of_what_it_imports() {
        let imports = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(Grant::missing(&imports(&["lovage:task/job-context@0.1.0"]), &[]), None);
        let jobs = imports(&["wasi:cli/exit@0.2.6", "lovage:task/jobs@0.1.0"]);
        assert_eq!(Grant::missing(&jobs, &[]), Some(Grant::Submit));
        assert_eq!(Grant::missing(&jobs, &[Grant::Submit]), None);
        assert_eq!(Grant::missing(&imports(&["lovage:task/jobs"]), &[]), Some(Grant::Submit));
    }

    #[test]
    fn a_grant_reads_back() {
        for grant in Grant::ALL {
            assert_eq!(Grant::parse(grant.as_str()), Some(grant));
            assert_eq!(serde_json::to_value(grant).unwrap(), grant.as_str());
        }
        assert_eq!(Grant::parse("everything"), None);
    }
}
