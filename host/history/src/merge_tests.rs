//! Results and letters in every order, and hostile ones.

use super::*;
use crate::samples::{ended, letter};
use lovage_job::outcome::OutcomeKind;

fn all(entries: &[Entry]) -> Stored {
    entries.iter().fold(None, |before, entry| Some(merge(before, entry))).unwrap()
}

/// Every order of the entries.
fn orders(entries: &[Entry]) -> Vec<Vec<Entry>> {
    match entries {
        [] => vec![vec![]],
        entries => (0..entries.len())
            .flat_map(|first| {
                let rest: Vec<Entry> = [&entries[..first], &entries[first + 1..]].concat();
                let first = entries[first].clone();
                orders(&rest).into_iter().map(move |tail| [vec![first.clone()], tail].concat())
            })
            .collect(),
    }
}

#[test]
fn the_order_of_results_and_letters_makes_no_difference() {
    let entries = [
        ended("acme", "j", 1_000, OutcomeKind::Failed),
        letter("acme", "j", 1_010),
        ended("acme", "j", 9_000, OutcomeKind::TimedOut),
        letter("acme", "j", 9_010),
    ];
    let expected = all(&entries);
    assert!(expected.row.dead && expected.row.outcome == OutcomeKind::TimedOut);
    for order in orders(&entries) {
        assert_eq!(all(&order), expected);
        assert_eq!(all(&[order.clone(), order].concat()), expected, "and again");
    }
}

#[test]
fn a_replay_that_completes_is_dead_no_more() {
    let entries = [
        ended("acme", "j", 1_000, OutcomeKind::Failed),
        letter("acme", "j", 1_010),
        ended("acme", "j", 9_000, OutcomeKind::Completed),
    ];
    for order in orders(&entries) {
        let stored = all(&order);
        assert!(!stored.row.dead && stored.row.outcome == OutcomeKind::Completed);
    }
    assert!(all(&entries[..2]).row.dead);
}

#[test]
fn a_letter_alone_speaks_for_itself() {
    let stored = all(&[letter("acme", "j", 1_010)]);
    assert!(stored.row.dead && stored.row.attempts == 2 && stored.trail.len() == 2);
    assert_eq!(stored.row.task.as_ref().map(|task| task.as_str()), Some("add"));
    assert_eq!(stored.row.tags, ["red"]);
}

#[test]
fn hostile_texts_and_numbers_are_bounded() {
    let Entry::Ended(mut ended) = ended("acme", "j", 1_000, OutcomeKind::Failed) else { panic!() };
    let record = &mut ended.result.record;
    record.worker = "w\0".repeat(1_000);
    record.tags = vec!["t\0".to_owned(); 40];
    record.finished = UnixMs(u64::MAX);
    record.attempt = u32::MAX;
    record.trace_id = Some("é'".repeat(16));
    record.meter.fuel_used = u64::MAX;
    ended.result.error = Some(JobError::new(OutcomeKind::Failed, "\u{1f980}\0".repeat(10_000)));
    let Stored { row, error_more, .. } = all(&[Entry::Ended(ended)]);
    assert!(row.worker.chars().count() == WORKER_MAX && !row.worker.contains('\0'));
    assert_eq!((row.tags, row.trace_id), (vec!["t\u{fffd}".to_owned()], None));
    assert!(row.finished.0 < 1 << 53 && row.attempts == 0x7fff_ffff && row.meter.fuel_used == 1 << 53);
    assert_eq!(row.error_message.unwrap().chars().count(), MESSAGE_MAX);
    let more = error_more.unwrap();
    assert!(more.len() < 16 * 1024 && !more.contains('\0'), "{}", more.len());
}
