use super::*;
use crate::lease::Leases;
use lovage_job::decode::Origin;
use lovage_job::header::Headers;
use lovage_job::unit::UnixMs;

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn job(subject: &str) -> Delivery {
    Delivery {
        tenant: "t".parse().unwrap(),
        subject: subject.into(),
        headers: Headers::new(),
        payload: bytes::Bytes::new(),
        origin: Origin { stream_created_ms: 0, sequence: 0, stored: UnixMs(0) },
        delivered: 1,
        lease: Arc::new(Leases::default()).hold("a"),
    }
}

/// Has a job of a source run for as long as what is returned is kept.
async fn running(intake: &Arc<Intake>, source: &SourceHandle) -> Vec<Taken> {
    assert!(source.put(job("runs")).is_none());
    let taken = intake.take(1).await.unwrap();
    source.taken().await;
    taken
}

#[tokio::test]
async fn a_heavy_source_does_not_starve_a_light_one() {
    let intake = Arc::new(Intake::default());
    let (heavy, light) = (intake.add_source(&tenant("t"), 4, 0), intake.add_source(&tenant("t"), 1, 0));
    for _ in 0..100 {
        assert!(heavy.put(job("heavy")).is_none());
    }
    for _ in 0..10 {
        assert!(light.put(job("light")).is_none());
    }
    let mut taken = Vec::new();
    for room in [3, 1, 7, 14] {
        taken.extend(intake.take(room).await.unwrap());
    }
    let light = taken.iter().filter(|taken| taken.job.subject == "light").count();
    assert_eq!((taken.len(), light), (25, 5));
}

#[tokio::test]
async fn a_closed_buffer_gives_back_what_waited_and_takes_no_more() {
    let intake = Arc::new(Intake::default());
    let source = intake.add_source(&tenant("t"), 1, 0);
    assert!(source.put(job("a")).is_none());
    assert_eq!(intake.close().len(), 1);
    assert!(intake.take(1).await.is_none());
    assert!(intake.take(1).await.is_none());
    assert!(source.put(job("b")).is_some());
    assert_eq!(source.appetite(0), 0);
}

#[tokio::test]
async fn a_waiting_thread_wakes_for_a_job_and_for_the_end() {
    let intake = Arc::new(Intake::default());
    let source = intake.add_source(&tenant("t"), 1, 0);
    let (jobs, ()) = tokio::join!(intake.take(8), async {
        assert!(source.put(job("a")).is_none());
    });
    assert_eq!(jobs.unwrap().len(), 1);
    let (jobs, _) = tokio::join!(intake.take(8), async { intake.close() });
    assert!(jobs.is_none());
}

#[tokio::test]
async fn beside_others_a_source_of_slow_jobs_keeps_one_ready() {
    let intake = Arc::new(Intake::default());
    let (slow, other) = (intake.add_source(&tenant("t"), 1, 0), intake.add_source(&tenant("t"), 1, 0));
    let _runs = running(&intake, &slow).await;
    slow.set_window(1);
    assert_eq!(slow.appetite(0), 0);
    assert!(other.put(job("other")).is_none());
    slow.taken().await;
    assert_eq!(slow.appetite(0), 1);
    assert_eq!(slow.appetite(1), 0);
}

#[tokio::test]
async fn a_source_that_rested_does_not_catch_up() {
    let intake = Arc::new(Intake::default());
    let (busy, rested) = (intake.add_source(&tenant("t"), 1, 0), intake.add_source(&tenant("t"), 1, 0));
    for _ in 0..50 {
        assert!(busy.put(job("busy")).is_none());
    }
    assert_eq!(intake.take(20).await.unwrap().len(), 20);
    for _ in 0..20 {
        assert!(rested.put(job("rested")).is_none());
    }
    let taken = intake.take(20).await.unwrap();
    let of_rested = taken.iter().filter(|taken| taken.job.subject == "rested").count();
    assert!((9..=11).contains(&of_rested), "{of_rested}");
}

#[tokio::test]
async fn slow_jobs_are_asked_for_only_when_a_thread_has_room() {
    let intake = Arc::new(Intake::default());
    let source = intake.add_source(&tenant("t"), 1, 0);
    let _runs = running(&intake, &source).await;
    source.set_window(1);
    assert_eq!(source.appetite(0), 0);
    let (jobs, ()) = tokio::join!(intake.take(1), async {
        source.taken().await;
        assert_eq!(source.appetite(0), 1);
        assert!(source.put(job("slow")).is_none());
    });
    assert_eq!(jobs.unwrap().len(), 1);
    source.set_window(1);
    assert_eq!(source.appetite(0), 0);
}

#[tokio::test]
async fn a_later_rank_goes_only_when_no_earlier_one_has_jobs() {
    let intake = Arc::new(Intake::default());
    let (low, urgent, calm) = (
        intake.add_source(&tenant("t"), 9, 2),
        intake.add_source(&tenant("t"), 3, 0),
        intake.add_source(&tenant("t"), 1, 0),
    );
    let middle = intake.add_source(&tenant("t"), 1, 1);
    for _ in 0..8 {
        for (source, subject) in [(&low, "low"), (&middle, "middle"), (&urgent, "urgent"), (&calm, "calm")] {
            assert!(source.put(job(subject)).is_none());
        }
    }
    let subjects = |jobs: Vec<Taken>| jobs.into_iter().map(|taken| taken.job.subject).collect::<Vec<_>>();
    let first = subjects(intake.take(8).await.unwrap());
    assert_eq!(first.iter().filter(|subject| *subject == "urgent").count(), 6, "shares hold inside a rank: {first:?}");
    assert_eq!(first.iter().filter(|subject| *subject == "calm").count(), 2, "{first:?}");
    let mut rest = subjects(intake.take(9).await.unwrap());
    assert_eq!(rest.split_off(8), ["middle"], "and one room at the end is the next rank's");
    assert!(rest.iter().all(|subject| ["urgent", "calm"].contains(&subject.as_str())), "{rest:?}");
    // one that comes late to an earlier rank still goes before all that wait
    assert!(urgent.put(job("late")).is_none());
    assert_eq!(subjects(intake.take(2).await.unwrap()), ["late", "middle"]);
    assert_eq!(subjects(intake.take(20).await.unwrap()), [vec!["middle"; 6], vec!["low"; 8]].concat());
}

#[tokio::test]
async fn a_recalled_source_has_nothing_left_and_others_keep_theirs() {
    let intake = Arc::new(Intake::default());
    let (paused, open) = (intake.add_source(&tenant("t"), 1, 0), intake.add_source(&tenant("t"), 1, 0));
    for _ in 0..3 {
        assert!(paused.put(job("paused")).is_none() && open.put(job("open")).is_none());
    }
    assert_eq!(paused.recall().len(), 3);
    assert!(paused.recall().is_empty());
    let taken = intake.take(10).await.unwrap();
    assert!(taken.len() == 3 && taken.iter().all(|taken| taken.job.subject == "open"));
    assert!(paused.put(job("resumed")).is_none());
    assert_eq!(intake.take(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn stale_jobs_are_handed_back() {
    let intake = Arc::new(Intake::default());
    let source = intake.add_source(&tenant("t"), 1, 0);
    assert!(source.put(job("a")).is_none());
    assert!(intake.stale(Duration::from_secs(60)).is_empty());
    assert_eq!(intake.stale(Duration::ZERO).len(), 1);
}

#[tokio::test]
async fn tenants_share_whatever_their_queues() {
    let intake = Arc::new(Intake::default());
    let many: Vec<_> = (0..6).map(|_| intake.add_source(&tenant("many"), 16, 0)).collect();
    let one = intake.add_source(&tenant("one"), 1, 0);
    for _ in 0..40 {
        assert!(many.iter().all(|source| source.put(job("many")).is_none()));
        assert!(one.put(job("one")).is_none());
    }
    let taken = intake.take(40).await.unwrap();
    let of_one = taken.iter().filter(|taken| taken.job.subject == "one").count();
    assert!((19..=21).contains(&of_one), "{of_one}");
}

#[tokio::test]
async fn a_strict_order_holds_within_a_tenant_and_starves_no_other() {
    let intake = Arc::new(Intake::default());
    let (urgent, later) = (intake.add_source(&tenant("a"), 1, 0), intake.add_source(&tenant("a"), 1, 1));
    let other = intake.add_source(&tenant("b"), 1, 1);
    for _ in 0..8 {
        assert!(urgent.put(job("urgent")).is_none() && later.put(job("later")).is_none());
        assert!(other.put(job("other")).is_none());
    }
    let taken = intake.take(16).await.unwrap();
    let count = |name| taken.iter().filter(|taken| taken.job.subject == name).count();
    assert_eq!((count("urgent"), count("later")), (8, 0));
    assert_eq!(count("other"), 8);
}

#[tokio::test]
async fn a_weight_holds_from_the_moment_it_is_set() {
    let intake = Arc::new(Intake::default());
    intake.set_share(&tenant("a"), Share { weight: 3, most: None });
    let (a, b) = (intake.add_source(&tenant("a"), 1, 0), intake.add_source(&tenant("b"), 1, 0));
    for _ in 0..80 {
        assert!(a.put(job("a")).is_none() && b.put(job("b")).is_none());
    }
    let of_a = |jobs: &[Taken]| jobs.iter().filter(|taken| taken.job.subject == "a").count();
    let first = intake.take(40).await.unwrap();
    assert!((29..=31).contains(&of_a(&first)), "{}", of_a(&first));
    drop(first);
    intake.set_share(&tenant("a"), Share { weight: 1, most: None });
    let second = intake.take(40).await.unwrap();
    assert!((19..=21).contains(&of_a(&second)), "{}", of_a(&second));
}

#[tokio::test]
async fn no_more_of_a_tenant_are_taken_or_asked_for_than_may_run() {
    let intake = Arc::new(Intake::default());
    intake.set_share(&tenant("a"), Share { weight: 1, most: Some(2) });
    let (a, b) = (intake.add_source(&tenant("a"), 1, 0), intake.add_source(&tenant("b"), 1, 0));
    assert_eq!(a.appetite(0), 2);
    for _ in 0..4 {
        assert!(a.put(job("a")).is_none() && b.put(job("b")).is_none());
    }
    let mut taken = intake.take(8).await.unwrap();
    assert_eq!(taken.iter().filter(|taken| taken.job.subject == "a").count(), 2);
    assert_eq!((taken.len(), a.appetite(0)), (6, 0));
    let place = taken.iter().position(|taken| taken.job.subject == "a").unwrap();
    drop(taken.remove(place));
    a.taken().await;
    assert_eq!(intake.take(8).await.unwrap().len(), 1, "one ended, one may start");
    intake.set_share(&tenant("a"), Share { weight: 1, most: None });
    assert_eq!(intake.take(8).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_removed_source_gives_back_what_waited_and_its_tenant_can_come_again() {
    let intake = Arc::new(Intake::default());
    let (gone, left) = (intake.add_source(&tenant("gone"), 1, 0), intake.add_source(&tenant("left"), 1, 0));
    for _ in 0..3 {
        assert!(gone.put(job("gone")).is_none() && left.put(job("left")).is_none());
    }
    let running = intake.take(2).await.unwrap();
    assert_eq!(gone.remove().len(), 2);
    assert_eq!((gone.put(job("late")).is_some(), gone.appetite(0)), (true, 0));
    assert!(gone.remove().is_empty());
    assert_eq!(intake.take(9).await.unwrap().len(), 2);
    assert_eq!(intake.lock().lines.len(), 2, "one of its jobs still runs");
    drop(running);
    {
        let inner = intake.lock();
        assert_eq!((inner.lines.len(), inner.names.len(), inner.sources.len()), (1, 1, 1));
    }
    let again = intake.add_source(&tenant("gone"), 1, 0);
    assert!(again.put(job("again")).is_none());
    assert_eq!(intake.take(9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_light_tenant_is_served_apart_while_another_holds_every_place() {
    let intake = Arc::new(Intake::default());
    let (heavy, light) = (intake.add_source(&tenant("heavy"), 1, 0), intake.add_source(&tenant("light"), 1, 0));
    assert!((0..8).all(|_| heavy.put(job("heavy")).is_none()));
    let running = intake.take(4).await.unwrap();
    // time that its jobs hold places, told instead of waited for
    intake.lock().shares.next(5_000_000);
    let (taken, ()) = tokio::join!(intake.take_light(), async {
        assert!(light.put(job("light")).is_none());
    });
    assert_eq!(taken.unwrap().job.subject, "light");
    drop(running);
    let (taken, _) = tokio::join!(intake.take_light(), async { intake.close() });
    assert!(taken.is_none());
}

#[tokio::test]
async fn a_light_tenants_job_is_left_to_a_free_thread_for_such_and_to_nobody_who_is_not_there() {
    let intake = Arc::new(Intake::default());
    let (heavy, light) = (intake.add_source(&tenant("heavy"), 1, 0), intake.add_source(&tenant("light"), 1, 0));
    assert!((0..3).all(|_| heavy.put(job("heavy")).is_none()));
    let running = intake.take(2).await.unwrap();
    intake.lock().shares.next(5_000_000);
    let mut waits = Box::pin(intake.take_light());
    assert!(futures::poll!(&mut waits).is_pending());
    assert!((0..2).all(|_| light.put(job("light")).is_none()));
    assert_eq!(intake.take(1).await.unwrap()[0].job.subject, "heavy");
    let mut any = Box::pin(intake.take(1));
    assert!(futures::poll!(&mut any).is_pending(), "what is left is for the free thread");
    let first = waits.await.unwrap();
    assert_eq!(first.job.subject, "light");
    let second = any.await.unwrap();
    assert_eq!(second[0].job.subject, "light", "no thread for light tenants is free any more");
    // one that was left for such a thread and is light no more, since nobody else holds places
    let mut waits = Box::pin(intake.take_light());
    assert!(futures::poll!(&mut waits).is_pending());
    drop((first, second));
    assert!(light.put(job("left")).is_none());
    drop(running);
    intake.lock().shares.next(10_000_000);
    assert!(futures::poll!(&mut waits).is_pending());
    assert_eq!(intake.take(1).await.unwrap()[0].job.subject, "left");
}
