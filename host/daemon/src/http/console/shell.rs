//! What is around every page: navigation, the tenant, who is signed in, and what the last action came to.

use super::assets::{self, Assets};
use super::told::Told;
use super::visit::Visit;
use crate::http::auth::{Role, Scope};
use axum::http::HeaderMap;
use axum_extra::extract::cookie::CookieJar;

/// A page of the navigation.
#[derive(Debug)]
pub struct Place {
    /// Its name in the script.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Where it is.
    pub path: &'static str,
    /// Its key after `g`.
    pub key: char,
    /// Whether only those see it who see all tenants.
    all: bool,
}

const fn place(name: &'static str, label: &'static str, path: &'static str, key: char) -> Place {
    Place { name, label, path, key, all: false }
}

/// The navigation.
pub const PLACES: [Place; 9] = [
    place("overview", "Overview", "/", 'o'),
    place("jobs", "Jobs", "/jobs", 'j'),
    place("tasks", "Tasks", "/tasks", 't'),
    place("queues", "Queues", "/queues", 'q'),
    place("schedules", "Schedules", "/schedules", 's'),
    Place { all: true, ..place("workers", "Workers", "/workers", 'w') },
    place("dead", "Dead letters", "/dead", 'd'),
    place("tenants", "Tenants", "/tenants", 'n'),
    place("audit", "Audit", "/audit", 'a'),
];

/// What is around a page.
#[derive(Debug)]
pub struct Shell {
    /// The page's title.
    pub title: String,
    /// Its place in the navigation.
    pub place: &'static str,
    /// Where the choice of a tenant leads.
    pub path: &'static str,
    /// The stylesheet and the script.
    pub assets: &'static Assets,
    /// Dark or light, where somebody chose.
    pub theme: &'static str,
    /// Who is signed in.
    pub caller: String,
    /// Their role.
    pub role: String,
    /// The tenants to choose from.
    pub tenants: Vec<String>,
    /// The one that was chosen.
    pub tenant: Option<String>,
    /// Whether all of them may be chosen.
    pub all_allowed: bool,
    /// Whether there is a session to end.
    pub signed_in: bool,
    /// Whether jobs may be submitted and so on.
    pub can_operate: bool,
    /// Whether tenants and workers may be changed.
    pub can_admin: bool,
    /// What the last action came to.
    pub told: Option<Told>,
}

impl Shell {
    pub(super) fn new(
        visit: &Visit,
        place: &'static str,
        path: &'static str,
        title: String,
        (theme, told): (&'static str, Option<Told>),
    ) -> Self {
        let caller = &visit.caller;
        Self {
            title,
            place,
            path,
            assets: assets::places(),
            theme,
            caller: caller.name.clone(),
            role: caller.role.to_string(),
            tenants: visit.tenants.iter().map(ToString::to_string).collect(),
            tenant: visit.tenant.as_ref().map(ToString::to_string),
            all_allowed: caller.scope == Scope::All && visit.tenants.len() > 1,
            signed_in: caller.token.is_some(),
            can_operate: caller.role >= Role::Operator,
            can_admin: caller.role >= Role::Admin && caller.scope == Scope::All,
            told,
        }
    }

    /// A place with the tenant that was chosen.
    pub fn link(&self, path: &str) -> String {
        match &self.tenant {
            Some(tenant) if self.tenants.len() > 1 => format!("{path}?tenant={tenant}"),
            _ => path.to_owned(),
        }
    }

    /// The places that this caller sees.
    pub fn places(&self) -> Vec<&'static Place> {
        PLACES.iter().filter(|place| !place.all || self.can_admin || self.all_allowed).collect()
    }

    /// Whether this tenant was chosen.
    pub fn is_tenant(&self, name: &str) -> bool {
        self.tenant.as_deref() == Some(name)
    }
}

/// What the reader chose between dark and light.
pub fn theme_of(headers: &HeaderMap) -> &'static str {
    match CookieJar::from_headers(headers).get("lovage_theme").map(|cookie| cookie.value()) {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "",
    }
}
