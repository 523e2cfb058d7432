//! Starting, stopping and starting again, with the real nats-server.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    sync::LazyLock,
};

use super::*;
use crate::server::{JetStream, Monitoring, find, script};

/// Found once: tests run in parallel, and where nothing is installed the first one fetches.
static BINARY: LazyLock<NatsServer> = LazyLock::new(|| find(None).unwrap());

fn greeting(port: u16) -> String {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap()).read_line(&mut line).unwrap();
    line
}

fn runs(pid: u32) -> bool {
    rustix::process::test_kill_process(Pid::from_raw(pid.cast_signed()).unwrap()).is_ok()
}

#[test]
fn started_server_answers_at_once_and_is_gone_after_the_drop() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&BINARY, StartOptions::new(dir.path().join("new/store"))).unwrap();
    assert_eq!(server.url(), format!("nats://127.0.0.1:{}", server.port()));
    let info = greeting(server.port());
    assert!(info.contains("\"jetstream\":true"), "{info}");
    assert_eq!(server.monitoring_url(), None);
    let (pid, port) = (server.pid(), server.port());
    drop(server);
    assert!(!runs(pid));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn options_reach_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = StartOptions::new(dir.path());
    options.max_payload_bytes = Some(12_345);
    options.jetstream = JetStream::Off;
    options.monitoring = Monitoring::On;
    options.extra = "authorization { token: secret }".into();
    let server = start(&BINARY, options).unwrap();
    let info = greeting(server.port());
    assert!(info.contains("\"max_payload\":12345") && info.contains("\"auth_required\":true"), "{info}");
    assert!(!info.contains("\"jetstream\":true"), "{info}");
    assert!(server.monitoring_url().unwrap().starts_with("http://127.0.0.1:"));
}

#[test]
fn server_comes_back_on_its_port_after_a_stop_and_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(&BINARY, StartOptions::new(dir.path())).unwrap();
    let url = server.url();
    let first = server.pid();
    server.stop().unwrap();
    server.stop().unwrap();
    assert!(server.ended().unwrap().is_some() && !runs(first));
    server.restart().unwrap();
    server.kill9().unwrap();
    assert!(server.ended().unwrap().is_some());
    server.restart().unwrap();
    assert!(server.ended().unwrap().is_none());
    assert_eq!(server.url(), url);
    assert!(greeting(server.port()).starts_with("INFO "));
}

#[test]
fn port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let mut options = StartOptions::new(dir.path());
    options.port = Some(port);
    let error = start(&BINARY, options).unwrap_err();
    assert!(matches!(error, ServerError::PortTaken { port: named } if named == port), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn store_folder_serves_one_server_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&BINARY, StartOptions::new(dir.path())).unwrap();
    let error = start(&BINARY, StartOptions::new(dir.path().join("."))).unwrap_err();
    assert!(matches!(error, ServerError::StoreInUse { pid, .. } if pid == Some(server.pid())), "{error}");
    assert!(greeting(server.port()).starts_with("INFO "));
    drop(server);
    start(&BINARY, StartOptions::new(dir.path())).unwrap();
}

#[test]
fn server_left_behind_by_a_killed_program_still_guards_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(&BINARY, StartOptions::new(dir.path())).unwrap();
    // As the kernel does when it ends the program that started the server: our own handle is closed.
    server.lock = File::open("/dev/null").unwrap();
    let error = start(&BINARY, StartOptions::new(dir.path())).unwrap_err();
    assert!(matches!(error, ServerError::StoreInUse { .. }), "{error}");
}

#[test]
fn server_that_ends_while_starting_is_told_in_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = StartOptions::new(dir.path());
    options.extra = "no_such_option: true".into();
    let error = start(&BINARY, options).unwrap_err();
    assert!(matches!(error, ServerError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no_such_option"), "{error}");
}

#[test]
fn server_that_never_answers_is_given_up_and_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = script::write(&dir.path().join("silent"), "echo silent >&2; exec sleep 600");
    let mut options = StartOptions::new(dir.path().join("store"));
    options.ready_within = Duration::from_millis(300);
    let lock = options.lock_file();
    let error = start(&NatsServer { path, ..BINARY.clone() }, options).unwrap_err();
    assert!(matches!(error, ServerError::NotReady { .. }) && error.to_string().contains("silent"), "{error}");
    // The lock is free again once nothing of it runs.
    File::options().write(true).open(lock).unwrap().try_lock().unwrap();
}
