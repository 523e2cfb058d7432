//! The ground the other suites stand on: a nats-server with JetStream starts, keeps its data, and the binary runs.

use lovage_tests::{Cli, Nats, WITHIN, eventually};

#[tokio::test]
async fn own_server_takes_a_message_and_keeps_it_over_a_crash() {
    let mut nats = Nats::start();
    let jetstream = nats.jetstream().await;
    let config = async_nats::jetstream::stream::Config {
        name: "KEPT".into(),
        subjects: vec!["kept.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    jetstream.publish("kept.one", "payload".into()).await.unwrap().await.unwrap();
    let url = nats.url();
    nats.kill9();
    nats.restart();
    assert_eq!(nats.url(), url);
    // A new connection: how the old one comes back is the client library's business.
    let jetstream = nats.jetstream().await;
    let messages = eventually("the stream to be there again", WITHIN, async || {
        jetstream.get_stream("KEPT").await.map(|stream| stream.cached_info().state.messages)
    });
    assert_eq!(messages.await, 1);
}

#[tokio::test]
async fn servers_of_two_tests_do_not_see_each_other() {
    let (one, other) = (Nats::start(), Nats::start());
    assert_ne!(one.url(), other.url());
    let config = async_nats::jetstream::stream::Config { name: "ONE".into(), ..Default::default() };
    one.jetstream().await.create_stream(config).await.unwrap();
    assert!(other.jetstream().await.get_stream("ONE").await.is_err());
}

#[test]
fn binary_tells_its_version() {
    let printed = Cli::without_server().ok(["--version"]);
    assert_eq!(printed.trim(), concat!("lovage ", env!("CARGO_PKG_VERSION")));
}
