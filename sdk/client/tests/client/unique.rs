//! Jobs that are one by their key.

use crate::support::{World, job, now, result};
use futures::future::join_all;
use lovage_client::{InvalidJob, JobState, NewJob, Place, SubmitError, Submitted, Unique};
use lovage_job::name::JobId;
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::{Lane, asset};
use lovage_job::unique::Entry;
use lovage_job::unit::UnixMs;
use std::collections::HashSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

async fn submit(world: &World, unique: Unique) -> Submitted {
    world.client.submit(job().unique(unique)).await.unwrap()
}

/// Rewrites the entry of a key, as time or a crash would have left it.
async fn rewrite(world: &World, unique: &Unique, change: impl FnOnce(Entry) -> Entry) -> Entry {
    let subject = asset::unique_subject(&world.tenant, &unique.digest(&"add".parse().unwrap()));
    let bucket = world.js.get_key_value(asset::state(&world.tenant)).await.unwrap();
    let key = subject.trim_start_matches("$KV.state-acme.").to_owned();
    let stored = bucket.get(&key).await.unwrap().unwrap();
    let entry = change(serde_json::from_slice(&stored).unwrap());
    bucket.put(&key, serde_json::to_vec(&entry).unwrap().into()).await.unwrap();
    entry
}

async fn end(world: &World, id: &JobId) {
    world.take_job().await;
    world.finish(&result(id.as_str(), OutcomeKind::Failed, now())).await;
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_job_until_its_window_is_over() {
    let world = World::new().await;
    let order = || Unique::idempotent("order 7", HOUR);
    let first = submit(&world, order()).await;
    assert!(!first.existing);
    let again = submit(&world, order()).await;
    assert_eq!((&again.id, again.existing, again.place), (&first.id, true, Place::Queued));
    end(&world, &first.id).await;
    let ended = submit(&world, order()).await;
    assert_eq!((&ended.id, ended.existing, ended.place), (&first.id, true, Place::Done(OutcomeKind::Failed)));
    let other =
        world.client.submit(NewJob::new("sub".parse().unwrap(), "{}").unchecked().unique(order())).await.unwrap();
    assert!(!other.existing, "a key is of one task");
    assert_eq!(world.queued().await, 1);

    rewrite(&world, &order(), |entry| Entry { first: UnixMs(entry.first.0 - 3_600_000), ..entry }).await;
    let next = submit(&world, order()).await;
    assert!(!next.existing && next.id != first.id);
    assert_eq!(world.queued().await, 2);
}

#[tokio::test]
async fn a_job_that_ended_and_was_forgotten_still_stands_for_its_key() {
    let world = World::new().await;
    let order = || Unique::idempotent("order 7", HOUR);
    let first = submit(&world, order()).await;
    world.take_job().await;
    let again = submit(&world, order()).await;
    assert_eq!((again.id, again.existing), (first.id, true));
    assert_eq!(world.queued().await, 0);
}

#[tokio::test]
async fn one_of_many_submissions_at_once_makes_the_job() {
    let world = World::new().await;
    for (n, unique) in
        [Unique::idempotent("k", HOUR), Unique::active("k"), Unique::throttle("k", HOUR)].into_iter().enumerate()
    {
        let told = join_all((0..60).map(|_| submit(&world, unique.clone()))).await;
        let ids: HashSet<_> = told.iter().map(|submitted| &submitted.id).collect();
        assert_eq!(ids.len(), 1, "{unique:?}");
        assert_eq!(told.iter().filter(|submitted| !submitted.existing).count(), 1, "{unique:?}");
        assert_eq!(world.queued().await, n as u64 + 1, "{unique:?}");
    }
}

#[tokio::test]
async fn an_active_job_holds_its_key_in_every_place() {
    let world = World::new().await;
    let unique = || Unique::active("k");
    let delayed = world.client.submit(job().unique(unique()).delay(HOUR)).await.unwrap();
    assert!(!delayed.existing && matches!(delayed.place, Place::Delayed { .. }));
    let again = submit(&world, unique()).await;
    assert_eq!((&again.id, again.existing, again.place), (&delayed.id, true, delayed.place));
    world.client.cancel(&delayed.id, "").await.unwrap();

    let queued = world.client.submit(job().unique(unique()).lane(Lane::Low)).await.unwrap();
    assert!(!queued.existing && queued.id != delayed.id);
    let again = submit(&world, unique()).await;
    assert_eq!((&again.id, again.existing, again.place), (&queued.id, true, Place::Queued));
    end(&world, &queued.id).await;

    let third = submit(&world, unique()).await;
    assert!(!third.existing && third.id != queued.id, "it has ended");
    world.take_job().await;
    let fourth = submit(&world, unique()).await;
    assert!(!fourth.existing, "it is known nowhere");
}

#[tokio::test]
async fn a_job_whose_submitter_died_before_it_was_published_is_published_by_the_next() {
    let world = World::new().await;
    for unique in [Unique::idempotent("k", HOUR), Unique::active("k"), Unique::throttle("k", HOUR)] {
        for age in [0, 90_000] {
            submit(&world, unique.clone()).await;
            // the entry alone: of another job, which was never published
            let id: JobId = format!("{}-{age}", unique.rule.as_str()).parse().unwrap();
            let own = id.clone();
            rewrite(&world, &unique, |_| {
                let at = UnixMs(now().0 - age);
                Entry { id: own, certain: false, at, due: at, first: at }
            })
            .await;
            let told = join_all((0..10).map(|_| submit(&world, unique.clone()))).await;
            assert!(told.iter().all(|submitted| submitted.id == id), "{unique:?}");
            assert_eq!(told.iter().filter(|submitted| !submitted.existing).count(), 1, "{unique:?}");
            assert!(matches!(world.client.find(&id).await.unwrap(), JobState::Queued { .. }));
            assert!(
                rewrite(&world, &unique, |entry| Entry { first: UnixMs(0), due: UnixMs(0), ..entry }).await.certain
            );
            world.client.cancel(&id, "").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_slow_submitter_and_one_that_took_its_job_make_one() {
    let world = World::new().await;
    let unique = Unique::idempotent("k", HOUR);
    submit(&world, unique.clone()).await;
    let id: JobId = "slow".parse().unwrap();
    let own = id.clone();
    rewrite(&world, &unique, |entry| Entry { id: own, certain: false, ..entry }).await;
    assert!(!submit(&world, unique.clone()).await.existing);
    // it runs and ends, and only then the slow one publishes
    end(&world, &id).await;
    world.client.submit(job().id(id.clone())).await.unwrap();
    let queued = world.queued().await;
    rewrite(&world, &unique, |entry| Entry { certain: false, ..entry }).await;
    assert!(submit(&world, unique).await.existing);
    assert_eq!(world.queued().await, queued, "the broker remembers the id");
}

#[tokio::test]
async fn a_debounced_job_keeps_the_last_input_and_starts_after_the_last_submission() {
    let world = World::new().await;
    let unique = || Unique::debounce("k", HOUR).at_most(HOUR * 2);
    let mut due = None;
    let mut ids = HashSet::new();
    for n in 0..3 {
        let submitted = world.client.submit(
            NewJob::new("add".parse().unwrap(), n.to_string()).unchecked().tag(format!("t{n}")).unique(unique()),
        );
        let submitted = submitted.await.unwrap();
        assert_eq!(submitted.existing, n > 0);
        let Place::Delayed { due: at } = submitted.place else { panic!("{submitted:?}") };
        assert!(due.is_none_or(|before| at >= before));
        due = Some(at);
        ids.insert(submitted.id);
    }
    assert_eq!((ids.len(), world.count(&asset::schedules(&world.tenant)).await), (1, 1));
    let id = ids.into_iter().next().unwrap();
    let stored = world.last(&asset::schedules(&world.tenant), &format!("lovage.acme.sched.delay.{id}")).await;
    assert_eq!(stored.payload, "2");
    assert_eq!(stored.headers.get("Lovage-Tag").unwrap().as_str(), "t2");
    // no later than the cap
    let first = rewrite(&world, &unique(), |entry| Entry { first: UnixMs(now().0 - 6_000_000), ..entry }).await.first;
    let capped = submit(&world, unique()).await;
    assert_eq!((capped.id, capped.place), (id, Place::Delayed { due: first.after(HOUR * 2) }));
}

#[tokio::test]
async fn many_debounced_submissions_at_once_are_one_job_and_one_that_is_due_is_left_alone() {
    let world = World::new().await;
    let unique = || Unique::debounce("k", Duration::from_secs(2));
    let told = join_all((0..20).map(|_| submit(&world, unique()))).await;
    let ids: HashSet<_> = told.iter().map(|submitted| submitted.id.clone()).collect();
    assert_eq!(ids.len(), 1);
    let first = ids.into_iter().next().unwrap();
    crate::support::until("the job to be due", || async { world.queued().await == 1 }).await;
    let next = submit(&world, unique()).await;
    assert!(!next.existing && next.id != first);
    assert!(matches!(world.client.find(&next.id).await.unwrap(), JobState::Delayed { .. }));
    assert_eq!(world.queued().await, 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_changes_nothing() {
    let world = World::new().await;
    for bad in [
        Unique::active(""),
        Unique::active("k".repeat(10_000)),
        Unique::idempotent("k", Duration::ZERO),
        Unique::throttle("k", Duration::MAX),
        Unique::debounce("k", HOUR).at_most(Duration::from_secs(1)),
    ] {
        let error = world.client.submit(job().unique(bad)).await.unwrap_err();
        assert!(matches!(error, SubmitError::Invalid(InvalidJob::Unique(_))), "{error}");
    }
    assert_eq!((world.queued().await, world.count("KV_state-acme").await), (0, 0));
}

#[tokio::test]
async fn an_entry_that_is_none_is_taken_over() {
    let world = World::new().await;
    let unique = Unique::active("k");
    let bucket = world.js.get_key_value(asset::state(&world.tenant)).await.unwrap();
    let key = format!("unique.{}", unique.digest(&"add".parse().unwrap()));
    bucket.put(&key, "junk".into()).await.unwrap();
    assert!(!submit(&world, unique.clone()).await.existing);
    bucket.delete(&key).await.unwrap();
    assert!(!submit(&world, unique.clone()).await.existing, "a key that was removed is free");
    assert!(submit(&world, unique).await.existing);
}
