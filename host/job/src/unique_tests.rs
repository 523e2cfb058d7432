use super::*;
use proptest::prelude::*;

fn entry(at: u64, due: u64, certain: bool) -> Entry {
    Entry { id: "j".parse().unwrap(), at: UnixMs(at), due: UnixMs(due), first: UnixMs(at), certain }
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const SEEN: [Seen; 4] = [Seen::Delayed, Seen::Active, Seen::Ended, Seen::Unknown];

#[test]
fn a_window_ends_at_its_end_and_not_before() {
    let (rule, entry) = (Rule::Window(secs(10)), entry(1_000, 1_000, true));
    for (now, verdict) in
        [(1_000, Verdict::Existing), (10_999, Verdict::Existing), (11_000, Verdict::TakeOver), (0, Verdict::Existing)]
    {
        for seen in SEEN {
            assert_eq!(rule.decide(&entry, seen, UnixMs(now)), verdict, "{now} {seen:?}");
        }
    }
}

#[test]
fn a_throttle_counts_from_when_the_job_may_start() {
    let (rule, entry) = (Rule::Throttle(secs(10)), entry(1_000, 61_000, true));
    assert_eq!(rule.decide(&entry, Seen::Delayed, UnixMs(70_999)), Verdict::Existing);
    assert_eq!(rule.decide(&entry, Seen::Ended, UnixMs(71_000)), Verdict::TakeOver);
    assert!(rule.kept(&entry, UnixMs(1_000)) >= secs(70));
}

#[test]
fn an_active_job_holds_its_key_until_it_ends() {
    let entry = entry(1, 1, true);
    let verdicts = SEEN.map(|seen| Rule::Active.decide(&entry, seen, UnixMs(u64::MAX)));
    assert_eq!(verdicts, [Verdict::Existing, Verdict::Existing, Verdict::TakeOver, Verdict::TakeOver]);
}

#[test]
fn a_debounce_replaces_only_what_is_still_delayed() {
    let (rule, entry) = (Rule::Debounce { delay: secs(5), most: Some(secs(8)) }, entry(1_000, 6_000, true));
    let at = |now, seen| rule.decide(&entry, seen, UnixMs(now));
    assert_eq!(at(2_000, Seen::Delayed), Verdict::Replace { due: UnixMs(7_000) });
    assert_eq!(at(4_000, Seen::Delayed), Verdict::Replace { due: UnixMs(9_000) }, "at the cap");
    assert_eq!(at(5_000, Seen::Delayed), Verdict::Replace { due: UnixMs(9_000) }, "past the cap");
    for seen in [Seen::Active, Seen::Ended, Seen::Unknown] {
        assert_eq!(at(2_000, seen), Verdict::TakeOver);
    }
}

#[test]
fn a_job_that_was_never_published_is_adopted() {
    for rule in
        [Rule::Window(secs(10)), Rule::Throttle(secs(10)), Rule::Active, Rule::Debounce { delay: secs(5), most: None }]
    {
        assert_eq!(rule.decide(&entry(1, 1, false), Seen::Unknown, UnixMs(2)), Verdict::Adopt, "{rule:?}");
    }
}

#[test]
fn keys_and_spans_have_bounds() {
    let key = |length: usize| Unique::active("k".repeat(length)).check();
    assert!(key(1).is_ok() && key(256).is_ok());
    assert_eq!((key(0), key(257)), (Err(UniqueError::Key(0)), Err(UniqueError::Key(257))));
    let window = |span| Unique::idempotent("k", span).check();
    assert!(window(secs(1)).is_ok() && window(secs(366 * 86_400)).is_ok());
    for bad in [Duration::ZERO, Duration::from_millis(999), secs(366 * 86_400 + 1), Duration::MAX] {
        window(bad).unwrap_err();
        Unique::throttle("k", bad).check().unwrap_err();
        Unique::debounce("k", bad).check().unwrap_err();
        Unique::debounce("k", secs(5)).at_most(bad).check().unwrap_err();
    }
    Unique::debounce("k", secs(5)).at_most(secs(4)).check().unwrap_err();
    Unique::debounce("k", secs(5)).at_most(secs(5)).check().unwrap();
}

#[test]
fn an_entry_has_a_name_of_its_own_for_each_rule_task_and_key() {
    let (add, sub): (TaskName, TaskName) = ("add".parse().unwrap(), "sub".parse().unwrap());
    let one = Unique::active("order 7");
    assert_eq!(one.digest(&add), Unique::active("order 7").digest(&add));
    for other in
        [one.digest(&sub), Unique::active("order 8").digest(&add), Unique::throttle("order 7", secs(1)).digest(&add)]
    {
        assert_ne!(one.digest(&add), other);
    }
    assert!(Unique::active("\r\n*.>").digest(&add).chars().all(|c| c.is_ascii_hexdigit()));
}

#[test]
fn an_entry_reads_back_also_without_what_came_later() {
    let entry = entry(1, 2, true);
    let text = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    let old: Entry = serde_json::from_str(r#"{"id":"j","at":1,"due":2,"first":1}"#).unwrap();
    assert!(!old.certain);
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let span = (1u64..31_000_000).prop_map(Duration::from_secs);
    prop_oneof![
        span.clone().prop_map(Rule::Window),
        Just(Rule::Active),
        span.clone().prop_map(Rule::Throttle),
        (span.clone(), proptest::option::of(span)).prop_map(|(delay, most)| Rule::Debounce { delay, most }),
    ]
}

proptest! {
    #[test]
    fn a_new_job_never_comes_while_the_key_holds(
        rule in any_rule(), at in 0u64..1 << 42, delay in 0u64..1 << 36, passed in 0u64..1 << 37, certain: bool, place in 0usize..4,
    ) {
        let (entry, now, seen) = (entry(at, at + delay, certain), UnixMs(at + passed), SEEN[place]);
        let verdict = rule.decide(&entry, seen, now);
        let holds = match rule {
            Rule::Window(window) => passed < u64::try_from(window.as_millis()).unwrap(),
            Rule::Throttle(window) => passed < delay + u64::try_from(window.as_millis()).unwrap(),
            Rule::Active => matches!(seen, Seen::Delayed | Seen::Active) || !certain && seen == Seen::Unknown,
            Rule::Debounce { .. } => seen == Seen::Delayed || !certain && seen == Seen::Unknown,
        };
        prop_assert_eq!(verdict == Verdict::TakeOver, !holds);
        // what is not looked at makes no difference to whether there is a new job
        if !rule.needs_look(&entry, now) {
            let blind = rule.decide(&entry, Seen::Unknown, now);
            prop_assert_eq!(blind == Verdict::TakeOver, !holds);
        }
    }

    #[test]
    fn a_postponed_job_is_due_within_its_delay_and_cap(delay in 1u64..1_000_000, most in 1u64..1_000_000, passed in 0u64..2_000_000) {
        let (delay, most) = (secs(delay), secs(most).max(secs(delay)));
        let (entry, now) = (entry(1_000, 1_000, true), UnixMs(1_000 + passed));
        let rule = Rule::Debounce { delay, most: Some(most) };
        let Verdict::Replace { due } = rule.decide(&entry, Seen::Delayed, now) else { panic!("not replaced") };
        prop_assert!(due <= now.after(delay) && due <= entry.first.after(most));
    }

    #[test]
    fn an_entry_outlives_its_window(rule in any_rule(), delay in 0u64..1 << 36) {
        let entry = entry(1_000, 1_000 + delay, true);
        let gone = entry.at.after(rule.kept(&entry, entry.at));
        if matches!(rule, Rule::Window(_) | Rule::Throttle(_)) {
            prop_assert_eq!(rule.decide(&entry, Seen::Ended, gone), Verdict::TakeOver);
        }
        if !matches!(rule, Rule::Window(_)) {
            prop_assert!(gone > entry.due);
        }
    }
}
