//! Letting go: of what is too old, of tenants that are gone, and of everything.

use crate::decode::Columns;
use crate::error::HistoryError;
use crate::rollup::SPANS_MS;
use crate::sql::{Engine, int};
use crate::store::Store;
use lovage_job::name::TenantName;
use lovage_job::unit::UnixMs;
use sqlx::{Any, Executor, Transaction};
use std::collections::BTreeMap;

/// Rows that go in one transaction, at most.
const TOGETHER_MAX: u64 = 2_000;

impl Store {
    /// Removes jobs of a tenant that ended before a time, the oldest first and `at_most` of them, and the sums of times
    /// that have no jobs any more. Returns how many jobs; where that is less than `at_most`, nothing is left to remove.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn expire(&self, tenant: &TenantName, before: UnixMs, at_most: u64) -> Result<u64, HistoryError> {
        let most = at_most.clamp(1, TOGETHER_MAX);
        self.in_write_time(async {
            let mut transaction = self.begin().await?;
            let mut sql = self.sql("SELECT id FROM lovage_jobs WHERE tenant = ");
            sql.text(tenant.as_str()).push(" AND finished < ").int(int(before.0));
            sql.push(" ORDER BY finished, id LIMIT ").int(int(most));
            let rows = sql.query().fetch_all(&mut *transaction).await?;
            let ids = rows.iter().map(|row| Ok(Columns::new(row).text()?.unwrap_or_default()));
            let ids: Vec<String> = ids.collect::<Result<_, HistoryError>>()?;
            let mut old = BTreeMap::new();
            for some in ids.chunks(200) {
                self.load(&mut transaction, tenant, some, &mut old).await?;
            }
            let old: Vec<_> = old.values().collect();
            self.delete(&mut transaction, &old).await?;
            let removed = u64::try_from(ids.len()).unwrap_or(u64::MAX);
            if removed < most {
                self.expire_sums(&mut transaction, tenant, int(before.0)).await?;
            }
            transaction.commit().await?;
            Ok(removed)
        })
        .await
    }

    async fn expire_sums(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantName,
        before: i64,
    ) -> Result<(), HistoryError> {
        for table in ["DELETE FROM lovage_rollup", "DELETE FROM lovage_rollup_workers"] {
            for span in SPANS_MS {
                let mut sql = self.sql(table);
                sql.push(" WHERE tenant = ").text(tenant.as_str()).push(" AND span_ms = ").int(span);
                sql.push(" AND since <= ").int(before.saturating_sub(span));
                sql.query().execute(&mut **transaction).await?;
            }
        }
        Ok(())
    }

    /// Removes some of the jobs of a tenant that is gone, and in the end how far its streams were read. Returns whether
    /// nothing is left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget(&self, tenant: &TenantName, streams: &[String]) -> Result<bool, HistoryError> {
        if self.expire(tenant, UnixMs(u64::MAX), TOGETHER_MAX).await? == TOGETHER_MAX {
            return Ok(false);
        }
        self.in_write_time(async {
            let mut transaction = self.begin().await?;
            self.forget_cursors(&mut transaction, streams).await?;
            Ok(transaction.commit().await?)
        })
        .await?;
        Ok(true)
    }

    /// Every tenant that has jobs here.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn tenants(&self) -> Result<Vec<TenantName>, HistoryError> {
        let mut tenants: Vec<TenantName> = Vec::new();
        loop {
            // from one tenant to the next along the index: all rows need not be read
            let mut sql = self.sql("SELECT MIN(tenant) FROM lovage_jobs WHERE tenant > ");
            sql.text(tenants.last().map_or("", TenantName::as_str));
            let Some(row) = self.first(sql).await? else { return Ok(tenants) };
            match Columns::new(&row).name()? {
                Some(next) => tenants.push(next),
                None => return Ok(tenants),
            }
        }
    }

    /// Removes everything, and how far streams were read. What the broker does not have any more is lost with it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn clear(&self) -> Result<(), HistoryError> {
        let all: &[&'static str] = match self.engine {
            Engine::Postgres => &[
                "TRUNCATE lovage_cursors, lovage_jobs, lovage_attempts, lovage_tags, lovage_rollup, lovage_rollup_workers",
            ],
            Engine::Sqlite | Engine::Mysql => &[
                "DELETE FROM lovage_cursors",
                "DELETE FROM lovage_jobs",
                "DELETE FROM lovage_attempts",
                "DELETE FROM lovage_tags",
                "DELETE FROM lovage_rollup",
                "DELETE FROM lovage_rollup_workers",
            ],
        };
        self.in_write_time(async {
            let mut transaction = self.begin().await?;
            for statement in all {
                transaction.execute(*statement).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }
}
