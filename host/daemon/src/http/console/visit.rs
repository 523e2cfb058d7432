//! A request for a page: who asks, for which tenant, and what the address says.

use super::shell::{PLACES, Shell, theme_of};
use super::state::State;
use super::told::{Told, go};
use crate::clock;
use crate::http::auth::{Caller, Scope};
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use lovage_client::Client;
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The header by which the page's own script asks for it again.
const LIVE: &str = "x-lovage-live";
/// The most of a query that is looked at.
const QUERY_MAX: usize = 64;

/// A request for a page.
pub struct Visit {
    /// The server.
    pub site: Arc<Site>,
    /// What the console remembers.
    pub state: Arc<State>,
    /// Who asks.
    pub caller: Caller,
    /// What the address says.
    pub query: BTreeMap<String, String>,
    /// The tenant that was chosen.
    pub tenant: Option<TenantName>,
    /// The tenants to choose from.
    pub tenants: Vec<TenantName>,
    /// When it was asked.
    pub now: UnixMs,
    theme: &'static str,
    told: Option<Told>,
    /// Whether the page's own script asks.
    live: bool,
}

impl FromRequestParts<Arc<Site>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Response> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let Some(caller) = caller else { return Err(go("/login", None)) };
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .take(QUERY_MAX)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
        let visit = Self::new(site.clone(), caller, query, parts).await;
        visit.map_err(IntoResponse::into_response)
    }
}

impl Visit {
    async fn new(
        site: Arc<Site>,
        caller: Caller,
        query: BTreeMap<String, String>,
        parts: &Parts,
    ) -> Result<Self, Problem> {
        let state = parts.extensions.get::<Arc<State>>().cloned();
        let state = state.ok_or_else(|| Problem::internal("the console has no state"))?;
        state.visit(&site);
        let tenants = match &caller.scope {
            Scope::Tenant(own) => vec![own.clone()],
            Scope::All => state.tenants(&site).await?,
        };
        let wanted = query.get("tenant").filter(|name| !name.is_empty());
        let wanted = wanted.map(|name| name.parse::<TenantName>()).transpose();
        let wanted = wanted.map_err(|error| Problem::new(Code::BadRequest, error))?;
        if let Some(tenant) = &wanted
            && (!caller.scope.holds(tenant) || !tenants.contains(tenant))
        {
            return Err(Problem::not_found(format_args!("tenant {tenant}")));
        }
        let only = match tenants.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        let live = parts.headers.contains_key(LIVE);
        let told = if live { None } else { Told::of(&parts.headers) };
        let theme = theme_of(&parts.headers);
        Ok(Self { tenant: wanted.or(only), site, state, caller, query, tenants, now: clock::now(), theme, told, live })
    }

    /// What the address says of something; nothing where it is empty.
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The tenant of a page that shows one.
    pub fn one_tenant(&self) -> TenantName {
        let default = self.tenants.iter().find(|tenant| tenant.as_str() == "default");
        let any = || default.or(self.tenants.first()).cloned();
        self.tenant.clone().or_else(any).unwrap_or_else(TenantName::default_tenant)
    }

    /// The tenant of a path; refused where it is not the caller's.
    pub fn into_tenant(mut self, tenant: &str) -> Result<(Self, TenantName), Problem> {
        let name: TenantName = tenant.parse().map_err(|_| Problem::not_found("such tenant"))?;
        if !self.tenants.contains(&name) {
            return Err(Problem::not_found(format_args!("tenant {name}")));
        }
        self.tenant = Some(name.clone());
        Ok((self, name))
    }

    /// The history of ended jobs, where there is one that answers.
    pub async fn history(&self) -> Option<&lovage_history::Store> {
        match self.site.past.is_kept() {
            // why it does not answer is in the log, and pages do without it
            true => self.site.past.store().await.ok(),
            false => None,
        }
    }

    /// Whose jobs of the history this page is about.
    pub fn scope(&self) -> lovage_history::Scope {
        match &self.tenant {
            Some(tenant) => lovage_history::Scope::Tenant(tenant.clone()),
            None => lovage_history::Scope::All,
        }
    }

    /// The client of a tenant.
    pub fn client(&self, tenant: &TenantName) -> Client {
        self.site.client_of(tenant)
    }

    /// Whether what was told before is told on this page and can go.
    pub fn tells(&self) -> bool {
        self.told.is_some()
    }

    /// Whether the page's own script asks.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// What is around the page at `place`.
    pub fn shell(&self, place: &'static str, title: impl Into<String>) -> Shell {
        let path = PLACES.iter().find(|known| known.name == place).map_or("/", |known| known.path);
        Shell::new(self, place, path, title.into(), (self.theme, self.told.clone()))
    }
}
