//! Where the history is: `sqlite:FILE`, `postgres://…` or `mysql://…`. A password in it is never shown.

use crate::sql::Engine;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// A text that names no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; use sqlite:FILE, postgres://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE")]
pub struct UrlError {
    what: String,
}

/// A checked address of a database.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of SQLite, which is made where there is none.
    Sqlite(PathBuf),
    /// A server.
    Server(Engine, Url),
}

impl DatabaseUrl {
    /// The file of SQLite.
    pub fn sqlite(file: impl Into<PathBuf>) -> Self {
        Self::Sqlite(file.into())
    }

    /// What speaks there.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Server(engine, _) => *engine,
        }
    }

    /// The form that sqlx takes.
    pub(crate) fn to_sqlx(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite://{}?mode=rwc", percent(file)),
            Self::Server(_, url) => url.to_string(),
        }
    }
}

/// Everything but the plainest characters of a path, as a URL has it.
fn percent(file: &Path) -> String {
    let mut text = String::new();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => text.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let bad = |what: &str| UrlError { what: what.to_owned() };
        let (scheme, rest) = text.split_once(':').ok_or_else(|| bad("the history's address has no scheme"))?;
        let engine = match scheme {
            "sqlite" => return file(rest).map(Self::Sqlite).map_err(bad),
            "postgres" | "postgresql" => Engine::Postgres,
            "mysql" | "mariadb" => Engine::Mysql,
            _ => return Err(UrlError { what: format!("{scheme:?} is no database that the history can be in") }),
        };
        if !rest.starts_with("//") {
            return Err(bad("the history's address has no host"));
        }
        let scheme = if engine == Engine::Mysql { "mysql" } else { "postgres" };
        let url = Url::parse(&format!("{scheme}:{rest}"));
        let url = url.map_err(|error| UrlError { what: format!("the history's address is no URL: {error}") })?;
        if url.path().trim_matches('/').is_empty() {
            return Err(bad("the history's address names no database"));
        }
        Ok(Self::Server(engine, url))
    }
}

fn file(rest: &str) -> Result<PathBuf, &'static str> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    match path {
        "" | ":memory:" => Err("the history needs a file"),
        path if path.contains(['?', '\0']) => Err("a file of the history takes no options and no odd characters"),
        path => Ok(PathBuf::from(path)),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Server(_, url) => {
                let mut url = url.clone();
                // parameters may hold a password, too
                url.set_query(None);
                if url.password().is_some() && url.set_password(Some("***")).is_err() {
                    return f.write_str(url.scheme());
                }
                write!(f, "{url}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(url("sqlite:a b/h.db").to_sqlx(), "sqlite://a%20b/h.db?mode=rwc");
        assert_eq!(url("sqlite:///var/h.db"), DatabaseUrl::sqlite("/var/h.db"));
        assert_eq!(url("postgresql://u@h/d").to_sqlx(), "postgres://u@h/d");
        assert_eq!(url("mariadb://u@h:3307/d").engine(), Engine::Mysql);
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_would_be_right() {
        for bad in
            ["", "h.db", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "redis://h/1", "postgres://h", "mysql:x"]
        {
            let told = bad.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(told.contains("use sqlite:FILE"), "{bad}: {told}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = url("postgres://u:hunter2@h/d?password=hunter3");
        assert!(!format!("{url} {url:?}").contains("hunter"));
        assert_eq!(url.to_string(), "postgres://u:***@h/d");
    }
}
