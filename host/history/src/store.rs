//! The connection to the database: one bounded pool, and a deadline for everything that is asked of it.

use crate::error::HistoryError;
use crate::schema;
use crate::sql::{Engine, Sql};
use crate::url::DatabaseUrl;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Transaction};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A transaction; it comes to nothing where it is dropped.
pub(crate) type Tx = Transaction<'static, Any>;

/// How the database is used.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connections at once, at most.
    pub connections_max: u32,
    /// A question that takes longer is given up.
    pub query_within: Duration,
    /// A batch that takes longer to write is given up, and written again later.
    pub write_within: Duration,
    /// The most that bringing the tables up to date may take.
    pub migrate_within: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections_max: 8,
            query_within: Duration::from_secs(5),
            write_within: Duration::from_secs(20),
            migrate_within: Duration::from_secs(600),
        }
    }
}

/// The history. Clones share one pool.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: AnyPool,
    pub(crate) engine: Engine,
    options: Arc<StoreOptions>,
}

impl Store {
    /// Opens a database and brings its tables up to date.
    ///
    /// # Errors
    /// The database cannot be reached, or was changed by a newer version.
    pub async fn open(url: &DatabaseUrl, options: StoreOptions) -> Result<Self, HistoryError> {
        sqlx::any::install_default_drivers();
        let engine = url.engine();
        let connect = AnyConnectOptions::from_str(&url.to_sqlx())?.disable_statement_logging();
        let within = options.query_within;
        let mut first = in_time(within, AnyConnection::connect_with(&connect)).await?;
        in_time(options.migrate_within, async { Ok::<_, HistoryError>(schema::migrate(engine, &mut first).await) })
            .await??;
        first.close().await?;
        let limit = options.write_within;
        let pool = AnyPoolOptions::new()
            .max_connections(options.connections_max.max(2))
            .acquire_timeout(within)
            .after_connect(move |connection, _| Box::pin(prepare(engine, limit, connection)))
            .connect_lazy_with(connect);
        Ok(Self { pool, engine, options: Arc::new(options) })
    }

    /// Closes every connection, once it is given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// What speaks at the other end.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) fn sql(&self, text: &'static str) -> Sql {
        Sql::new(self.engine, text)
    }

    /// The rows of a question.
    pub(crate) async fn all(&self, sql: Sql) -> Result<Vec<AnyRow>, HistoryError> {
        in_time(self.options.query_within, sql.query().fetch_all(&self.pool)).await
    }

    /// The first row of a question.
    pub(crate) async fn first(&self, sql: Sql) -> Result<Option<AnyRow>, HistoryError> {
        in_time(self.options.query_within, sql.query().fetch_optional(&self.pool)).await
    }

    /// What several questions together are given; `look` makes the transaction for them.
    pub(crate) async fn in_query_time<T>(
        &self,
        work: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        in_time(self.options.query_within, work).await
    }

    /// What all writing of a batch is given; `begin` makes the transaction for it.
    pub(crate) async fn in_write_time<T>(
        &self,
        work: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        in_time(self.options.write_within, work).await
    }

    /// A transaction that only looks.
    pub(crate) async fn look(&self) -> Result<Tx, HistoryError> {
        Ok(self.pool.begin().await?)
    }

    /// A transaction that writes, one after the other, also those of other processes.
    pub(crate) async fn begin(&self) -> Result<Tx, HistoryError> {
        let mut transaction = match self.engine {
            // a lock that is asked for only at the first write would be refused where another has written meanwhile
            Engine::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres | Engine::Mysql => self.pool.begin().await?,
        };
        // the row that this changes is free again when the transaction ends
        transaction.execute("UPDATE lovage_turn SET turn = turn + 1 WHERE id = 1").await?;
        Ok(transaction)
    }
}

async fn in_time<T, E>(within: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, HistoryError>
where
    HistoryError: From<E>,
{
    match tokio::time::timeout(within, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(HistoryError::late(within)),
    }
}

/// What each connection is told: to wait for a lock, and to end by itself what nobody waits for any more.
async fn prepare(engine: Engine, limit: Duration, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let (ms, seconds) = (limit.as_millis(), limit.as_secs().max(1));
    match engine {
        Engine::Sqlite => {
            // WAL and NORMAL may lose the last transactions when the power fails, with their places in the streams: they
            // are written again then
            connection.execute("PRAGMA synchronous = NORMAL").await?;
            connection.execute("PRAGMA cache_size = -32000").await?;
            connection.execute("PRAGMA busy_timeout = 5000").await?;
        }
        Engine::Postgres => {
            let text = format!("SET statement_timeout = {ms}");
            connection.execute(sqlx::AssertSqlSafe(text)).await?;
        }
        Engine::Mysql => {
            // MariaDB's word first, then MySQL's, which bounds reading alone
            let text = format!("SET SESSION max_statement_time = {seconds}");
            if connection.execute(sqlx::AssertSqlSafe(text)).await.is_err() {
                let text = format!("SET SESSION max_execution_time = {ms}");
                connection.execute(sqlx::AssertSqlSafe(text)).await?;
            }
            let text = format!("SET SESSION innodb_lock_wait_timeout = {seconds}");
            connection.execute(sqlx::AssertSqlSafe(text)).await?;
            // a plain order of reads and writes, as PostgreSQL has it: each statement sees what is committed
            connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        }
    }
    Ok(())
}
