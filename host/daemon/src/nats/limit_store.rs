//! The record of one limit on the broker: read by direct get, written only where nobody else wrote meanwhile.

use super::api::{PublishReply, WRONG_LAST_SEQUENCE};
use crate::ports::BrokerError;
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use lovage_job::limit::{LimitState, STATES};
use lovage_job::name::TenantName;
use lovage_job::subject::Lot;
use std::time::Duration;

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A record and the revision that a change of it must name.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) state: LimitState,
    pub(super) revision: u64,
}

fn fault(error: impl std::fmt::Display) -> BrokerError {
    BrokerError(format!("limit: {error}"))
}

fn subject(tenant: &TenantName, lot: &Lot) -> String {
    format!("$KV.{STATES}.{tenant}.{lot}")
}

/// Reads a record; one that is not there, has expired or is damaged is empty, and the next write puts it right.
pub(super) async fn read(client: &Client, tenant: &TenantName, lot: &Lot) -> Result<Known, BrokerError> {
    let asked = client.request(format!("$JS.API.DIRECT.GET.KV_{STATES}.{}", subject(tenant, lot)), Bytes::new());
    let reply = tokio::time::timeout(ANSWER_WITHIN, asked).await.map_err(fault)?.map_err(fault)?;
    match reply.status.map(|status| status.as_u16()) {
        Some(404) => return Ok(Known { state: LimitState::default(), revision: 0 }),
        Some(status) => return Err(fault(format_args!("the broker answered {status}"))),
        None => {}
    }
    let headers = reply.headers.unwrap_or_default();
    let revision = headers.get("Nats-Sequence").and_then(|text| text.as_str().parse().ok());
    let revision = revision.ok_or_else(|| fault("the answer names no sequence"))?;
    if headers.get("KV-Operation").is_some() || headers.get("Nats-Marker-Reason").is_some() {
        return Ok(Known { state: LimitState::default(), revision });
    }
    let state = LimitState::from_json(&reply.payload).unwrap_or_else(|error| {
        tracing::warn!(tenant = %tenant, lot = %lot, error = %error, "begun anew");
        LimitState::default()
    });
    Ok(Known { state, revision })
}

/// Writes a record over the revision that it was made from; returns the new revision, or nothing where someone else
/// wrote meanwhile.
pub(super) async fn write(
    client: &Client,
    tenant: &TenantName,
    lot: &Lot,
    state: &LimitState,
    (revision, keep): (u64, Duration),
) -> Result<Option<u64>, BrokerError> {
    let body = serde_json::to_vec(state).map_err(fault)?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
    headers.insert("Nats-TTL", format!("{}s", keep.as_secs().max(1)));
    let request = async_nats::Request::new().headers(headers).payload(body.into()).timeout(Some(ANSWER_WITHIN));
    let reply = client.send_request(subject(tenant, lot), request).await.map_err(fault)?;
    let reply: PublishReply = serde_json::from_slice(&reply.payload).map_err(fault)?;
    match reply.error {
        None => Ok(Some(reply.seq)),
        Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(None),
        Some(error) => Err(fault(error.description)),
    }
}
