//! Listings: pages of jobs, and one job whole.

use crate::columns::LISTED;
use crate::decode::Columns;
use crate::error::HistoryError;
use crate::filter::{JobFilter, Scope};
use crate::page::{Cursor, LIMIT_MAX, Page, PageRequest};
use crate::plan::Plan;
use crate::row::{JobDetail, JobRow};
use crate::sql::Sql;
use crate::store::Store;
use lovage_job::name::{JobId, TenantName};
use std::collections::BTreeMap;

/// Rows that are looked at in one go where a filter has to check each.
const WINDOW: i64 = 10_000;
/// How many of these make a page before it is handed out with less on it than was asked for.
const WINDOWS: usize = 4;

impl Store {
    /// A page of jobs, those that ended last first.
    ///
    /// # Errors
    /// The database does not answer, or the cursor is not of this listing.
    pub async fn jobs(
        &self,
        scope: &Scope,
        filter: &JobFilter,
        page: &PageRequest,
    ) -> Result<Page<JobRow>, HistoryError> {
        let plan = Plan::new(scope, filter);
        let mut after = page.after.as_ref().map(|cursor| cursor.checked(plan.order()).cloned()).transpose()?;
        let limit = usize::try_from(page.limit.clamp(1, LIMIT_MAX)).unwrap_or(1);
        let mut items: Vec<JobRow> = Vec::new();
        if filter.is_impossible() {
            return Ok(Page { items, next: None });
        }
        for _ in 0..WINDOWS {
            let end = self.end_of_window(&plan, after.as_ref(), WINDOW).await?;
            let wanted = limit + 1 - items.len();
            items.extend(self.some(&plan, after.as_ref(), end.as_ref(), wanted).await?);
            if items.len() > limit {
                items.truncate(limit);
                let next = items.last().map(|last| place_of(&plan, last));
                return Ok(Page { items, next });
            }
            after = end;
            if after.is_none() {
                break;
            }
        }
        Ok(Page { items, next: after })
    }

    async fn some(
        &self,
        plan: &Plan<'_>,
        after: Option<&Cursor>,
        end: Option<&Cursor>,
        most: usize,
    ) -> Result<Vec<JobRow>, HistoryError> {
        let sql = listing(self, plan, after, end, most);
        let rows = self.all(sql).await?;
        rows.iter().map(|row| Columns::new(row).job().map(|(job, _)| job)).collect()
    }

    /// The last entry of the index that is looked at, where each has to be checked and there are more than `window`.
    pub(crate) async fn end_of_window(
        &self,
        plan: &Plan<'_>,
        after: Option<&Cursor>,
        window: i64,
    ) -> Result<Option<Cursor>, HistoryError> {
        if !plan.checks(&mut self.sql("")) {
            return Ok(None);
        }
        let Some(row) = self.first(window_end(self, plan, after, window)).await? else { return Ok(None) };
        let mut columns = Columns::new(&row);
        let (finished, tenant, id) = (columns.number()?, columns.needed()?, columns.needed()?);
        Ok(Some(Cursor { order: plan.order(), finished, tenant, id }))
    }

    /// All that is known of a job.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn job(&self, tenant: &TenantName, id: &JobId) -> Result<Option<JobDetail>, HistoryError> {
        let known = self.in_query_time(async {
            let (mut transaction, mut known) = (self.look().await?, BTreeMap::new());
            self.load(&mut transaction, tenant, &[id.as_str().to_owned()], &mut known).await?;
            transaction.rollback().await?;
            Ok(known)
        });
        let known = known.await?;
        Ok(known.into_values().next().map(|stored| stored.into_detail()))
    }
}

fn listing(store: &Store, plan: &Plan<'_>, after: Option<&Cursor>, end: Option<&Cursor>, most: usize) -> Sql {
    let mut sql = store.sql("SELECT j.");
    sql.join(&LISTED, ", j.").push(plan.jobs(store.engine));
    within(&mut sql, plan, after, end);
    sql.push(plan.backwards()).push(" LIMIT ").int(i64::try_from(most).unwrap_or(i64::MAX));
    sql
}

fn window_end(store: &Store, plan: &Plan<'_>, after: Option<&Cursor>, window: i64) -> Sql {
    let mut sql = store.sql("SELECT ");
    sql.push(plan.place()).push(plan.along(store.engine));
    plan.stretch(&mut sql);
    if let Some(after) = after {
        plan.after(&mut sql, after);
    }
    sql.push(plan.backwards()).push(" LIMIT 1 OFFSET ").int(window - 1);
    sql
}

/// ` WHERE …`: what the plan is about, between two places.
pub(crate) fn within(sql: &mut Sql, plan: &Plan<'_>, after: Option<&Cursor>, end: Option<&Cursor>) {
    plan.stretch(sql);
    if let Some(after) = after {
        plan.after(sql, after);
    }
    if let Some(end) = end {
        plan.until(sql, end);
    }
    plan.checks(sql);
}

fn place_of(plan: &Plan<'_>, row: &JobRow) -> Cursor {
    Cursor {
        order: plan.order(),
        finished: crate::sql::int(row.finished.0),
        tenant: row.tenant.clone(),
        id: row.id.clone(),
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
