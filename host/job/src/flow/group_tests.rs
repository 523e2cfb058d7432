//! Groups end once, whatever the order and however often an end is told.

use super::*;
use proptest::prelude::*;

const AT: UnixMs = UnixMs(7);

fn group(size: usize, policy: OnMemberFailure) -> GroupRecord {
    GroupRecord::new("g".parse().unwrap(), size, policy, "done".parse().unwrap(), AT).unwrap()
}

fn end(index: u32, good: bool) -> MemberEnd {
    let outcome = if good { OutcomeKind::Completed } else { OutcomeKind::Failed };
    MemberEnd { index, outcome, message: if good { String::new() } else { "no".into() } }
}

#[test]
fn a_group_has_between_one_and_ten_thousand_members() {
    let make = |size| GroupRecord::new("g".parse().unwrap(), size, OnMemberFailure::Fail, "d".parse().unwrap(), AT);
    assert!(make(0).unwrap_err().to_string().contains("no members"));
    assert!(make(1).is_ok() && make(10_000).is_ok());
    assert!(make(10_001).unwrap_err().to_string().contains("10000"));
}

#[test]
fn members_that_the_group_has_not_change_nothing() {
    let mut group = group(3, OnMemberFailure::Fail);
    assert!(!group.apply(&end(3, true), AT) && !group.apply(&end(9_999, false), AT));
    assert_eq!((group.ended_count(), group.failed_count), (0, 0));
}

#[test]
fn each_policy_says_what_a_failure_means() {
    for (policy, state, todo) in [
        (OnMemberFailure::Fail, GroupState::Failed, Todo::Fail),
        (OnMemberFailure::Cancel, GroupState::Failed, Todo::Fail),
        (OnMemberFailure::Continue, GroupState::Completed, Todo::Complete),
    ] {
        let mut group = group(2, policy);
        group.apply(&end(1, false), AT);
        let first = if policy == OnMemberFailure::Cancel { Todo::CancelRest } else { Todo::Nothing };
        assert_eq!((group.state, group.todo()), (GroupState::Running, first), "{policy:?}");
        group.done(first, AT);
        assert_eq!(group.todo(), Todo::Nothing);
        group.apply(&end(0, true), AT);
        assert_eq!((group.state, group.todo()), (state, todo), "{policy:?}");
        group.done(todo, AT);
        assert_eq!(group.todo(), Todo::Nothing);
        assert!(group.failure_text().contains("1 of 2 members of group g") && group.failure_text().contains("g_1"));
    }
}

#[test]
fn a_cancelled_group_stays_cancelled() {
    let mut group = group(2, OnMemberFailure::Continue);
    group.apply(&end(0, true), AT);
    assert!(group.cancel(AT) && !group.cancel(AT));
    assert_eq!((group.todo(), group.open().collect::<Vec<_>>()), (Todo::CancelRest, vec![1]));
    group.done(Todo::CancelRest, AT);
    group.apply(&end(1, true), AT);
    assert_eq!((group.state, group.todo()), (GroupState::Cancelled, Todo::Fail));
}

#[test]
fn failures_are_bounded() {
    let mut group = group(1_000, OnMemberFailure::Fail);
    for index in 0..1_000 {
        let message = "x".repeat(5_000);
        group.apply(&MemberEnd { index, outcome: OutcomeKind::Trapped, message }, AT);
    }
    assert_eq!((group.failed_count, group.failures.len()), (1_000, FAILURES_KEPT));
    assert!(serde_json::to_vec(&group).unwrap().len() < 64 * 1024);
}

#[test]
fn the_record_of_the_largest_group_reads_back() {
    let mut group = group(10_000, OnMemberFailure::Continue);
    (0..10_000).for_each(|index| assert!(group.apply(&end(index, index % 7 != 0), AT)));
    assert_eq!(group.state, GroupState::Completed);
    let stored = serde_json::to_string(&group).unwrap();
    assert!(stored.len() < 64 * 1024, "{}", stored.len());
    assert_eq!(serde_json::from_str::<GroupRecord>(&stored).unwrap(), group);
}

#[test]
fn places_read_back_and_others_are_refused() {
    let place: GroupPlace = "nightly_2/17".parse().unwrap();
    assert_eq!((place.to_string().as_str(), place.member().as_str()), ("nightly_2/17", "nightly_2_17"));
    assert!("g/9999".parse::<GroupPlace>().is_ok());
    for bad in ["", "g", "/1", "g/", "g/10000", "g/-1", "g/1/2", "a.b/1", "*/1", "g/1 "] {
        bad.parse::<GroupPlace>().unwrap_err();
    }
}

proptest! {
    /// Any order of ends and any repetition of them completes exactly when the last member has ended, and once.
    #[test]
    fn any_order_and_repetition_completes_once(
        size in 1usize..40,
        order in proptest::collection::vec((0u32..44, any::<bool>()), 0..400),
        policy in prop_oneof![Just(OnMemberFailure::Fail), Just(OnMemberFailure::Cancel), Just(OnMemberFailure::Continue)],
    ) {
        let mut group = group(size, policy);
        let mut first: std::collections::BTreeMap<u32, bool> = Default::default();
        let mut settled = 0;
        let all = order.into_iter().chain((0..44).map(|index| (index, true)));
        for (index, good) in all {
            let new = index < size as u32 && !first.contains_key(&index);
            prop_assert_eq!(group.apply(&end(index, good), AT), new);
            if new {
                first.insert(index, good);
            }
            // whoever looks does what is left; half of them stop before they can note it
            let todo = group.todo();
            let complete = first.len() == size;
            prop_assert_eq!(matches!(todo, Todo::Complete | Todo::Fail), complete && !group.settled);
            if good || complete {
                settled += usize::from(matches!(todo, Todo::Complete | Todo::Fail));
                group.done(todo, AT);
            }
        }
        let failed = first.values().filter(|good| !**good).count();
        let good = failed == 0 || policy == OnMemberFailure::Continue;
        prop_assert_eq!(settled, 1);
        prop_assert_eq!(group.failed_count as usize, failed);
        prop_assert_eq!(group.state, if good { GroupState::Completed } else { GroupState::Failed });
    }

    #[test]
    fn no_text_panics(text: String) {
        let _ = text.parse::<GroupPlace>();
        let _ = serde_json::from_str::<GroupRecord>(&text);
    }
}
