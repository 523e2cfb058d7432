//! What a tenant's users may do at the broker: publish the tenant's jobs, read its results and events, and nothing
//! else.
//!
//! Only what is listed is allowed, so that a subject nobody thought of is refused. A direct get is allowed in the form
//! alone that carries the wanted subject in its own: the other forms name it in the body, which the broker does not
//! check. Nothing here touches a bucket that tenants share: no rule of the broker bounds how much a user writes there.

use crate::name::TenantName;
use crate::subject::{Lane, ScheduleKind, asset, event_filter};

/// Names that no tenant may have: they would be taken for the platform's own users and accounts.
pub const RESERVED: [&str; 5] = ["operator", "platform", "system", "sys", "worker"];

/// What a tenant's users may do at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Subjects that they may publish to.
    pub publish: Vec<String>,
    /// Subjects that they may subscribe to.
    pub subscribe: Vec<String>,
}

impl Rights {
    /// Those of a tenant's users.
    pub fn of(tenant: &TenantName) -> Self {
        let mut publish: Vec<String> =
            Lane::ALL.iter().map(|lane| format!("lovage.{tenant}.{}.>", lane.token())).collect();
        publish.push(format!("lovage.{tenant}.sched.{}.*", ScheduleKind::Delay.token()));
        publish.push(results_read(tenant));
        Self { publish, subscribe: vec![event_filter(tenant), format!("{}.>", inbox_prefix(tenant))] }
    }
}

/// The subjects of direct gets of a tenant's results.
pub fn results_read(tenant: &TenantName) -> String {
    let bucket = asset::results(tenant);
    format!("$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.>")
}

/// The prefix of the inboxes of a tenant's users: those of others show their answers.
pub fn inbox_prefix(tenant: &TenantName) -> String {
    format!("_INBOX_{tenant}")
}

/// Whether a tenant may be added under the name.
pub fn is_reserved(tenant: &TenantName) -> bool {
    RESERVED.contains(&tenant.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_users_have_these_rights_and_no_others() {
        let rights = Rights::of(&"acme".parse().unwrap());
        let publish = [
            "lovage.acme.job-high.>",
            "lovage.acme.job.>",
            "lovage.acme.job-low.>",
            "lovage.acme.sched.delay.*",
            "$JS.API.DIRECT.GET.KV_results-acme.$KV.results-acme.>",
        ];
        assert_eq!(rights.publish, publish);
        assert_eq!(rights.subscribe, ["lovage.acme.event.>", "_INBOX_acme.>"]);
    }

    #[test]
    fn the_platforms_names_are_nobodys() {
        assert!(is_reserved(&"operator".parse().unwrap()));
        assert!(!is_reserved(&"acme".parse().unwrap()));
    }
}
