//! Storage in memory, and what of it a guest may use.

use super::*;
use crate::storage::{BlobInfo, Page, Revised, Storage, Stored};
use bytes::Bytes;
use futures::FutureExt;
use lovage_job::capability::Grants;
use lovage_job::name::TenantName;
use lovage_job::secret::SecretBytes;
use lovage_job::storage::{BLOB_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use lovage_job::unit::UnixMs;
use lovage_sandbox::Services;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

/// Keys and blobs in memory; a secret of each name is `of-<name>`.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    values: Mutex<BTreeMap<String, (Bytes, u64)>>,
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many conditional changes fail, as if others were always first.
    contended: AtomicU32,
}

fn ready<'a, T: Send + 'a>(value: T) -> Stored<'a, T> {
    async { Ok(value) }.boxed()
}

impl Storage for Shelf {
    fn value<'a>(&'a self, key: Key<'a>) -> Stored<'a, Revised> {
        let found = self.values.lock().unwrap().get(&format!("{key:?}")).cloned();
        ready(found.map_or((None, 0), |(value, revision)| (Some(value), revision)))
    }

    fn put<'a>(&'a self, key: Key<'a>, value: Bytes, expected: Option<u64>) -> Stored<'a, bool> {
        let mut values = self.values.lock().unwrap();
        let revision = values.get(&format!("{key:?}")).map_or(0, |(_, revision)| *revision);
        let late = expected.is_some()
            && self.contended.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let put = !late && expected.is_none_or(|expected| expected == revision);
        if put {
            values.insert(format!("{key:?}"), (value, revision + 1));
        }
        ready(put)
    }

    fn remove<'a>(&'a self, key: Key<'a>) -> Stored<'a, ()> {
        self.values.lock().unwrap().remove(&format!("{key:?}"));
        ready(())
    }

    fn keys<'a>(&'a self, _: &'a TenantName, _: &'a BucketName, from: u64) -> Stored<'a, Page> {
        ready((vec![format!("from {from}")], Some(from + 7)))
    }

    fn containers_made<'a>(&'a self, _: &'a TenantName) -> Stored<'a, UnixMs> {
        ready(UnixMs(5))
    }

    fn blob<'a>(&'a self, blob: Blob<'a>, _: u64, _: u64) -> Stored<'a, Option<Vec<u8>>> {
        ready(self.blobs.lock().unwrap().get(blob.name).cloned())
    }

    fn put_blob<'a>(&'a self, blob: Blob<'a>, bytes: Vec<u8>) -> Stored<'a, ()> {
        self.blobs.lock().unwrap().insert(blob.name.to_owned(), bytes);
        ready(())
    }

    fn remove_blob<'a>(&'a self, blob: Blob<'a>) -> Stored<'a, ()> {
        self.blobs.lock().unwrap().remove(blob.name);
        ready(())
    }

    fn blob_info<'a>(&'a self, blob: Blob<'a>) -> Stored<'a, Option<BlobInfo>> {
        let size = self.blobs.lock().unwrap().get(blob.name).map(|bytes| u64::try_from(bytes.len()).unwrap());
        ready(size.map(|size| BlobInfo { size, put: UnixMs(6) }))
    }

    fn blobs<'a>(&'a self, _: &'a TenantName, _: &'a ContainerName) -> Stored<'a, Vec<String>> {
        ready(self.blobs.lock().unwrap().keys().cloned().collect())
    }

    fn secret<'a>(&'a self, _: &'a TenantName, name: &'a SecretName) -> Stored<'a, Option<SecretBytes>> {
        ready(Some(SecretBytes::new(format!("of-{name}").into_bytes())))
    }
}

fn granted(shelf: &Arc<Shelf>) -> GuestServices {
    let mut grants = Grants::default();
    grants.keyvalue.insert("mine".parse().unwrap());
    grants.blobstore.insert("mine".parse().unwrap());
    grants.secrets.insert("mine".parse().unwrap());
    super::super::tests::with_storage(shelf.clone(), grants)
}

fn in_bucket(bucket: &str, ask: KeyValueAsk) -> Ask {
    Ask::KeyValue { bucket: bucket.to_owned(), ask }
}

fn in_container(container: &str, ask: BlobAsk) -> Ask {
    Ask::Blob { container: container.to_owned(), ask }
}

#[tokio::test]
async fn what_is_not_granted_is_denied_whatever_the_sandbox_checked() {
    let services = granted(&Arc::default());
    for ask in
        [in_bucket("other", KeyValueAsk::Open), in_container("other", BlobAsk::List), Ask::Secret("other".to_owned())]
    {
        let Err(Refusal::Denied(text)) = services.ask(ask).await else { panic!("not denied") };
        assert!(text.contains("other"), "{text}");
    }
    for ask in [in_bucket("..", KeyValueAsk::Open), in_container(">", BlobAsk::List), Ask::Secret("a.b".to_owned())] {
        assert!(matches!(services.ask(ask).await, Err(Refusal::Invalid(_))));
    }
    assert!(matches!(services.ask(Ask::Secret("mine".to_owned())).await, Ok(Answer::Secret(Some(_)))));
}

#[tokio::test]
async fn sizes_hold_here_too() {
    let services = granted(&Arc::default());
    let key = "k".repeat(KEY_BYTES_MAX);
    for (ask, fits) in [
        (in_bucket("mine", KeyValueAsk::Set(key.clone(), vec![0; VALUE_BYTES_MAX])), true),
        (in_bucket("mine", KeyValueAsk::Set(key.clone(), vec![0; VALUE_BYTES_MAX + 1])), false),
        (in_bucket("mine", KeyValueAsk::Set(format!("{key}k"), Vec::new())), false),
        (in_bucket("mine", KeyValueAsk::Get(String::new())), false),
        (in_container("mine", BlobAsk::Put(key.clone(), vec![0; BLOB_BYTES_MAX])), true),
        (in_container("mine", BlobAsk::Put(key.clone(), vec![0; BLOB_BYTES_MAX + 1])), false),
        (in_container("mine", BlobAsk::Info(format!("{key}k"))), false),
    ] {
        let answer = services.ask(ask).await;
        assert_eq!(!matches!(answer, Err(Refusal::Limit(_))), fits, "{answer:?}");
    }
}

#[tokio::test]
async fn an_attempt_asks_only_so_often() {
    let services = granted(&Arc::default());
    for _ in 0..ASKS_MAX {
        services.ask(in_bucket("mine", KeyValueAsk::Open)).await.unwrap();
    }
    assert!(matches!(services.ask(in_bucket("mine", KeyValueAsk::Open)).await, Err(Refusal::Limit(_))));
}

#[tokio::test(start_paused = true)]
async fn an_addition_is_tried_again_while_others_are_first() {
    let shelf = Arc::new(Shelf::default());
    let services = granted(&shelf);
    let add = |delta| services.ask(in_bucket("mine", KeyValueAsk::Increment("n".to_owned(), delta)));
    shelf.contended.store(40, Ordering::Relaxed);
    assert!(matches!(add(5).await, Ok(Answer::Number(5))));
    assert!(matches!(add(-2).await, Ok(Answer::Number(3))));
    shelf.contended.store(u32::MAX, Ordering::Relaxed);
    assert!(matches!(add(1).await, Err(Refusal::Unavailable(_))));
}

#[tokio::test]
async fn a_cursor_is_one_that_was_given() {
    let services = granted(&Arc::default());
    let page = |cursor: Option<&str>| services.ask(in_bucket("mine", KeyValueAsk::Keys(cursor.map(str::to_owned))));
    let Ok(Answer::Names(keys, Some(next))) = page(Some("12")).await else { panic!("no page") };
    assert_eq!((keys, next), (vec!["from 12".to_owned()], "19".to_owned()));
    assert!(matches!(page(Some("$KV.>")).await, Err(Refusal::Invalid(_))));
}
