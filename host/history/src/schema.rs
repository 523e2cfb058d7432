//! The tables, as files of migrations for each engine, and the refusal of a database that is newer than this program.

use crate::error::HistoryError;
use crate::sql::Engine;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, Executor, migrate};
use std::pin::Pin;
use std::time::Duration;

/// Where it is noted which migrations were applied; a name of our own, since the database may be shared.
const NOTED_IN: &str = "lovage_migrations";

/// How often it is looked again whether another process has made the tables of SQLite.
const TRIES: u32 = 20;
/// The pause in between.
const PAUSE: Duration = Duration::from_millis(100);

fn migrator(engine: Engine) -> Migrator {
    let mut migrator = match engine {
        Engine::Sqlite => migrate!("migrations/sqlite"),
        Engine::Postgres => migrate!("migrations/postgres"),
        Engine::Mysql => migrate!("migrations/mysql"),
    };
    migrator.dangerous_set_table_name(NOTED_IN);
    migrator
}

/// The newest schema that is known here.
pub(crate) fn version(engine: Engine) -> i64 {
    migrator(engine).iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Brings the tables up to date. Of several processes that do so at once, one does it and the others wait.
pub(crate) fn migrate(engine: Engine, connection: &mut AnyConnection) -> Migration<'_> {
    match engine {
        // holds a lock of its own, and undoes what it did not finish
        Engine::Postgres => run(engine, connection),
        Engine::Mysql => Box::pin(alone(connection)),
        Engine::Sqlite => Box::pin(in_turn(connection)),
    }
}

/// Boxed, since a compiler that is asked whether it is `Send` as it stands does not find out.
pub(crate) type Migration<'a> = Pin<Box<dyn Future<Output = Result<(), HistoryError>> + Send + 'a>>;

/// MariaDB does not take the lock that the library asks for; so this is one of our own. What another process did not
/// finish is done again, which the files of migrations allow.
async fn alone(connection: &mut AnyConnection) -> Result<(), HistoryError> {
    connection.execute("SELECT GET_LOCK('lovage_history', 600)").await?;
    // there is no such table yet in a new database
    let _nothing_is_noted = connection.execute("DELETE FROM lovage_migrations WHERE success = FALSE").await;
    let done = run(Engine::Mysql, connection).await;
    connection.execute("SELECT RELEASE_LOCK('lovage_history')").await?;
    done
}

/// SQLite has no lock for it: whoever comes second fails, looks again, and finds it done.
async fn in_turn(connection: &mut AnyConnection) -> Result<(), HistoryError> {
    let mut tries = 0;
    loop {
        let done = async {
            connection.execute("PRAGMA journal_mode = WAL").await.map_err(execution)?;
            run(Engine::Sqlite, connection).await
        };
        match done.await {
            Err(HistoryError::Migration { .. } | HistoryError::Unavailable { .. }) if tries < TRIES => tries += 1,
            done => return done,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn run(engine: Engine, connection: &mut AnyConnection) -> Migration<'_> {
    Box::pin(async move {
        // not `run`, whose type keeps all that waits for it from being `Send`
        let migrator = migrator(engine);
        match migrator.run_direct(None, connection, false).await {
            Ok(()) => Ok(()),
            Err(MigrateError::VersionMissing(has) | MigrateError::VersionTooNew(has, _)) => {
                Err(HistoryError::Newer { has, knows: version(engine) })
            }
            Err(MigrateError::Execute(error)) => Err(execution(error)),
            Err(error) => Err(HistoryError::Migration { reason: error.to_string() }),
        }
    })
}

fn execution(error: sqlx::Error) -> HistoryError {
    match error {
        sqlx::Error::Database(_) => HistoryError::Migration { reason: error.to_string() },
        error => error.into(),
    }
}
