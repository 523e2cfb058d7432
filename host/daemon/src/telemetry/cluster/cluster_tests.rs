//! What is told of a picture.

use super::*;
use lovage_job::subject::Lane;

fn picture() -> Picture {
    let mut picture = Picture::default();
    for (tenant, waiting) in [("a", 1), ("b", 5), ("c", 3)] {
        let stored = [(Asset::Dead, (waiting, 10))].into_iter().collect();
        let state = TenantState { waiting, stored, unserved: waiting, fill: 0.25, ..TenantState::default() };
        picture.tenants.insert(tenant.parse().unwrap(), state);
    }
    let state = QueueState { waiting: 9, unsettled: 2, oldest: Some(now()) };
    picture.queues.insert(("mail".parse().unwrap(), Lane::Normal), state);
    picture.queues.insert(("mail".parse().unwrap(), Lane::Low), QueueState::default());
    picture
}

#[test]
fn a_queue_without_workers_is_told_as_such() {
    let mut samples = Samples::default();
    tell(&mut samples, &picture());
    assert_eq!(samples.get(&QUEUE_WORKERS, &["mail"]), Some(0.0));
    assert_eq!(samples.get(&QUEUE_WAITING, &["mail", "normal"]), Some(9.0));
    assert_eq!(samples.get(&QUEUE_OLDEST, &["mail", "low"]), Some(0.0));
    assert_eq!(samples.get(&DEAD_LETTERS_STORED, &[]), Some(9.0));
    assert_eq!(samples.get(&JOBS_UNSERVED, &[]), Some(9.0));
    assert_eq!(samples.get(&STREAM_FILL, &[]), Some(0.25));
    assert_eq!(samples.get(&WORKERS, &["running"]), Some(0.0));
}

#[test]
fn the_busiest_tenants_are_named_and_the_rest_is_added_up() {
    let mut samples = Samples::default();
    tell_tenants(&mut samples, &picture(), 1);
    let waiting = |tenant| samples.get(&TENANT_WAITING, &[tenant]);
    assert_eq!([waiting("b"), waiting("a"), waiting(OTHER_TENANTS)], [Some(5.0), None, Some(4.0)]);
    assert_eq!(samples.get(&TENANT_STORED_BYTES, &[OTHER_TENANTS]), Some(20.0));
}

#[test]
fn streams_of_others_are_none_of_ours() {
    let of = |name| Asset::of_stream(name).map(|(asset, tenant)| (asset.as_str(), tenant.to_string()));
    assert_eq!(of("JOBS_acme"), Some(("jobs", "acme".to_owned())));
    assert_eq!(of("KV_results-a-b"), Some(("results", "a-b".to_owned())));
    for other in ["JOBS_", "JOBS_a.b", "KV_catalog", "METER", "orders"] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn of_many_queues_the_busiest_are_kept() {
    let picture = picture();
    let kept: Vec<_> = picture.busiest_queues(1).into_iter().map(|((_, lane), _)| *lane).collect();
    assert_eq!(kept, [Lane::Normal]);
}
