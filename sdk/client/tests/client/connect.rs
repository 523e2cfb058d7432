//! Connecting.

use crate::support::Server;
use lovage_client::{ConnectError, ConnectOptions, Credentials, connect};
use std::time::Duration;

#[tokio::test]
async fn a_server_with_jetstream_will_do() {
    let server = Server::start();
    connect(&server.options()).await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_is_told() {
    let server = Server::start_with(&[]);
    let error = connect(&server.options()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::NoJetStream { server: url, .. } if *url == server.url), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_url() {
    let options = ConnectOptions { servers: "nats://127.0.0.1:1".into(), ..ConnectOptions::default() };
    let error = connect(&options).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable { server, .. } if server == "nats://127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_first_connection_is_tried_again_where_asked_for() {
    let options =
        ConnectOptions { servers: "nats://127.0.0.1:1".into(), retry_on_initial: true, ..ConnectOptions::default() };
    tokio::time::timeout(Duration::from_millis(1200), connect(&options)).await.unwrap_err();
}

#[tokio::test]
async fn wrong_credentials_are_told() {
    let server = Server::start_with(&["-js", "--user", "u", "--pass", "secret"]);
    let with = |credentials| ConnectOptions { credentials, ..server.options() };
    let right = Credentials::UserPassword { user: "u".into(), password: "secret".into() };
    connect(&with(right)).await.unwrap();
    let wrong = Credentials::UserPassword { user: "u".into(), password: "guess".into() };
    for credentials in [Credentials::None, wrong, Credentials::CredsFile("/nowhere/x.creds".into())] {
        let error = connect(&with(credentials)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error}");
    }
}
