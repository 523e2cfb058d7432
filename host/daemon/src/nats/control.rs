//! Watches the small buckets: cancels, the catalogue and the tenants. A watch that ends is begun again from the
//! current values, so nothing is missed over a restart of the broker.

use async_nats::jetstream::kv;
use futures::StreamExt;
use lovage_client::GRACE_MAX;
use lovage_job::name::{JobId, TenantName};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause before a watch that ended is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// A change of a key: its value, or nothing where it was removed.
#[derive(Debug)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What it holds now.
    pub value: Option<bytes::Bytes>,
}

/// Hands every key under `pattern` to `each`, first the current ones and then each change, until `stop`. `caught_up`
/// is told after the current values of the first watch.
pub async fn watch<F: Future<Output = ()>>(
    bucket: &kv::Store,
    pattern: &str,
    stop: &CancellationToken,
    caught_up: Option<tokio::sync::oneshot::Sender<()>>,
    mut each: impl FnMut(Change) -> F,
) {
    let mut caught_up = caught_up;
    while !stop.is_cancelled() {
        if let Ok(mut changes) = bucket.watch_with_history(pattern).await {
            let current = bucket.status().await.map_or(0, |status| status.values());
            if current == 0 {
                caught_up.take().map(|caught_up| caught_up.send(()));
            }
            loop {
                let entry = tokio::select! {
                    () = stop.cancelled() => return,
                    entry = changes.next() => entry,
                    // keys of other patterns count as values too, so the last one may never come
                    () = tokio::time::sleep(PAUSE), if caught_up.is_some() => {
                        caught_up.take().map(|caught_up| caught_up.send(()));
                        continue;
                    }
                };
                let Some(Ok(entry)) = entry else { break };
                let last = entry.delta == 0;
                let put = entry.operation == kv::Operation::Put;
                each(Change { key: entry.key, value: put.then_some(entry.value) }).await;
                if last {
                    caught_up.take().map(|caught_up| caught_up.send(()));
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A cancel that a worker hears of.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Whose job it is.
    pub tenant: TenantName,
    /// The job.
    pub id: JobId,
    /// Why.
    pub reason: String,
    /// How long a guest that runs may go on after it was asked to stop.
    pub grace: Duration,
}

/// The jobs that were cancelled, by tenant.
#[derive(Debug, Default)]
pub struct Cancels {
    reasons: Mutex<HashMap<(TenantName, JobId), String>>,
}

impl Cancels {
    /// Takes a change of the control bucket. Returns the job where it was cancelled now.
    pub fn apply(&self, change: &Change) -> Option<Cancelled> {
        let mut tokens = change.key.splitn(3, '.');
        let tenant: TenantName = tokens.next()?.parse().ok()?;
        if tokens.next()? != "cancel" {
            return None;
        }
        let id: JobId = tokens.next()?.parse().ok()?;
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = &change.value else {
            reasons.remove(&(tenant, id));
            return None;
        };
        let told = serde_json::from_slice::<serde_json::Value>(value).ok();
        let field = |name: &str| told.as_ref().and_then(|told| told.get(name));
        let grace = field("grace_ms").and_then(serde_json::Value::as_u64).map_or(Duration::ZERO, Duration::from_millis);
        let told = field("reason").and_then(serde_json::Value::as_str);
        let reason = told.filter(|reason| !reason.is_empty()).unwrap_or("cancelled").to_owned();
        reasons.insert((tenant.clone(), id.clone()), reason.clone());
        Some(Cancelled { tenant, id, reason, grace: grace.min(GRACE_MAX) })
    }

    /// Why a job was cancelled, where it was.
    pub fn reason(&self, tenant: &TenantName, id: &JobId) -> Option<String> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.is_empty() {
            return None;
        }
        reasons.get(&(tenant.clone(), id.clone())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: Option<&str>) -> Change {
        Change { key: key.into(), value: value.map(|value| value.to_owned().into()) }
    }

    #[test]
    fn a_cancel_holds_until_its_marker_expires() {
        let (cancels, tenant, id) = (Cancels::default(), "acme".parse().unwrap(), "j".parse().unwrap());
        cancels.apply(&change("acme.cancel.j", Some(r#"{"reason":"by hand"}"#))).unwrap();
        assert_eq!(cancels.reason(&tenant, &id).as_deref(), Some("by hand"));
        assert!(cancels.apply(&change("acme.cancel.j", None)).is_none());
        assert_eq!(cancels.reason(&tenant, &id), None);
    }

    #[test]
    fn a_grace_is_read_and_bounded() {
        let grace = |value: &str| Cancels::default().apply(&change("acme.cancel.j", Some(value))).unwrap().grace;
        assert_eq!(grace(r#"{"reason":"by hand"}"#), Duration::ZERO);
        assert_eq!(grace(r#"{"grace_ms":5000}"#), Duration::from_secs(5));
        assert_eq!(grace(r#"{"grace_ms":18446744073709551615}"#), GRACE_MAX);
        for junk in [r#"{"grace_ms":-1}"#, r#"{"grace_ms":"5s"}"#, "[]"] {
            assert_eq!(grace(junk), Duration::ZERO, "{junk}");
        }
    }

    #[test]
    fn other_keys_and_junk_are_left_alone() {
        let cancels = Cancels::default();
        for key in ["acme.pause.q", "acme.cancel", "ACME.cancel.j", "acme.cancel.a.b", ""] {
            assert!(cancels.apply(&change(key, Some("{}"))).is_none(), "{key}");
        }
        assert_eq!(cancels.apply(&change("acme.cancel.j", Some("junk"))).unwrap().reason, "cancelled");
    }
}
