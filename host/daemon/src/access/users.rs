//! The part of a nats-server's configuration that lists the users of one shared account: the operator's, and those of
//! tenants with nothing but their rights. It is made from the tenants' records each time, never edited.

use lovage_job::tenant::{Access, Rights, TenantRecord};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Marks the line from which the operator's user is read again when the file is written anew.
const OPERATOR_LINE: &str = "# lovage-operator: ";

/// The user who may do everything: the operator's, and the workers'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorUser {
    /// The user's name.
    pub user: String,
    /// What the server checks the password against; the password itself where `open`, since the server compares the two as
    /// texts then and nobody needs it.
    pub password_hash: String,
    /// Whether whoever connects without credentials is this user; only for a server that this machine alone reaches.
    pub open: bool,
}

/// Why the file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The operating system says no.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is someone else's.
    #[error("{path} was not written by `lovage tenant config`, so it is left alone; name another file, to be included")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Without an operator nobody could do anything any more.
    #[error("{path} names no operator's user yet: give --operator-user NAME and --operator-password-file FILE")]
    NoOperator {
        /// The file.
        path: PathBuf,
    },
    /// Two users of one name.
    #[error("the operator's user may not have the name {user:?} of a tenant's")]
    SameName {
        /// The name.
        user: String,
    },
    /// The name cannot be written into the file.
    #[error("the user name {user:?} is not 1 to 64 letters, digits, `-`, `_`, `.` or `@`")]
    BadName {
        /// The name.
        user: String,
    },
}

/// The users of every record as nats-server configuration, to be included.
pub fn render<'a>(
    operator: &OperatorUser,
    records: impl IntoIterator<Item = &'a TenantRecord>,
) -> Result<String, UsersError> {
    check_name(&operator.user)?;
    let mut text = String::from("# Written by `lovage`; changes are lost. `include` this file in nats-server.conf.\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{OPERATOR_LINE}{}", serde_json::json!(operator));
    if operator.open {
        let _ = writeln!(text, "no_auth_user: \"{}\"", operator.user);
    }
    let _ = writeln!(text, "authorization {{\n  users = [");
    let _ = writeln!(text, "    {{ user: \"{}\", password: \"{}\" }}", operator.user, operator.password_hash);
    let mut records: Vec<_> = records.into_iter().collect();
    records.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    for record in records {
        let Access::User { user, password_hash } = &record.access else { continue };
        if *user == operator.user {
            return Err(UsersError::SameName { user: user.clone() });
        }
        check_name(user)?;
        if !password_hash.bytes().all(|b| b.is_ascii_alphanumeric() || b"$./".contains(&b)) {
            // a record that someone spoiled must not add configuration, nor keep the others' users out
            tracing::warn!(tenant = %record.tenant, "a tenant's password hash is none; its user is left out");
            continue;
        }
        let rights = Rights::of(&record.tenant);
        let _ = writeln!(
            text,
            "    {{ user: \"{user}\", password: \"{password_hash}\"\n      \
               allowed_connection_types: [\"STANDARD\", \"WEBSOCKET\"]\n      \
               permissions: {{ publish: {{ allow: [{}] }}, subscribe: {{ allow: [{}] }} }} }}",
            quoted(&rights.publish),
            quoted(&rights.subscribe),
        );
    }
    text.push_str("  ]\n}\n");
    Ok(text)
}

fn check_name(user: &str) -> Result<(), UsersError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.@".contains(&b);
    match !user.is_empty() && user.len() <= 64 && user.bytes().all(plain) {
        true => Ok(()),
        false => Err(UsersError::BadName { user: user.chars().take(80).collect() }),
    }
}

/// Subjects are made from checked names, so they hold nothing to escape.
fn quoted(subjects: &[String]) -> String {
    subjects.iter().map(|subject| format!("\"{subject}\"")).collect::<Vec<_>>().join(", ")
}

/// The operator's user that an earlier file names; nothing where there is no file.
pub fn operator_of(path: &Path) -> Result<Option<OperatorUser>, UsersError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(UsersError::File { path: path.to_owned(), cause }),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let line = text.lines().find_map(|line| line.strip_prefix(OPERATOR_LINE));
    let operator = line.and_then(|line| serde_json::from_str(line).ok());
    operator.map(Some).ok_or_else(|| UsersError::Foreign { path: path.to_owned() })
}

/// Writes the file in one step, readable by its owner alone. Returns whether it changed.
pub fn write(path: &Path, text: &str) -> Result<bool, UsersError> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(false);
    }
    super::file::write_private(path, text.as_bytes())
        .map_err(|cause| UsersError::File { path: path.to_owned(), cause })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unit::UnixMs;

    fn operator() -> OperatorUser {
        OperatorUser { user: "op".into(), password_hash: "$2a$04$abc".into(), open: false }
    }

    fn record(name: &str, access: Access) -> TenantRecord {
        TenantRecord { access, ..TenantRecord::new(name.parse().unwrap(), UnixMs(1)) }
    }

    fn user(name: &str, hash: &str) -> TenantRecord {
        record(name, Access::User { user: name.into(), password_hash: hash.into() })
    }

    #[test]
    fn users_have_their_tenants_rights_and_others_are_left_out() {
        let account = Access::Account { account: "AB".into(), user: "UB".into() };
        let records = [user("b", "$2a$04$b"), user("a", "$2a$04$a"), record("c", Access::None), record("d", account)];
        let text = render(&operator(), &records).unwrap();
        assert_eq!(text.matches("user: ").count(), 3);
        assert!(text.find("user: \"a\"") < text.find("user: \"b\""), "{text}");
        assert!(text.contains("\"lovage.a.job.>\"") && !text.contains("lovage.c."), "{text}");
        assert!(!text.contains("no_auth_user"));
        let open = OperatorUser { open: true, ..operator() };
        assert!(render(&open, &records).unwrap().contains("no_auth_user: \"op\""));
    }

    #[test]
    fn nothing_in_a_record_adds_configuration() {
        let text = render(&operator(), &[user("a", "x\" }\n{ user: evil"), user("b", "$2a$04$b")]).unwrap();
        assert!(!text.contains("evil") && text.contains("user: \"b\""), "{text}");
        let evil = record("a", Access::User { user: "a\" }".into(), password_hash: "$2a$04$a".into() });
        assert!(matches!(render(&operator(), &[evil]), Err(UsersError::BadName { .. })));
        assert!(matches!(render(&operator(), &[user("op", "$2a$04$a")]), Err(UsersError::SameName { .. })));
    }

    #[test]
    fn the_operator_is_read_again_and_other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.conf");
        assert_eq!(operator_of(&path).unwrap(), None);
        assert!(write(&path, &render(&operator(), &[]).unwrap()).unwrap());
        assert!(!write(&path, &render(&operator(), &[]).unwrap()).unwrap());
        assert_eq!(operator_of(&path).unwrap(), Some(operator()));
        std::fs::write(&path, "port: 4222\n").unwrap();
        assert!(matches!(operator_of(&path), Err(UsersError::Foreign { .. })));
    }
}
