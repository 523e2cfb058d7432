//! What is counted where.

use super::*;

fn queue(name: &str) -> QueueName {
    name.parse().unwrap()
}

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

#[test]
fn every_kind_has_its_place() {
    assert!(OutcomeKind::ALL.iter().enumerate().all(|(place, kind)| index(*kind) == place));
    assert!(PutBack::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
    assert!(Compiled::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
    assert!(BrokerFault::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
}

#[test]
fn jobs_of_queues_that_are_not_served_count_together() {
    let counters = Counters::new([&queue("mail")], None);
    let t = tenant("acme");
    for name in ["mail", "other", "third"] {
        counters.job_ended(&t, counters.place(name), OutcomeKind::Failed, true);
    }
    counters.job_ended(&t, counters.place("-"), OutcomeKind::Undecodable, false);
    let buried: Vec<_> = counters.queues().map(|(name, of)| (name.is_some(), of.buried.get())).collect();
    assert_eq!(buried, [(true, 1), (false, 2)]);
    let (_, others) = counters.queues().last().unwrap();
    assert_eq!(others.ended().map(|(_, count)| count).sum::<u64>(), 3);
}

#[test]
fn a_queue_that_comes_later_is_counted_by_itself_while_there_is_room() {
    let counters = Counters::new([&queue("mail")], None);
    for number in 0..60 {
        counters.serve(&queue(&format!("q{number}")));
        counters.serve(&queue("mail"));
    }
    assert_eq!(counters.queues().count(), QUEUES_MAX + 1);
    assert_ne!(counters.place("q0"), counters.place("q46"));
    assert_eq!(counters.place("q47"), counters.place("never"));
}

#[test]
fn an_attempt_is_counted_once_everywhere() {
    let counters = Counters::new([&queue("mail")], Some(1));
    let meter = Meter { fuel_used: 5, memory_peak_bytes: 1 << 20, wall_us: 700, egress_bytes: 3 };
    let waited = Duration::from_millis(2);
    counters.attempt_ended(
        &tenant("acme"),
        (counters.place("mail"), Lane::Low),
        OutcomeKind::Completed,
        (&meter, waited),
    );
    let (_, of) = counters.queues().next().unwrap();
    assert_eq!((of.attempt_us.read().sum, counters.fuel_used.get(), counters.egress_bytes.get()), (700, 5, 3));
    let waits: Vec<_> = of.waits().map(|(lane, waits)| (lane, waits.read().sum)).collect();
    assert_eq!(waits, [(Lane::High, 0), (Lane::Normal, 0), (Lane::Low, 2_000)]);
}

#[test]
fn tenants_past_the_most_count_together() {
    let counters = Counters::new([], Some(2));
    for name in ["a", "b", "c", "d", "a"] {
        counters.job_ended(&tenant(name), counters.place("mail"), OutcomeKind::Completed, false);
    }
    let read = counters.tenants().unwrap().read();
    let seen: Vec<_> = read.iter().map(|of| (of.tenant.as_str(), of.ended[0].1)).collect();
    assert_eq!(seen, [("a", 2), ("b", 1), (OTHER_TENANTS, 2)]);
}
