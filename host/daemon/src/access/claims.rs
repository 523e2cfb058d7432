//! What the accounts of operator mode may do: the platform's, which has every stream and offers each tenant its own
//! subjects, and a tenant's, which takes those and has nothing else.
//!
//! Every offer is private: it takes a token that the platform's key signed for one account and one subject. The subjects
//! of lanes, delays and events are offered for all tenants at once; those of results and inboxes have the tenant's name
//! within a token, where no wildcard can stand for it, so each tenant has an offer of its own.

use super::jwt::{Claims, JwtError};
use lovage_job::name::TenantName;
use lovage_job::subject::{Lane, event_filter};
use lovage_job::tenant::{Rights, inbox_prefix, results_read};
use lovage_job::unit::{ByteSize, UnixMs};
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What an account of a tenant may use by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Connections at once.
    pub connections: u32,
    /// Subscriptions at once.
    pub subscriptions: u32,
    /// The largest message; nothing where the server's own limit does.
    pub payload: Option<ByteSize>,
    /// Bytes of streams of its own on disk; none is without streams.
    pub storage: ByteSize,
    /// Streams of its own.
    pub streams: u32,
    /// Consumers of its own.
    pub consumers: u32,
}

impl Default for AccountLimits {
    fn default() -> Self {
        let (storage, streams, consumers) = (ByteSize(0), 0, 0);
        Self { connections: 100, subscriptions: 10_000, payload: None, storage, streams, consumers }
    }
}

impl AccountLimits {
    fn as_json(&self) -> Value {
        json!({
            "subs": self.subscriptions, "data": -1, "payload": self.payload.map_or(-1, |size| i64::try_from(size.0).unwrap_or(-1)),
            "imports": -1, "exports": 0, "wildcards": false, "conn": self.connections, "leaf": 0,
            "mem_storage": 0, "disk_storage": self.storage.0, "streams": self.streams, "consumer": self.consumers,
        })
    }

    /// Whether the account has streams of its own.
    pub fn has_streams(&self) -> bool {
        self.storage.0 > 0
    }
}

/// The operator's claims about itself.
pub fn operator(operator: &KeyPair, system: &str, at: UnixMs) -> Result<String, JwtError> {
    let nats = json!({"type": "operator", "version": 2, "system_account": system});
    Claims { subject: operator.public_key(), name: "lovage".to_owned(), at, nats }.sign(operator)
}

/// The system account.
pub fn system(operator: &KeyPair, system: &str, at: UnixMs) -> Result<String, JwtError> {
    let nats = json!({"type": "account", "version": 2, "limits": unlimited(false)});
    Claims { subject: system.to_owned(), name: "system".to_owned(), at, nats }.sign(operator)
}

/// The platform's account: every stream, and offers for these tenants.
pub fn platform<'a>(
    operator: &KeyPair,
    platform: &str,
    tenants: impl IntoIterator<Item = &'a TenantName>,
    at: UnixMs,
) -> Result<String, JwtError> {
    let service = |name: String, subject: String| json!({"name": name, "subject": subject, "type": "service", "token_req": true, "response_type": "Singleton"});
    let stream =
        |name: String, subject: String| json!({"name": name, "subject": subject, "type": "stream", "token_req": true});
    let mut exports: Vec<Value> =
        Lane::ALL.iter().map(|lane| service(lane.token().to_owned(), format!("lovage.*.{}.>", lane.token()))).collect();
    exports.push(service("delay".to_owned(), "lovage.*.sched.delay.*".to_owned()));
    exports.push(stream("events".to_owned(), "lovage.*.event.>".to_owned()));
    for tenant in tenants {
        exports.push(service(format!("results of {tenant}"), results_read(tenant)));
        exports.push(stream(format!("inboxes of {tenant}"), format!("{}.>", inbox_prefix(tenant))));
    }
    let nats = json!({"type": "account", "version": 2, "limits": unlimited(true), "exports": exports});
    Claims { subject: platform.to_owned(), name: "platform".to_owned(), at, nats }.sign(operator)
}

fn unlimited(jetstream: bool) -> Value {
    let streams = if jetstream { -1 } else { 0 };
    json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": streams, "disk_storage": streams, "streams": streams, "consumer": streams,
    })
}

/// A tenant's account: it takes its own subjects from the platform, with a token for each.
pub fn account(
    (operator, platform): (&KeyPair, &KeyPair),
    (tenant, account): (&TenantName, &str),
    limits: &AccountLimits,
    revoked: &Map<String, Value>,
    at: UnixMs,
) -> Result<String, JwtError> {
    let import = |kind: &str, subject: String| {
        let nats = json!({"type": "activation", "version": 2, "subject": subject, "kind": kind});
        let token = Claims { subject: account.to_owned(), name: subject.clone(), at, nats }.sign(platform)?;
        Ok(json!({"name": subject, "subject": subject, "account": platform.public_key(), "token": token, "type": kind}))
    };
    let services = Rights::of(tenant).publish.into_iter().map(|subject| import("service", subject));
    let streams = [event_filter(tenant), format!("{}.>", inbox_prefix(tenant))]
        .into_iter()
        .map(|subject| import("stream", subject));
    let imports: Vec<Value> = services.chain(streams).collect::<Result<_, JwtError>>()?;
    let nats = json!({
        "type": "account", "version": 2, "limits": limits.as_json(), "imports": imports, "revocations": revoked,
    });
    Claims { subject: account.to_owned(), name: tenant.to_string(), at, nats }.sign(operator)
}

/// A user who may do all that its account may.
pub fn user(account: &KeyPair, (name, user): (&str, &str), at: UnixMs) -> Result<String, JwtError> {
    let nats = json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
    Claims { subject: user.to_owned(), name: name.to_owned(), at, nats }.sign(account)
}

/// A tenant's user: the rights of its tenant, within its account. Where the account has streams of its own, the account
/// is the boundary.
pub fn tenants_user(
    account: &KeyPair,
    (tenant, user): (&TenantName, &str),
    limits: &AccountLimits,
    at: UnixMs,
) -> Result<String, JwtError> {
    let rights = Rights::of(tenant);
    let allow = |subjects: &[String]| match limits.has_streams() {
        true => json!({}),
        false => json!({"allow": subjects}),
    };
    // in an account of its own nobody else's answers come to the usual inboxes
    let subscribe: Vec<String> = rights.subscribe.iter().cloned().chain(["_INBOX.>".to_owned()]).collect();
    let nats = json!({
        "type": "user", "version": 2, "pub": allow(&rights.publish), "sub": allow(&subscribe),
        "subs": -1, "data": -1, "payload": -1, "allowed_connection_types": ["STANDARD", "WEBSOCKET"],
    });
    Claims { subject: user.to_owned(), name: tenant.to_string(), at, nats }.sign(account)
}

/// An order to forget accounts.
pub fn deletion(operator: &KeyPair, accounts: &[&str], at: UnixMs) -> Result<String, JwtError> {
    let nats = json!({"type": "generic", "version": 2, "accounts": accounts});
    Claims { subject: operator.public_key(), name: "delete".to_owned(), at, nats }.sign(operator)
}
