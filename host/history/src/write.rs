//! Writing a batch: rows, labels, attempts, sums and the place in the stream, all in one transaction.

use crate::columns::{ATTEMPT, FURTHER, LISTED};
use crate::decode::Columns;
use crate::entry::{Batch, Entry, Key};
use crate::error::HistoryError;
use crate::merge::merge;
use crate::rollup::Changes;
use crate::row::Stored;
use crate::sql::{Engine, Sql, int};
use crate::store::{Store, Tx};
use lovage_job::name::TenantName;
use lovage_job::outcome::{Meter, OutcomeKind};
use std::collections::{BTreeMap, BTreeSet};

/// Rows in one statement: its arguments must fit into what the engines take.
const TOGETHER: usize = 200;

type Jobs = BTreeMap<Key, Stored>;

impl Store {
    /// Writes a batch, or nothing of it. Writing it again changes nothing.
    ///
    /// # Errors
    /// The database does not answer ([`HistoryError::Unavailable`]: write it again), refuses the data
    /// ([`HistoryError::Refused`]: write it in parts and leave out what is refused), or has not read the stream as far as
    /// the batch begins ([`HistoryError::Gap`]: read on from the place it has).
    pub async fn write(&self, batch: &Batch) -> Result<(), HistoryError> {
        self.in_write_time(async {
            let mut transaction = self.begin().await?;
            for advance in &batch.advances {
                self.move_on(&mut transaction, advance).await?;
            }
            let old = self.known(&mut transaction, &batch.entries).await?;
            let mut new: Jobs = BTreeMap::new();
            for entry in &batch.entries {
                let key = entry.key();
                let before = new.remove(&key).or_else(|| old.get(&key).cloned());
                new.insert(key, merge(before, entry));
            }
            new.retain(|key, stored| old.get(key) != Some(stored));
            self.replace(&mut transaction, &old, &new).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// What is stored of the jobs of some entries.
    async fn known(&self, transaction: &mut Tx, entries: &[Entry]) -> Result<Jobs, HistoryError> {
        let mut by_tenant: BTreeMap<TenantName, Vec<String>> = BTreeMap::new();
        for entry in entries {
            let (tenant, id) = entry.key();
            by_tenant.entry(tenant).or_default().push(id.as_str().to_owned());
        }
        let mut known = Jobs::new();
        for (tenant, ids) in &by_tenant {
            for ids in ids.chunks(TOGETHER) {
                self.load(transaction, tenant, ids, &mut known).await?;
            }
        }
        Ok(known)
    }

    pub(crate) async fn load(
        &self,
        transaction: &mut Tx,
        tenant: &TenantName,
        ids: &[String],
        known: &mut Jobs,
    ) -> Result<(), HistoryError> {
        let mut sql = self.sql("SELECT ");
        sql.join(&LISTED, ", ").push(", ").join(&FURTHER, ", ").push(" FROM lovage_jobs");
        of_jobs(&mut sql, tenant, ids);
        let mut with_trail = false;
        for row in sql.query().fetch_all(&mut **transaction).await? {
            let (stored, attempts) = Columns::new(&row).stored()?;
            with_trail |= attempts > 0;
            known.insert((stored.row.tenant.clone(), stored.row.id.clone()), stored);
        }
        if with_trail {
            let mut sql = self.sql("SELECT id, ");
            sql.join(&ATTEMPT, ", ").push(" FROM lovage_attempts");
            of_jobs(&mut sql, tenant, ids);
            sql.push(" ORDER BY id, position");
            for row in sql.query().fetch_all(&mut **transaction).await? {
                let mut columns = Columns::new(&row);
                if let Some(stored) = known.get_mut(&(tenant.clone(), columns.needed()?)) {
                    stored.trail.push(columns.attempt()?);
                }
            }
        }
        Ok(())
    }

    async fn replace(&self, transaction: &mut Tx, old: &Jobs, new: &Jobs) -> Result<(), HistoryError> {
        let mut changes = Changes::default();
        let replaced: Vec<&Stored> = new.keys().filter_map(|key| old.get(key)).collect();
        replaced.iter().for_each(|stored| changes.take_back(stored));
        new.values().for_each(|stored| changes.add(stored));
        self.delete(transaction, &replaced).await?;
        let new: Vec<&Stored> = new.values().collect();
        for some in new.chunks(TOGETHER) {
            self.insert(transaction, some).await?;
        }
        changes.settle();
        self.apply(transaction, &changes).await
    }

    /// Deletes jobs with their labels and attempts. Their sums stay.
    pub(crate) async fn delete(&self, transaction: &mut Tx, jobs: &[&Stored]) -> Result<(), HistoryError> {
        let mut by_tenant: BTreeMap<&TenantName, Vec<&Stored>> = BTreeMap::new();
        jobs.iter().for_each(|stored| by_tenant.entry(&stored.row.tenant).or_default().push(stored));
        for (tenant, jobs) in by_tenant {
            for some in jobs.chunks(TOGETHER) {
                let ids: Vec<String> = some.iter().map(|stored| stored.row.id.as_str().to_owned()).collect();
                let mut sql = self.sql("DELETE FROM lovage_jobs");
                of_jobs(&mut sql, tenant, &ids);
                sql.query().execute(&mut **transaction).await?;
                if some.iter().any(|stored| !stored.trail.is_empty()) {
                    let mut sql = self.sql("DELETE FROM lovage_attempts");
                    of_jobs(&mut sql, tenant, &ids);
                    sql.query().execute(&mut **transaction).await?;
                }
            }
            for stored in jobs.iter().filter(|stored| !stored.row.tags.is_empty()) {
                let mut sql = self.sql("DELETE FROM lovage_tags WHERE tenant = ");
                sql.text(tenant.as_str()).push(" AND finished = ").int(int(stored.row.finished.0));
                sql.push(" AND id = ").text(stored.row.id.as_str()).push(" AND tag IN ");
                sql.list(stored.row.tags.iter().map(String::as_str));
                sql.query().execute(&mut **transaction).await?;
            }
        }
        Ok(())
    }

    async fn insert(&self, transaction: &mut Tx, jobs: &[&Stored]) -> Result<(), HistoryError> {
        let mut sql = self.sql("INSERT INTO lovage_jobs (");
        sql.join(&LISTED, ", ").push(", ").join(&FURTHER, ", ").push(") VALUES ");
        for (index, stored) in jobs.iter().enumerate() {
            sql.push(if index == 0 { "(" } else { ", (" });
            job_values(&mut sql, stored);
            sql.push(")");
        }
        if !jobs.is_empty() {
            sql.query().execute(&mut **transaction).await?;
        }
        let tags: Vec<(&Stored, &String)> =
            jobs.iter().flat_map(|stored| stored.row.tags.iter().map(|tag| (*stored, tag))).collect();
        for some in tags.chunks(TOGETHER) {
            let mut sql = self.sql(if self.engine == Engine::Mysql { "INSERT IGNORE" } else { "INSERT" });
            sql.push(" INTO lovage_tags (tenant, tag, finished, id) VALUES ");
            for (index, (stored, tag)) in some.iter().enumerate() {
                let row = &stored.row;
                sql.push(if index == 0 { "(" } else { ", (" }).text(row.tenant.as_str()).push(", ").text(tag);
                sql.push(", ").int(int(row.finished.0)).push(", ").text(row.id.as_str()).push(")");
            }
            // labels of a job whose row somebody removed may be left
            sql.push(if self.engine == Engine::Mysql { "" } else { " ON CONFLICT DO NOTHING" });
            sql.query().execute(&mut **transaction).await?;
        }
        self.insert_attempts(transaction, jobs).await
    }

    async fn insert_attempts(&self, transaction: &mut Tx, jobs: &[&Stored]) -> Result<(), HistoryError> {
        let attempts: Vec<_> = jobs
            .iter()
            .flat_map(|stored| stored.trail.iter().enumerate().map(|(position, attempt)| (*stored, position, attempt)))
            .collect();
        let ids: BTreeSet<(&TenantName, &str)> =
            attempts.iter().map(|(stored, ..)| (&stored.row.tenant, stored.row.id.as_str())).collect();
        for (tenant, id) in ids {
            // as with labels
            let mut sql = self.sql("DELETE FROM lovage_attempts");
            of_jobs(&mut sql, tenant, &[id.to_owned()]);
            sql.query().execute(&mut **transaction).await?;
        }
        for some in attempts.chunks(TOGETHER) {
            let mut sql = self.sql("INSERT INTO lovage_attempts (tenant, id, position, ");
            sql.join(&ATTEMPT, ", ").push(") VALUES ");
            for (index, (stored, position, attempt)) in some.iter().enumerate() {
                sql.push(if index == 0 { "(" } else { ", (" }).text(stored.row.tenant.as_str()).push(", ");
                sql.text(stored.row.id.as_str()).push(", ").int(i64::try_from(*position).unwrap_or(i64::MAX));
                sql.push(", ").int(i64::from(attempt.attempt)).push(", ").text(attempt.outcome.as_str()).push(", ");
                sql.int(int(attempt.started.0)).push(", ").text(text(attempt.digest.as_ref())).push(", ");
                sql.text(&attempt.worker).push(", ");
                meter_values(&mut sql, &attempt.meter);
                sql.push(", ").maybe(attempt.error_message.as_deref()).push(")");
            }
            sql.query().execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

/// The values of `LISTED` and `FURTHER`.
fn job_values(sql: &mut Sql, stored: &Stored) {
    let row = &stored.row;
    sql.text(row.tenant.as_str()).push(", ").text(row.id.as_str()).push(", ");
    sql.text(text(row.task.as_ref())).push(", ").text(text(row.queue.as_ref())).push(", ");
    sql.text(row.lane.map_or("", |lane| lane.as_str())).push(", ").text(row.outcome.as_str()).push(", ");
    sql.maybe(row.error_message.as_deref()).push(", ").text(text(row.digest.as_ref())).push(", ");
    sql.text(text(row.version.as_ref())).push(", ").int(i64::from(row.attempts)).push(", ");
    sql.int(int(row.published.0)).push(", ").int(int(row.started.0)).push(", ").int(int(row.finished.0)).push(", ");
    meter_values(sql, &row.meter);
    let tags = (!row.tags.is_empty()).then(|| serde_json::json!(row.tags).to_string());
    sql.push(", ").text(&row.worker).push(", ").maybe(tags.as_deref()).push(", ");
    sql.text(row.trace_id.as_deref().unwrap_or_default()).push(", ").int(i64::from(row.dead)).push(", ");
    sql.int(class(row.outcome)).push(", ").int(i64::try_from(stored.trail.len()).unwrap_or(i64::MAX)).push(", ");
    sql.maybe(stored.error_more.as_deref()).push(", ");
    sql.int(int(stored.result_at.0)).push(", ").int(int(stored.letter_at.0));
}

fn meter_values(sql: &mut Sql, meter: &Meter) {
    sql.int(int(meter.wall_us)).push(", ").int(int(meter.fuel_used)).push(", ");
    sql.int(int(meter.memory_peak_bytes)).push(", ").int(int(meter.egress_bytes));
}

fn of_jobs(sql: &mut Sql, tenant: &TenantName, ids: &[String]) {
    sql.push(" WHERE tenant = ").text(tenant.as_str()).push(" AND id IN ").list(ids.iter().map(String::as_str));
}

fn text<T: AsRef<str>>(name: Option<&T>) -> &str {
    name.map_or("", AsRef::as_ref)
}

/// What an index sorts outcomes by: those that completed, and the few that did not, which people look for.
pub(crate) fn class(outcome: OutcomeKind) -> i64 {
    i64::from(outcome != OutcomeKind::Completed)
}
