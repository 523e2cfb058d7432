//! Listings on SQLite: every filter, every page, and that none of them reads everything.

use super::*;
use crate::entry::{Batch, Entry};
use crate::filter::SeriesFilter;
use crate::samples::{ended, letter};
use crate::series::Dimension;
use crate::sql::Engine;
use crate::store::StoreOptions;
use crate::url::DatabaseUrl;
use lovage_job::outcome::OutcomeKind;
use lovage_job::unit::UnixMs;
use std::time::Duration;

async fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("h i?.db"));
    (Store::open(&url, StoreOptions::default()).await.unwrap(), folder)
}

fn acme() -> Scope {
    Scope::Tenant("acme".parse().unwrap())
}

fn page(limit: u32, after: Option<Cursor>) -> PageRequest {
    PageRequest { limit, after }
}

async fn all(store: &Store, scope: &Scope, filter: &JobFilter, limit: u32) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.jobs(scope, filter, &page(limit, after)).await.unwrap();
        ids.extend(page.items.iter().map(|row| row.id.as_str().to_owned()));
        match page.next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => return ids,
        }
    }
}

async fn write(store: &Store, entries: Vec<Entry>) {
    store.write(&Batch { entries, advances: Vec::new() }).await.unwrap();
}

#[tokio::test]
async fn pages_join_without_gaps_or_repeats_also_where_times_are_the_same() {
    let (store, _folder) = store().await;
    let kind = |n: u64| if n.is_multiple_of(7) { OutcomeKind::Failed } else { OutcomeKind::Completed };
    let some = |tenant: &str| -> Vec<Entry> {
        (0..50).map(|n| ended(tenant, &format!("j{n:02}"), 100_000 + n / 5, kind(n))).collect()
    };
    write(&store, [some("acme"), some("umbra")].concat()).await;
    let expected: Vec<String> = (0..50).rev().map(|n| format!("j{n:02}")).collect();
    for limit in [1, 3, 49, 50, 51, 0, 10_000] {
        assert_eq!(all(&store, &acme(), &JobFilter::default(), limit).await, expected);
        assert_eq!(all(&store, &Scope::All, &JobFilter::default(), limit).await.len(), 100);
        let failed = JobFilter { outcomes: vec![OutcomeKind::Failed], ..JobFilter::default() };
        assert_eq!(all(&store, &acme(), &failed, limit).await.len(), 8);
        let by_id = JobFilter { id_prefix: Some("j1".to_owned()), ..JobFilter::default() };
        assert_eq!(all(&store, &acme(), &by_id, limit).await, expected[30..40]);
    }
    let by_id = JobFilter { id_prefix: Some("j1".to_owned()), ..JobFilter::default() };
    let first = store.jobs(&acme(), &by_id, &page(1, None)).await.unwrap();
    let wrong = store.jobs(&acme(), &JobFilter::default(), &page(1, first.next)).await;
    assert!(matches!(wrong, Err(HistoryError::Cursor(_))), "{wrong:?}");
}

/// A filter of each kind, and whether the sample of `write_samples` passes it.
fn filters() -> Vec<(JobFilter, bool)> {
    let plain = JobFilter::default;
    let digest = Some(lovage_job::name::Digest::of(b"add"));
    let sqlish = "'; DROP TABLE lovage_jobs; --".to_owned();
    vec![
        (plain(), true),
        (JobFilter { task: "add".parse().ok(), ..plain() }, true),
        (JobFilter { task: "sub".parse().ok(), ..plain() }, false),
        (JobFilter { queue: "default".parse().ok(), ..plain() }, true),
        (JobFilter { queue: "other".parse().ok(), ..plain() }, false),
        (JobFilter { version: "1".parse().ok(), ..plain() }, true),
        (JobFilter { version: "2".parse().ok(), ..plain() }, false),
        (JobFilter { digest, ..plain() }, true),
        (JobFilter { worker: Some("w".to_owned()), ..plain() }, true),
        (JobFilter { worker: Some("W".to_owned()), ..plain() }, false),
        (JobFilter { tag: Some("red".to_owned()), ..plain() }, true),
        (JobFilter { tag: Some("red ".to_owned()), ..plain() }, false),
        (JobFilter { tag: Some(sqlish.clone()), ..plain() }, false),
        (JobFilter { tag: Some("a\0".to_owned()), ..plain() }, false),
        (JobFilter { outcomes: vec![OutcomeKind::Failed, OutcomeKind::Trapped], ..plain() }, true),
        (JobFilter { outcomes: vec![OutcomeKind::Completed], ..plain() }, false),
        (JobFilter { dead: Some(true), ..plain() }, true),
        (JobFilter { dead: Some(false), ..plain() }, false),
        (JobFilter { id_prefix: Some("Job".to_owned()), ..plain() }, true),
        (JobFilter { id_prefix: Some("job".to_owned()), ..plain() }, false),
        (JobFilter { id_prefix: Some("%".to_owned()), ..plain() }, false),
        (JobFilter { id_prefix: Some("Job".to_owned()), finished_to: Some(UnixMs(100)), ..plain() }, false),
        (JobFilter { error_text: Some("not work".to_owned()), ..plain() }, true),
        (JobFilter { error_text: Some("not%work".to_owned()), ..plain() }, false),
        (JobFilter { error_text: Some(sqlish), ..plain() }, false),
        (JobFilter { finished_from: Some(UnixMs(99_999)), finished_to: Some(UnixMs(100_000)), ..plain() }, true),
        (JobFilter { finished_from: Some(UnixMs(100_000)), ..plain() }, false),
        (JobFilter { slower_than: Some(Duration::from_millis(3)), ..plain() }, true),
        (JobFilter { slower_than: Some(Duration::from_millis(4)), ..plain() }, false),
    ]
}

#[tokio::test]
async fn every_filter_takes_what_it_says_and_nothing_else() {
    let (store, _folder) = store().await;
    write(&store, vec![ended("acme", "Job-1", 100_000, OutcomeKind::Failed), letter("acme", "Job-1", 100_005)]).await;
    for (filter, passes) in filters() {
        for scope in [acme(), Scope::All] {
            let found = all(&store, &scope, &filter, 10).await.len();
            assert_eq!(found, usize::from(passes), "{filter:?} of {scope:?}");
            let count = store.count(&scope, &filter, 100).await.unwrap();
            assert_eq!((count.jobs, count.exact), (u64::from(passes), true), "{filter:?} of {scope:?}");
        }
        assert!(all(&store, &Scope::Tenant("umbra".parse().unwrap()), &filter, 10).await.is_empty());
    }
}

#[tokio::test]
async fn no_listing_reads_all_rows() {
    let (store, _folder) = store().await;
    let place = "f100.acme.j".parse().unwrap();
    for (filter, _) in filters() {
        for scope in [acme(), Scope::All] {
            let plan = Plan::new(&scope, &filter);
            for sql in [
                listing(&store, &plan, Some(&place), Some(&place), 10),
                listing(&store, &plan, None, None, 10),
                window_end(&store, &plan, Some(&place), 10),
            ] {
                let mut explain = store.sql("EXPLAIN QUERY PLAN ");
                explain.append(sql);
                for row in store.all(explain).await.unwrap() {
                    let step: String = sqlx::Row::try_get(&row, 3).unwrap();
                    let along_an_index = step.starts_with("SEARCH") || step.contains("USING");
                    assert!(along_an_index && !step.contains("TEMP B-TREE"), "{step}: {filter:?} of {scope:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_job_is_shown_whole_and_writing_again_changes_nothing() {
    let (store, _folder) = store().await;
    let entries = vec![ended("acme", "a", 100_000, OutcomeKind::Failed), letter("acme", "a", 100_005)];
    write(&store, entries.clone()).await;
    let id = "a".parse().unwrap();
    let before = store.job(&"acme".parse().unwrap(), &id).await.unwrap().unwrap();
    assert!(before.row.dead && before.trail.len() == 2 && before.error.is_some());
    let step = Duration::from_secs(60);
    let sums = async || {
        let times = (UnixMs(0), UnixMs(600_000));
        store.series(&acme(), &SeriesFilter::default(), times, step).await.unwrap()
    };
    let counted = sums().await;
    assert_eq!((counted.len(), counted[1].failed, counted[1].dead, counted[1].retried), (10, 1, 1, 1));
    for entry in entries.iter().rev() {
        write(&store, vec![entry.clone()]).await;
    }
    assert_eq!(store.job(&"acme".parse().unwrap(), &id).await.unwrap().unwrap(), before);
    assert_eq!(sums().await, counted);
    assert!(store.differences(&entries).await.unwrap().is_empty());
    // a replay that completes in another minute takes its old sums along
    write(&store, vec![ended("acme", "a", 200_000, OutcomeKind::Completed)]).await;
    let counted = sums().await;
    assert_eq!((counted[1].failed, counted[1].dead, counted[3].completed, counted[3].dead), (0, 0, 1, 0));
    assert_eq!(counted.iter().map(|bucket| bucket.latency.0.iter().sum::<u64>()).sum::<u64>(), 1);
    assert_eq!(store.job(&"acme".parse().unwrap(), &id).await.unwrap().unwrap().trail.len(), 1);
    assert!(all(&store, &acme(), &JobFilter { tag: Some("red".to_owned()), ..JobFilter::default() }, 9).await == ["a"]);
    for by in [
        Dimension::Task,
        Dimension::Version,
        Dimension::Queue,
        Dimension::Outcome,
        Dimension::Worker,
        Dimension::Tenant,
    ] {
        let shares =
            store.breakdown(&acme(), &SeriesFilter::default(), (UnixMs(0), UnixMs(600_000)), by).await.unwrap();
        let completed: u64 = shares.iter().map(|share| share.completed).sum();
        assert_eq!((completed, shares.iter().map(|share| share.failed).sum::<u64>()), (1, 0), "{by:?}: {shares:?}");
    }
    assert_eq!(store.engine(), Engine::Sqlite);
}

/// Servers answer each request on a task of its own.
#[test]
fn questions_can_be_asked_on_tasks() {
    fn sent<T: Send>(_: impl FnOnce() -> T) {}
    fn asks<'a>(url: &'a DatabaseUrl, store: &'a Store, filter: &'a JobFilter, scope: &'a Scope, batch: &'a Batch) {
        sent(|| async move {
            let opened = Store::open(url, StoreOptions::default()).await?;
            opened.write(batch).await?;
            store.jobs(scope, filter, &page(1, None)).await?;
            store.count(scope, filter, 1).await?;
            store.status().await
        });
    }
    let _compiles = asks;
}
