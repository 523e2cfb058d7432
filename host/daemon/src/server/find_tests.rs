//! The order of the places, and what is said about a program that will not do.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::server::script;

fn nowhere() -> Search {
    Search { named: None, path: OsString::new(), cache: None, python: "/nonexistent/python3".into() }
}

fn server(dir: &TempDir, folder: &str, version: &str) -> PathBuf {
    let folder = dir.path().join(folder);
    fs::create_dir_all(&folder).unwrap();
    script::write(&folder.join("nats-server"), &format!("echo 'nats-server: v{version}'"))
}

#[test]
fn named_program_is_used_before_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let (option, named) = (server(&dir, "option", "2.14.0"), server(&dir, "named", "2.15.0"));
    let on_path = server(&dir, "path", "2.16.0");
    let search = Search { named: Some(named.clone()), path: on_path.parent().unwrap().into(), ..nowhere() };
    let found = search.find(Some(&option)).unwrap();
    assert_eq!((found.path, found.version.to_string(), found.origin), (option, "2.14.0".into(), Origin::Named));
    assert_eq!(search.find(None).unwrap().path, named);
}

#[test]
fn named_program_that_is_too_old_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let old = server(&dir, "old", "2.9.10");
    let error = nowhere().find(Some(&old)).unwrap_err();
    assert!(matches!(error, ServerError::TooOld { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("2.9.10") && said.contains("2.14.0 or later"), "{said}");
    assert!(error.hint().unwrap().contains("LOVAGE_NATS_SERVER"));
}

#[test]
fn oldest_version_that_will_do_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    assert!(nowhere().find(Some(&server(&dir, "below", "2.13.99"))).is_err());
    assert!(nowhere().find(Some(&server(&dir, "at", "2.14.0"))).is_ok());
    assert!(nowhere().find(Some(&server(&dir, "above", "2.14.1"))).is_ok());
}

#[test]
fn named_program_that_is_absent_or_not_executable_or_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = nowhere().find(Some(&dir.path().join("absent"))).unwrap_err();
    assert!(matches!(error, ServerError::Missing { .. }), "{error}");

    let text = dir.path().join("text");
    fs::write(&text, "not a program").unwrap();
    let error = nowhere().find(Some(&text)).unwrap_err();
    assert!(matches!(error, ServerError::NotExecutable { .. }), "{error}");

    let other = script::write(&dir.path().join("other"), "echo 'other 1.0'");
    let error = nowhere().find(Some(&other)).unwrap_err();
    assert!(matches!(&error, ServerError::NotNatsServer { printed, .. } if printed == "other 1.0"), "{error}");
}

#[test]
fn old_programs_on_path_are_passed_over_for_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (server(&dir, "a", "2.10.0"), server(&dir, "b", "2.15.1"));
    let path = env::join_paths([old.parent().unwrap(), new.parent().unwrap()]).unwrap();
    let found = Search { path, ..nowhere() }.find(None).unwrap();
    assert_eq!((found.path, found.origin), (new, Origin::Path));
}

#[test]
fn cached_program_is_used_without_python() {
    let dir = tempfile::tempdir().unwrap();
    let cached = server(&dir, "nats-server-2.15.1", "2.15.1");
    let found = Search { cache: Some(dir.path().into()), ..nowhere() }.find(None).unwrap();
    assert_eq!((found.path, found.origin), (cached, Origin::Cache));
}

#[test]
fn nothing_installed_and_no_fetch_says_what_was_passed_over_and_why_the_fetch_failed() {
    let dir = tempfile::tempdir().unwrap();
    let old = server(&dir, "old", "2.9.10");
    let cache = Some(dir.path().join("cache"));
    let error = Search { path: old.parent().unwrap().into(), cache, ..nowhere() }.find(None).unwrap_err();
    assert!(matches!(error, ServerError::NoneInstalled { cause: FetchError::NoPython { .. }, .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("2.9.10") && said.contains("too old") && said.contains("python3 cannot be run"), "{said}");

    let error = nowhere().find(None).unwrap_err();
    assert!(matches!(error, ServerError::NoneInstalled { cause: FetchError::NoCacheFolder, .. }), "{error}");
}
