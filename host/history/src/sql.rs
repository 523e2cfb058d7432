//! Statements: pieces of our own text, and arguments.
//!
//! A statement is put together from `&'static str` alone, and everything else becomes an argument. So no text from
//! outside can become part of a statement, whatever it looks like.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use std::fmt;

/// What speaks SQL at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, in this process.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

impl Engine {
    /// The name in URLs and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Debug, Clone)]
enum Arg {
    Int(i64),
    Text(Option<String>),
}

/// A statement in the making.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pub(crate) engine: Engine,
    text: String,
    args: Vec<Arg>,
}

impl Sql {
    pub(crate) fn new(engine: Engine, text: &'static str) -> Self {
        Self { engine, text: text.to_owned(), args: Vec::new() }
    }

    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Pieces with something between them.
    pub(crate) fn join(&mut self, pieces: &[&'static str], between: &'static str) -> &mut Self {
        for (index, piece) in pieces.iter().enumerate() {
            self.push(if index == 0 { "" } else { between }).push(piece);
        }
        self
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        self.arg(Arg::Int(value))
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.arg(Arg::Text(Some(value.to_owned())))
    }

    pub(crate) fn maybe(&mut self, value: Option<&str>) -> &mut Self {
        self.arg(Arg::Text(value.map(str::to_owned)))
    }

    /// `(?, ?, …)` of texts.
    pub(crate) fn list<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.push("(");
        for (index, value) in values.into_iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " }).text(value);
        }
        self.push(")")
    }

    fn arg(&mut self, arg: Arg) -> &mut Self {
        self.args.push(arg);
        match self.engine {
            Engine::Sqlite | Engine::Mysql => self.text.push('?'),
            Engine::Postgres => self.text.push_str(&format!("${}", self.args.len())),
        }
        self
    }

    /// The sum of a column as a whole number, which two of the engines would make a decimal.
    pub(crate) fn sum(&mut self, column: &'static str) -> &mut Self {
        let end = match self.engine {
            Engine::Sqlite | Engine::Postgres => " AS BIGINT)",
            Engine::Mysql => " AS SIGNED)",
        };
        self.push("CAST(COALESCE(SUM(").push(column).push("), 0)").push(end)
    }

    /// The statement with its arguments.
    pub(crate) fn query(self) -> Query<'static, Any, AnyArguments> {
        // safe, since every piece of the text is a literal of this crate, or a placeholder
        let mut query = sqlx::query(AssertSqlSafe(self.text));
        for arg in self.args {
            query = match arg {
                Arg::Int(value) => query.bind(value),
                Arg::Text(value) => query.bind(value),
            };
        }
        query
    }

    /// Another statement behind this one, which has no arguments.
    #[cfg(test)]
    pub(crate) fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.args.extend(other.args);
    }

    #[cfg(test)]
    pub(crate) fn shown(&self) -> &str {
        &self.text
    }
}

/// A number as SQL has it.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number that SQL had.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_the_engines_own() {
        let build = |engine| {
            let mut sql = Sql::new(engine, "a = ");
            sql.int(1).push(" AND b IN ").list(["x", "'; DROP TABLE y --"]);
            sql.shown().to_owned()
        };
        assert_eq!(build(Engine::Sqlite), "a = ? AND b IN (?, ?)");
        assert_eq!(build(Engine::Postgres), "a = $1 AND b IN ($2, $3)");
        assert_eq!(build(Engine::Mysql), build(Engine::Sqlite));
    }
}
