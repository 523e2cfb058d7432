//! The tables, as files of migrations for each engine, and the refusal of a database that is newer than this program.

use crate::error::HistoryError;
use crate::sql::Engine;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, migrate};

/// Where it is noted which migrations were applied; a name of our own, since the database may be shared.
const NOTED_IN: &str = "lovage_migrations";

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

/// Brings the tables up to date.
pub(crate) async fn migrate(engine: Engine, connection: &mut AnyConnection) -> Result<(), HistoryError> {
    match migrator(engine).run(&mut *connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(has) | MigrateError::VersionTooNew(has, _)) => {
            Err(HistoryError::Newer { has, knows: version(engine) })
        }
        Err(MigrateError::Execute(error)) => Err(execution(error)),
        Err(error) => Err(HistoryError::Migration { reason: error.to_string() }),
    }
}

fn execution(error: sqlx::Error) -> HistoryError {
    match error {
        sqlx::Error::Database(_) => HistoryError::Migration { reason: error.to_string() },
        error => error.into(),
    }
}
