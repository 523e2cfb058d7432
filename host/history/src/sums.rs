//! Writing the sums that charts read.

use crate::error::HistoryError;
use crate::rollup::{Changes, Sum, SumKey};
use crate::sql::{Engine, Sql};
use crate::store::Store;
use sqlx::{Any, Transaction};
use std::collections::BTreeMap;

/// Sums in one statement.
const TOGETHER: usize = 200;
/// The columns of the steps of a histogram.
pub(crate) const STEPS: [&str; crate::histogram::STEPS] = [
    "h00", "h01", "h02", "h03", "h04", "h05", "h06", "h07", "h08", "h09", "h10", "h11", "h12", "h13", "h14", "h15",
    "h16",
];
const COUNTS: [&str; 4] = ["jobs", "retried", "dead", "wall_us"];

struct Table {
    insert: &'static str,
    keys: &'static str,
    own: &'static str,
    steps: bool,
}

const BY_TASK: Table = Table {
    insert: "INSERT INTO lovage_rollup (tenant, span_ms, since, task, version, queue, outcome",
    keys: "tenant, span_ms, since, task, version, queue, outcome",
    own: "lovage_rollup.",
    steps: true,
};
const BY_WORKER: Table = Table {
    insert: "INSERT INTO lovage_rollup_workers (tenant, span_ms, since, worker, outcome",
    keys: "tenant, span_ms, since, worker, outcome",
    own: "lovage_rollup_workers.",
    steps: false,
};

impl Store {
    pub(crate) async fn apply(
        &self,
        transaction: &mut Transaction<'static, Any>,
        changes: &Changes,
    ) -> Result<(), HistoryError> {
        for (table, sums) in [(BY_TASK, &changes.by_task), (BY_WORKER, &changes.by_worker)] {
            for sql in table.statements(self, sums) {
                sql.query().execute(&mut **transaction).await?;
            }
        }
        Ok(())
    }
}

impl Table {
    fn counts(&self) -> impl Iterator<Item = &'static str> {
        COUNTS.into_iter().chain(STEPS.into_iter().filter(|_| self.steps))
    }

    fn statements(&self, store: &Store, sums: &BTreeMap<SumKey, Sum>) -> Vec<Sql> {
        let sums: Vec<_> = sums.iter().collect();
        sums.chunks(TOGETHER).map(|some| self.statement(store, some)).collect()
    }

    fn statement(&self, store: &Store, sums: &[(&SumKey, &Sum)]) -> Sql {
        let mut sql = store.sql(self.insert);
        for column in self.counts() {
            sql.push(", ").push(column);
        }
        sql.push(") VALUES ");
        for (index, (key, sum)) in sums.iter().enumerate() {
            sql.push(if index == 0 { "(" } else { ", (" });
            self.values(&mut sql, key, sum);
            sql.push(")");
        }
        match store.engine {
            Engine::Sqlite | Engine::Postgres => {
                sql.push(" ON CONFLICT (").push(self.keys).push(") DO UPDATE SET ");
            }
            Engine::Mysql => {
                sql.push(" ON DUPLICATE KEY UPDATE ");
            }
        }
        for (index, column) in self.counts().enumerate() {
            sql.push(if index == 0 { "" } else { ", " }).push(column).push(" = ").push(self.own).push(column);
            let (before, after) = match store.engine {
                Engine::Sqlite | Engine::Postgres => (" + excluded.", ""),
                Engine::Mysql => (" + VALUES(", ")"),
            };
            sql.push(before).push(column).push(after);
        }
        sql
    }

    fn values(&self, sql: &mut Sql, key: &SumKey, sum: &Sum) {
        sql.text(key.tenant.as_str()).push(", ").int(key.span_ms).push(", ").int(key.since).push(", ");
        if self.steps {
            sql.text(&key.task).push(", ").text(&key.version).push(", ").text(&key.queue);
        } else {
            sql.text(&key.worker);
        }
        sql.push(", ").text(key.outcome);
        let counts = [sum.jobs, sum.retried, sum.dead, sum.wall_us];
        let steps = sum.steps.into_iter().filter(|_| self.steps);
        for count in counts.into_iter().chain(steps) {
            sql.push(", ").int(count);
        }
    }
}
