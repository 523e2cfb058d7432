//! Schedules as values under a condition; no worker plans here.

use crate::support::{World, job, now};
use async_nats::jetstream::kv;
use lovage_client::{NewSchedule, Put, ScheduleFault};
use lovage_job::schedule::{Missed, Overlap, ScheduleError, ScheduleInput, TimingText};
use lovage_job::subject::asset;
use std::time::Duration;

async fn world() -> World {
    let world = World::new().await;
    for bucket in [asset::SCHEDULES, asset::TICKS] {
        let limit_markers = Some(Duration::from_secs(60));
        let config = kv::Config { bucket: bucket.to_owned(), history: 1, limit_markers, ..kv::Config::default() };
        world.js.create_key_value(config).await.unwrap();
    }
    world
}

fn hourly(name: &str) -> NewSchedule {
    let timing = TimingText::cron("@hourly", Some("Europe/Berlin")).unwrap();
    NewSchedule::new(name.parse().unwrap(), timing, job().tag("a").retries(2))
}

#[tokio::test]
async fn a_schedule_is_added_changed_and_removed() {
    let world = world().await;
    let client = &world.client;
    let (added, put) = client.put_schedule(hourly("tidy")).await.unwrap();
    assert_eq!((put, added.revision, added.missed, added.overlap), (Put::Added, 1, Missed::One, Overlap::Allow));
    assert_eq!(client.put_schedule(hourly("tidy")).await.unwrap().1, Put::Same);
    let (changed, put) = client.put_schedule(hourly("tidy").overlap(Overlap::Skip)).await.unwrap();
    assert_eq!((put, changed.revision), (Put::Changed, 2));
    assert!(changed.since > added.since, "each change begins anew");
    client.put_schedule(hourly("also")).await.unwrap();
    let names: Vec<_> = client.schedules().await.unwrap().into_iter().map(|record| record.name.to_string()).collect();
    assert_eq!(names, ["also", "tidy"]);
    client.remove_schedule(&changed.name).await.unwrap();
    assert_eq!(client.schedule(&changed.name).await.unwrap(), None);
    let gone = client.remove_schedule(&"tide".parse().unwrap()).await.unwrap_err();
    assert!(matches!(gone, ScheduleFault::Unknown { .. }), "{gone}");
    assert_eq!(client.put_schedule(hourly("tidy")).await.unwrap().1, Put::Added);
}

#[tokio::test]
async fn changes_at_once_do_not_undo_each_other() {
    let world = world().await;
    let client = &world.client;
    let name = client.put_schedule(hourly("busy")).await.unwrap().0.name;
    let put = |deadline| client.put_schedule(hourly("busy").deadline(Duration::from_secs(deadline)));
    let (one, two, three) = tokio::join!(put(10), put(20), client.pause_schedule(&name, true));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    let last = client.schedule(&name).await.unwrap().unwrap();
    assert_eq!((last.revision, last.paused), (4, true), "each of the three is there");
}

#[tokio::test]
async fn what_only_a_single_job_has_is_refused() {
    let world = world().await;
    let refused = async |schedule: NewSchedule| world.client.put_schedule(schedule).await.unwrap_err();
    let with = |job| NewSchedule { job, ..hourly("bad") };
    for job in [
        job().id("x".parse().unwrap()),
        job().unique(lovage_client::Unique::active("k")),
        job().delay(Duration::from_secs(5)),
        job().at(now()),
    ] {
        assert!(matches!(refused(with(job)).await, ScheduleFault::OfOneJob(_)));
    }
    let large = job().unchecked();
    let large = with(lovage_client::NewJob { payload: vec![b'x'; 256 * 1024 + 1].into(), ..large });
    assert!(matches!(refused(large).await, ScheduleFault::Invalid(ScheduleError::Input(_))));
    for deadline in [Duration::ZERO, Duration::from_secs(86_401)] {
        let late = refused(hourly("bad").deadline(deadline)).await;
        assert!(matches!(late, ScheduleFault::Invalid(ScheduleError::Deadline(_))), "{late}");
    }
    assert!(world.client.schedules().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_by_hand_is_a_job_of_the_schedule() {
    let world = world().await;
    let name = world.client.put_schedule(hourly("tidy")).await.unwrap().0.name;
    let id = world.client.run_schedule(&name).await.unwrap();
    assert!(id.as_str().starts_with("tidy-now-"), "{id}");
    assert_eq!(world.queued().await, 1);
    assert_eq!(world.client.last_run(&name).await.unwrap(), Some(id));
}

#[tokio::test]
async fn a_broker_without_schedules_says_so() {
    let world = World::new().await;
    let fault = world.client.put_schedule(hourly("early")).await.unwrap_err();
    assert!(matches!(fault, ScheduleFault::NoBucket), "{fault}");
    assert!(world.client.schedules().await.unwrap().is_empty());
}

#[test]
fn any_bytes_are_kept() {
    for bytes in [&b"{}"[..], b"", b"\xff\x00"] {
        assert_eq!(ScheduleInput::of(bytes).unwrap().bytes().unwrap(), bytes);
    }
}
