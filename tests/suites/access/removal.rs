//! What is left of a tenant that was removed: nothing.

use super::ground::{Ground, Mode};
use async_nats::jetstream::{self, kv};
use futures::TryStreamExt;
use lovage_tests::{WITHIN, eventually};
use std::collections::BTreeSet;

/// Streams, consumers and keys, as an operator lists them. Watches of workers come and go.
async fn listing(ground: &Ground) -> BTreeSet<String> {
    let js = jetstream::new(ground.operator().await);
    let names: Vec<String> = js.stream_names().try_collect().await.unwrap();
    let mut listing = BTreeSet::new();
    for name in names {
        let asked = js.client().request(format!("$JS.API.CONSUMER.LIST.{name}"), "".into()).await.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&asked.payload).unwrap();
        let consumers = told["consumers"].as_array().cloned().unwrap_or_default();
        let durable = consumers.iter().filter_map(|consumer| consumer["config"]["durable_name"].as_str());
        // those by which one stream takes from another are made anew under other names
        let durable = durable.filter(|consumer| !consumer.starts_with("JS_"));
        listing.extend(durable.map(|consumer| format!("{name}/{consumer}")));
        if let Some(bucket) = name.strip_prefix("KV_") {
            let store: kv::Store = js.get_key_value(bucket).await.unwrap();
            let keys: Vec<String> = store.keys().await.unwrap().try_collect().await.unwrap();
            listing.extend(keys.into_iter().map(|key| format!("{name}:{key}")));
        }
        listing.insert(name);
    }
    listing
}

#[tokio::test]
async fn nothing_is_left_of_a_removed_tenant_on_the_shared_account() {
    leaves_nothing(&Ground::new(Mode::Shared)).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_removed_tenant_with_an_account() {
    leaves_nothing(&Ground::new(Mode::Accounts)).await;
}

async fn leaves_nothing(ground: &Ground) {
    // the first push makes what all tenants share
    ground.push("default");
    let before = listing(ground).await;
    let first = ground.add("acme", &[]);
    ground.fill(&first).await;
    assert_ne!(listing(ground).await, before);
    ground.json(&["tenant", "rm", "acme", "--yes"]);
    // nor of its keys, where it had an account
    assert!(!ground.folder().join("operator/tenants/acme").exists());
    let gone = async || {
        let (after, before) = (listing(ground).await, &before);
        let left: Vec<_> = after.symmetric_difference(before).cloned().collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    };
    eventually("nothing to be left", WITHIN, gone).await;
    ground.forgets(&first).await;
    // one that comes later under the same name has nothing of it, and works
    let second = ground.add("acme", &[]);
    ground.forgets(&first).await;
    let result = ground.cli(&second).run(["job", "show", "done"]);
    assert_ne!(result.code, Some(0), "{}", result.stdout);
    ground.fill(&second).await;
}
