//! One suite that every engine passes: listings, filters, sums, places in streams, retention.

use std::time::Duration;

use lovage_history::{
    Advance, Batch, Cursor, Dimension, Engine, Entry, HistoryError, JobFilter, PageRequest, Scope, SeriesFilter, Store,
    StreamCursor,
};
use lovage_job::{outcome::OutcomeKind, unit::UnixMs};
use lovage_tests::Database;

use super::open;
use super::samples::{buried, ended};
use crate::small::tenant;

const HOUR: u64 = 3_600_000;

macro_rules! on_every_engine {
    ($($test:ident)*) => {
        mod on_sqlite { $(#[tokio::test] async fn $test() { super::$test(super::Engine::Sqlite).await })* }
        mod on_postgres { $(#[tokio::test] async fn $test() { super::$test(super::Engine::Postgres).await })* }
        mod on_mariadb { $(#[tokio::test] async fn $test() { super::$test(super::Engine::Mysql).await })* }
    };
}

on_every_engine! {
    pages_join_and_filters_take_what_they_say
    ids_and_labels_differ_by_case_and_blanks
    sums_agree_with_rows_whatever_is_written_twice
    writers_at_once_count_each_job_once
    places_are_written_with_rows_or_not_at_all
    what_is_too_old_goes_a_little_at_a_time
    a_newer_schema_is_refused
}

async fn start(engine: Engine) -> (Store, Database) {
    let database = tokio::task::spawn_blocking(move || Database::new(engine)).await.unwrap();
    (open(&database).await, database)
}

fn acme() -> Scope {
    Scope::Tenant(tenant("acme"))
}

async fn write(store: &Store, entries: Vec<Entry>) {
    store.write(&Batch { entries, advances: Vec::new() }).await.unwrap_or_else(|error| panic!("{error}"));
}

async fn all(store: &Store, scope: &Scope, filter: &JobFilter, limit: u32) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None::<Cursor>);
    loop {
        let page = store.jobs(scope, filter, &PageRequest { limit, after }).await.unwrap();
        ids.extend(page.items.iter().map(|row| row.id.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

async fn pages_join_and_filters_take_what_they_say(engine: Engine) {
    let (store, _database) = start(engine).await;
    let kind = |n: u64| if n.is_multiple_of(7) { OutcomeKind::Trapped } else { OutcomeKind::Completed };
    let some = |tenant: &str| -> Vec<Entry> {
        (0..40).map(|n| ended(tenant, &format!("j{n:02}"), HOUR + n / 5, kind(n))).collect()
    };
    write(&store, [some("acme"), some("umbra")].concat()).await;
    write(&store, vec![buried("acme", "j07", HOUR + 100)]).await;
    let filter = JobFilter::default;
    let sqlish = "' OR 1=1; DROP TABLE lovage_jobs; --".to_owned();
    let expected = [
        (filter(), 40),
        (JobFilter { task: "add".parse().ok(), ..filter() }, 40),
        (JobFilter { task: "sub".parse().ok(), ..filter() }, 0),
        (JobFilter { version: "1.2".parse().ok(), queue: "default".parse().ok(), ..filter() }, 40),
        (JobFilter { worker: Some("wörker".to_owned()), ..filter() }, 40),
        (JobFilter { worker: Some(sqlish.clone()), ..filter() }, 0),
        (JobFilter { tag: Some("red".to_owned()), ..filter() }, 40),
        (JobFilter { tag: Some(sqlish.clone()), ..filter() }, 0),
        (JobFilter { tag: Some("x\0".to_owned()), ..filter() }, 0),
        (JobFilter { outcomes: vec![OutcomeKind::Trapped, OutcomeKind::Failed], ..filter() }, 6),
        (JobFilter { outcomes: vec![OutcomeKind::Completed], ..filter() }, 34),
        (JobFilter { dead: Some(true), ..filter() }, 1),
        (JobFilter { error_text: Some("é \u{1f980}".to_owned()), ..filter() }, 6),
        (JobFilter { error_text: Some("%".to_owned()), ..filter() }, 0),
        (JobFilter { error_text: Some(sqlish), ..filter() }, 0),
        (JobFilter { id_prefix: Some("j1".to_owned()), ..filter() }, 10),
        (JobFilter { id_prefix: Some("j1' --".to_owned()), ..filter() }, 0),
        (JobFilter { finished_from: Some(UnixMs(HOUR + 1)), finished_to: Some(UnixMs(HOUR + 3)), ..filter() }, 10),
        (JobFilter { slower_than: Some(Duration::from_millis(8)), ..filter() }, 40),
        (JobFilter { slower_than: Some(Duration::from_millis(9)), ..filter() }, 0),
    ];
    for (filter, count) in expected {
        let whole = all(&store, &acme(), &filter, 500).await;
        assert_eq!(whole.len(), count, "{filter:?}");
        assert_eq!(all(&store, &acme(), &filter, 3).await, whole, "{filter:?}");
        let both = if filter.dead.is_some() { count } else { 2 * count };
        assert_eq!(all(&store, &Scope::All, &filter, 7).await.len(), both, "{filter:?}");
        let counted = store.count(&acme(), &filter, 1_000).await.unwrap();
        assert_eq!((counted.jobs, counted.exact), (u64::try_from(count).unwrap(), true), "{filter:?}");
        assert!(all(&store, &Scope::Tenant(tenant("other")), &filter, 3).await.is_empty());
    }
    assert_eq!(store.count(&acme(), &filter(), 10).await.unwrap().to_string(), "10+");
    let detail = store.job(&tenant("acme"), &"j07".parse().unwrap()).await.unwrap().unwrap();
    assert!(detail.row.dead && detail.trail.len() == 2 && detail.row.tags == ["red", "Größe "]);
    assert_eq!((detail.row.meter.fuel_used, detail.row.worker.as_str()), (1 << 40, "wörker"));
    assert!(detail.error.unwrap().message.ends_with("\u{1f980}"));
    assert_eq!(store.job(&tenant("acme"), &"J07".parse().unwrap()).await.unwrap(), None);
}

async fn ids_and_labels_differ_by_case_and_blanks(engine: Engine) {
    let (store, _database) = start(engine).await;
    let ids = ["a", "A", "b-", "b_", "B-"];
    write(&store, ids.into_iter().map(|id| ended("acme", id, HOUR, OutcomeKind::Completed)).collect()).await;
    let mut sorted = ids;
    sorted.sort_unstable();
    sorted.reverse();
    assert_eq!(all(&store, &acme(), &JobFilter::default(), 2).await, sorted);
    for (tag, count) in [("Größe ", 5), ("Größe", 0), ("größe ", 0), ("Red", 0), ("red", 5), ("red ", 0)] {
        let filter = JobFilter { tag: Some(tag.to_owned()), ..JobFilter::default() };
        assert_eq!(all(&store, &acme(), &filter, 9).await.len(), count, "{tag:?}");
    }
}

/// Completed, failed and dead jobs, by charts and by every share.
async fn sums(store: &Store) -> (u64, u64, u64) {
    let times = (UnixMs(0), UnixMs(100 * HOUR));
    let mut seen = Vec::new();
    for step in [600, 3_600, 86_400] {
        let series = store.series(&acme(), &SeriesFilter::default(), times, Duration::from_secs(step)).await.unwrap();
        let of = |get: fn(&lovage_history::Bucket) -> u64| series.iter().map(get).sum::<u64>();
        let jobs = of(|bucket| bucket.latency.0.iter().sum());
        seen.push((of(|bucket| bucket.completed), of(|bucket| bucket.failed), of(|bucket| bucket.dead)));
        assert_eq!(seen[0].0 + seen[0].1, jobs);
    }
    use Dimension::{Outcome, Queue, Task, Tenant, Version, Worker};
    for by in [Task, Version, Queue, Outcome, Worker, Tenant] {
        let shares = store.breakdown(&acme(), &SeriesFilter::default(), times, by).await.unwrap();
        let of = |get: fn(&lovage_history::Share) -> u64| shares.iter().map(get).sum::<u64>();
        seen.push((of(|share| share.completed), of(|share| share.failed), of(|share| share.dead)));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    seen[0]
}

async fn sums_agree_with_rows_whatever_is_written_twice(engine: Engine) {
    let (store, _database) = start(engine).await;
    let failed: Vec<Entry> = (0..30).map(|n| ended("acme", &format!("j{n}"), HOUR + n, OutcomeKind::Failed)).collect();
    let letters: Vec<Entry> = (0..30).map(|n| buried("acme", &format!("j{n}"), HOUR + 100 + n)).collect();
    write(&store, letters.clone()).await;
    assert_eq!(sums(&store).await, (0, 30, 30));
    write(&store, [failed.clone(), letters.clone()].concat()).await;
    assert_eq!(sums(&store).await, (0, 30, 30));
    // half of them are replayed, a day later, and complete
    let replayed = (0..15).map(|n| ended("acme", &format!("j{n}"), 30 * HOUR + n, OutcomeKind::Completed)).collect();
    write(&store, replayed).await;
    assert_eq!(sums(&store).await, (15, 15, 15));
    write(&store, [failed.clone(), letters.clone()].concat()).await;
    assert_eq!(sums(&store).await, (15, 15, 15));
    let later: Vec<Entry> = failed[15..].iter().chain(&letters[15..]).cloned().collect();
    assert!(store.differences(&later).await.unwrap().is_empty());
    assert_eq!(store.differences(&failed[..15]).await.unwrap().len(), 15, "older than what the history has");
    let missing = store.differences(&[ended("acme", "other", HOUR, OutcomeKind::Failed)]).await.unwrap();
    assert!(missing[0].fields.is_empty() && missing.len() == 1);
}

async fn writers_at_once_count_each_job_once(engine: Engine) {
    let (store, database) = start(engine).await;
    let other = open(&database).await;
    let entries: Vec<Entry> =
        (0..600).map(|n| ended("acme", &format!("j{n}"), HOUR + n, OutcomeKind::Failed)).collect();
    let work = |store: Store, entries: Vec<Entry>| async move {
        for some in entries.chunks(50) {
            write(&store, some.to_vec()).await;
        }
    };
    let backwards: Vec<Entry> = entries.iter().rev().cloned().collect();
    tokio::join!(work(store.clone(), entries.clone()), work(other, backwards), work(store.clone(), entries.clone()));
    assert_eq!(sums(&store).await, (0, 600, 0));
    assert_eq!(store.status().await.unwrap().jobs, 600);
    assert!(store.differences(&entries).await.unwrap().is_empty());
}

async fn places_are_written_with_rows_or_not_at_all(engine: Engine) {
    let (store, _database) = start(engine).await;
    let advance =
        |created, from, to| Advance { stream: "KV_results-acme".to_owned(), created: UnixMs(created), from, to };
    let batch = |id: &str, advance| Batch {
        entries: vec![ended("acme", id, HOUR, OutcomeKind::Completed)],
        advances: vec![advance],
    };
    let place = async || store.cursor("KV_results-acme").await.unwrap();
    assert_eq!(place().await, None);
    store.write(&batch("a", advance(5, 0, 10))).await.unwrap();
    store.write(&batch("a", advance(5, 0, 10))).await.unwrap();
    store.write(&batch("b", advance(5, 10, 12))).await.unwrap();
    let gap = store.write(&batch("c", advance(5, 13, 20))).await;
    assert!(matches!(gap, Err(HistoryError::Gap { read: 12, from: 13, .. })), "{gap:?}");
    assert_eq!(place().await, Some(StreamCursor { created: UnixMs(5), sequence: 12 }));
    assert_eq!(all(&store, &acme(), &JobFilter::default(), 9).await, ["b", "a"], "nothing of the batch was written");
    store.write(&batch("d", advance(6, 0, 3))).await.unwrap();
    assert_eq!(place().await, Some(StreamCursor { created: UnixMs(6), sequence: 3 }));
    store.reread().await.unwrap();
    assert_eq!((place().await, store.status().await.unwrap().jobs), (None, 3));
    store.clear().await.unwrap();
    assert_eq!(store.status().await.unwrap().jobs, 0);
    assert!(all(&store, &Scope::All, &JobFilter::default(), 9).await.is_empty());
}

async fn what_is_too_old_goes_a_little_at_a_time(engine: Engine) {
    let (store, _database) = start(engine).await;
    let some = |tenant: &str| -> Vec<Entry> {
        (0..50).map(|n| ended(tenant, &format!("j{n:02}"), (n + 1) * HOUR, OutcomeKind::Failed)).collect()
    };
    write(&store, [some("acme"), some("umbra")].concat()).await;
    assert_eq!(store.tenants().await.unwrap(), [tenant("acme"), tenant("umbra")]);
    let before = UnixMs(31 * HOUR);
    for removed in [12, 12, 6, 0] {
        assert_eq!(store.expire(&tenant("acme"), before, 12).await.unwrap(), removed);
    }
    let left = all(&store, &acme(), &JobFilter::default(), 100).await;
    assert_eq!((left.len(), left.last().map(String::as_str)), (20, Some("j30")));
    assert_eq!(store.job(&tenant("acme"), &"j29".parse().unwrap()).await.unwrap(), None);
    let tagged = JobFilter { tag: Some("red".to_owned()), ..JobFilter::default() };
    assert_eq!(all(&store, &acme(), &tagged, 100).await, left);
    let hours = async |scope: &Scope| {
        let times = (UnixMs(0), UnixMs(60 * HOUR));
        let series = store.series(scope, &SeriesFilter::default(), times, Duration::from_secs(3_600)).await.unwrap();
        series.iter().map(|bucket| bucket.failed).sum::<u64>()
    };
    assert_eq!((hours(&acme()).await, hours(&Scope::Tenant(tenant("umbra"))).await), (20, 50));
    let streams = ["KV_results-acme".to_owned(), "DEAD_acme".to_owned()];
    assert!(store.forget(&tenant("acme"), &streams).await.unwrap());
    assert_eq!((store.tenants().await.unwrap(), hours(&acme()).await), (vec![tenant("umbra")], 0));
}

async fn a_newer_schema_is_refused(engine: Engine) {
    let (store, database) = start(engine).await;
    sqlx::any::install_default_drivers();
    let address = database.address.replace("sqlite:/", "sqlite:///");
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&address).await.unwrap();
    let noted = "UPDATE lovage_migrations SET version = 7 WHERE version = 1";
    sqlx::query(noted).execute(&mut connection).await.unwrap();
    let refused = Store::open(&database.url, lovage_history::StoreOptions::default()).await;
    let error = refused.map(drop).unwrap_err();
    assert_eq!(error, HistoryError::Newer { has: 7, knows: store.status().await.unwrap().schema });
    assert!(error.to_string().contains("use the newer version"), "{error}");
}
