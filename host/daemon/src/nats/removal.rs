//! Removes all that a tenant has on the broker: its streams with their consumers, its buckets and object stores, and its
//! keys in the buckets that tenants share.
//!
//! Workers that run the tenant's jobs at this moment may still write something. So whoever removes a tenant looks again
//! until there is nothing left, for a while.

use super::topology::SHARED;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::kv;
use futures::TryStreamExt;
use lovage_job::name::TenantName;
use lovage_job::subject::asset;
use lovage_job::token::{SESSIONS, TOKENS};
use std::time::Duration;
use tokio::time::Instant;

/// Buckets that workers and servers watch: a marker tells them that a key is gone.
const WATCHED: [&str; 5] = [asset::CATALOG, asset::CONTROL, asset::SCHEDULES, TOKENS, SESSIONS];
/// Streams that tenants share, with subjects under `lovage.<tenant>`.
const SHARED_STREAMS: [&str; 1] = [lovage_job::usage::METERS];
/// How long markers stay.
const MARKER_KEPT: Duration = Duration::from_secs(60);
/// The pause before it is looked whether something came back.
const REST: Duration = Duration::from_millis(400);
/// How long it is looked.
const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// What cannot be removed.
#[derive(Debug, thiserror::Error)]
#[error("{asset} cannot be removed: {reason}")]
pub struct RemovalError {
    /// Its name.
    pub asset: String,
    /// What the broker says.
    pub reason: String,
}

fn fault(asset: impl Into<String>) -> impl Fn(&dyn std::fmt::Display) -> RemovalError {
    let asset = asset.into();
    move |reason| RemovalError { asset: asset.clone(), reason: reason.to_string() }
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Streams, buckets and object stores, by the names of their streams.
    pub streams: Vec<String>,
    /// Keys of buckets that tenants share.
    pub keys: u64,
}

/// Removes all that the tenant has, and what comes back meanwhile. Its record is not looked at: who writes it removes it
/// first, so that workers stop serving the tenant.
pub async fn remove_all(js: &Context, tenant: &TenantName) -> Result<Removed, RemovalError> {
    let deadline = Instant::now() + LOOK_WITHIN;
    let mut all = Removed::default();
    loop {
        let (streams, keys) = (remove_streams(js, tenant).await?, remove_keys(js, tenant).await?);
        let clean = streams.is_empty() && keys == 0;
        all.keys += keys;
        all.streams.extend(streams.into_iter().filter(|stream| !all.streams.contains(stream)).collect::<Vec<_>>());
        if clean || Instant::now() >= deadline {
            return Ok(all);
        }
        tokio::time::sleep(REST).await;
    }
}

/// What the tenant has, by the names of its streams.
pub async fn streams_of(js: &Context, tenant: &TenantName) -> Result<Vec<String>, RemovalError> {
    let failed = fault("the list of streams");
    let mut names: Vec<String> = js.stream_names().try_collect().await.map_err(|error| failed(&error))?;
    names.retain(|name| asset::is_of(tenant, name));
    names.sort();
    Ok(names)
}

async fn remove_streams(js: &Context, tenant: &TenantName) -> Result<Vec<String>, RemovalError> {
    let names = streams_of(js, tenant).await?;
    for name in &names {
        // one that is gone meanwhile cannot be deleted
        if let Err(error) = js.delete_stream(name).await
            && js.get_stream(name).await.is_ok()
        {
            return Err(fault(name)(&error));
        }
    }
    Ok(names)
}

async fn remove_keys(js: &Context, tenant: &TenantName) -> Result<u64, RemovalError> {
    let mut keys = 0;
    for (bucket, _) in SHARED.iter().filter(|(bucket, _)| *bucket != asset::TENANTS) {
        keys += match WATCHED.contains(bucket) {
            true => mark_removed(js, bucket, tenant).await?,
            false => purge(js, bucket, tenant).await?,
        };
    }
    keys += purge(js, super::requests::REQUESTS, tenant).await?;
    for stream in SHARED_STREAMS {
        keys += purge_stream(js, stream, tenant).await?;
    }
    Ok(keys)
}

/// Removes what a stream that tenants share holds of the tenant.
async fn purge_stream(js: &Context, stream: &str, tenant: &TenantName) -> Result<u64, RemovalError> {
    let Ok(found) = js.get_stream(stream).await else { return Ok(0) };
    let purged = found.purge().filter(format!("lovage.{tenant}.>")).await;
    Ok(purged.map_err(|error| fault(stream)(&error))?.purged)
}

/// Puts markers in the place of the tenant's keys. They have no content and go by themselves.
async fn mark_removed(js: &Context, bucket: &str, tenant: &TenantName) -> Result<u64, RemovalError> {
    let failed = fault(format!("the bucket {bucket}"));
    let Ok(store) = js.get_key_value(bucket).await else { return Ok(0) };
    let prefix = format!("$KV.{bucket}.");
    let subjects = store.stream.info_with_subjects(format!("{prefix}{tenant}.>")).await;
    let subjects: Vec<(String, usize)> =
        subjects.map_err(|error| failed(&error))?.try_collect().await.map_err(|error| failed(&error))?;
    let mut removed = 0;
    for (subject, _) in subjects {
        let Some(key) = subject.strip_prefix(&prefix) else { continue };
        let entry = store.entry(key).await.map_err(|error| failed(&error))?;
        if entry.is_some_and(|entry| entry.operation == kv::Operation::Put) {
            store.purge_with_ttl(key, MARKER_KEPT).await.map_err(|error| failed(&error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the tenant's keys without a trace.
async fn purge(js: &Context, bucket: &str, tenant: &TenantName) -> Result<u64, RemovalError> {
    let failed = fault(format!("the bucket {bucket}"));
    let Ok(store) = js.get_key_value(bucket).await else { return Ok(0) };
    let purged = store.stream.purge().filter(format!("$KV.{bucket}.{tenant}.>")).await;
    Ok(purged.map_err(|error| failed(&error))?.purged)
}
