//! What the history is and how much there is of it.

use crate::decode::Columns;
use crate::error::HistoryError;
use crate::rollup::SPANS_MS;
use crate::schema;
use crate::sql::Engine;
use crate::store::Store;
use lovage_job::unit::UnixMs;
use serde::Serialize;

/// What the history is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// `sqlite`, `postgres` or `mysql`.
    pub engine: &'static str,
    /// The schema of the tables.
    pub schema: i64,
    /// Jobs, as charts count them.
    pub jobs: u64,
    /// When the oldest of them ended.
    pub oldest: Option<UnixMs>,
    /// When the newest of them ended.
    pub newest: Option<UnixMs>,
    /// What the database takes on its disk; other things that are in it are counted, too.
    pub bytes: u64,
}

impl Store {
    /// What the history is and how much there is of it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn status(&self) -> Result<StoreStatus, HistoryError> {
        let mut sql = self.sql("SELECT ");
        let [_, _, day] = SPANS_MS;
        sql.sum("jobs").push(" FROM lovage_rollup WHERE span_ms = ").int(day);
        let jobs = self.number(sql).await?.unwrap_or(0);
        let oldest = self.number(self.sql("SELECT MIN(finished) FROM lovage_jobs")).await?;
        let newest = self.number(self.sql("SELECT MAX(finished) FROM lovage_jobs")).await?;
        let bytes = match self.engine {
            Engine::Sqlite => {
                let pages = self.number(self.sql("PRAGMA page_count")).await?.unwrap_or(0);
                pages.saturating_mul(self.number(self.sql("PRAGMA page_size")).await?.unwrap_or(0))
            }
            Engine::Postgres => {
                self.number(self.sql("SELECT pg_database_size(current_database())")).await?.unwrap_or(0)
            }
            Engine::Mysql => {
                let text = "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) \
                            FROM information_schema.tables WHERE table_schema = DATABASE()";
                self.number(self.sql(text)).await?.unwrap_or(0)
            }
        };
        let schema = schema::version(self.engine);
        let (oldest, newest) = (oldest.map(UnixMs), newest.map(UnixMs));
        Ok(StoreStatus { engine: self.engine.as_str(), schema, jobs, oldest, newest, bytes })
    }

    async fn number(&self, sql: crate::sql::Sql) -> Result<Option<u64>, HistoryError> {
        let Some(row) = self.first(sql).await? else { return Ok(None) };
        Columns::new(&row).maybe_uint()
    }
}
