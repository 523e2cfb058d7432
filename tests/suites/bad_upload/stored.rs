//! A component that is not what it was when it was pushed.

use async_nats::jetstream::object_store::ObjectMetadata;
use lovage_client::Client;
use lovage_job::{name::Digest, outcome::OutcomeKind, subject::asset};
use lovage_tests::{WITHIN, Worker};

use crate::small::{Ground, job, number, numbers, run, tenant};

#[tokio::test]
async fn other_bytes_under_a_digest_never_run() {
    let ground = Ground::new();
    let (pushed, planted) = (numbers(&[("answer", 1)]), numbers(&[("answer", 666)]));
    ground.push("default", &pushed, &[]);
    ground.push("default", &numbers(&[("other", 2)]), &[]);
    plant(&ground, &Digest::of(&pushed), &planted).await;
    let cache = tempfile::tempdir().unwrap();
    let mut worker = Worker::of(&ground.nats).cache_dir(cache.path()).start();
    let client = ground.client("default").await;
    for _ in 0..2 {
        ends_as_bad_component(&client, &pushed, &planted).await;
        assert_eq!(number(&run(&client, job("other")).await), 2);
    }
    assert!(worker.ended().is_none());
}

async fn ends_as_bad_component(client: &Client, pushed: &[u8], planted: &[u8]) {
    let result = run(client, job("answer")).await;
    assert_eq!((result.record.outcome, result.body.as_slice()), (OutcomeKind::BadComponent, b"".as_slice()));
    let message = result.error.unwrap().message;
    for digest in [Digest::of(pushed), Digest::of(planted)] {
        assert!(message.contains(digest.as_str()), "{digest} is not named: {message}");
    }
    let id = result.record.id;
    let letter = lovage_tests::eventually("the dead letter", WITHIN, async || client.dead_show(&id).await).await;
    assert_eq!(letter.letter.error.kind, OutcomeKind::BadComponent);
}

/// Puts other bytes under a digest, as whoever may write to the store could.
async fn plant(ground: &Ground, digest: &Digest, bytes: &[u8]) {
    let jetstream = ground.nats.jetstream().await;
    let store = jetstream.get_object_store(asset::components(&tenant("default"))).await.unwrap();
    let metadata = ObjectMetadata { name: digest.hex().to_owned(), ..ObjectMetadata::default() };
    let mut reader = bytes;
    store.put(metadata, &mut reader).await.unwrap();
}
