//! Tenants of the benchmark: added with a task each, looked at in the store, and emptied.

use crate::app::engine;
use crate::config::WorkerFile;
use crate::nats::records::Records;
use crate::nats::store::{Catalog, Components};
use crate::nats::topology::{self, TopologyConfig};
use crate::registry::push::{PushOptions, check, store};
use anyhow::{Context as _, ensure};
use async_nats::Client;
use async_nats::jetstream::{self, stream::Stream};
use lovage_job::limits::LimitsWish;
use lovage_job::name::{AliasName, TenantName};
use lovage_job::tenant::TenantRecord;
use lovage_sandbox::InspectOptions;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long it may take until something that must happen has.
const WITHIN: Duration = Duration::from_secs(60);
/// How often the store is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The broker, and what makes tasks on it.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) client: &'a Client,
    pub(super) cache: &'a Path,
    pub(super) compiler: &'a (PathBuf, Vec<OsString>),
}

impl Ground<'_> {
    /// Adds a tenant with the tasks of a component.
    pub(super) async fn tenant(&self, name: &str, weight: u32, guest: &[u8]) -> anyhow::Result<()> {
        let (js, tenant) = (jetstream::new(self.client.clone()), name.parse::<TenantName>()?);
        topology::ensure_tenant(&js, &tenant, TopologyConfig::default()).await?;
        let record = TenantRecord { weight, ..TenantRecord::new(tenant, crate::clock::now()) };
        Records::open(&js).await?.create(&record).await?;
        self.push(name, guest, LimitsWish::default()).await
    }

    /// Adds the tasks of a component to a tenant.
    pub(super) async fn push(&self, tenant: &str, guest: &[u8], limits: LimitsWish) -> anyhow::Result<()> {
        let (js, tenant) = (jetstream::new(self.client.clone()), tenant.parse::<TenantName>()?);
        let (sandbox, compiler) = engine(&WorkerFile::default(), 1, self.cache, self.compiler)?;
        let checked = check(guest, &InspectOptions::default(), &sandbox, &compiler).await?;
        let push = PushOptions { alias: Some(AliasName::stable()), limits, ..PushOptions::default() };
        store(&Catalog::open(&js).await?, &Components::new(js.clone()), &tenant, &checked, &push).await?;
        Ok(())
    }

    async fn stream(&self, name: &str) -> anyhow::Result<Stream> {
        Ok(jetstream::new(self.client.clone()).get_stream(name).await?)
    }

    /// Jobs of a tenant that wait or run.
    pub(super) async fn jobs(&self, tenant: &str) -> anyhow::Result<u64> {
        Ok(self.stream(&format!("JOBS_{tenant}")).await?.cached_info().state.messages)
    }

    /// Jobs of a tenant that have ended.
    pub(super) async fn ended(&self, tenant: &str) -> anyhow::Result<u64> {
        Ok(self.stream(&format!("KV_results-{tenant}")).await?.cached_info().state.messages)
    }

    /// Waits until jobs of a tenant end.
    pub(super) async fn runs(&self, tenant: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.ended(tenant).await? < 10 {
            ensure!(begun.elapsed() < WITHIN, "no jobs of tenant {tenant} end");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Removes what waits of a tenant, and waits until nothing of it runs.
    pub(super) async fn empty(&self, tenant: &str) -> anyhow::Result<()> {
        let stream = self.stream(&format!("JOBS_{tenant}")).await?;
        stream.purge().await.context("the backlog cannot be removed")?;
        let (mut ended, mut since) = (self.ended(tenant).await?, Instant::now());
        while since.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.ended(tenant).await?;
            if now != ended {
                (ended, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Removes all that jobs of a tenant have left, so that it does not fill the disk.
    pub(super) async fn forget(&self, tenant: &str) -> anyhow::Result<()> {
        for stream in ["KV_results-", "DEAD_", "LOGS_", "OBJ_payloads-"] {
            // those that are made when first used may not be there
            if let Ok(stream) = self.stream(&format!("{stream}{tenant}")).await {
                stream.purge().await?;
            }
        }
        Ok(())
    }
}
