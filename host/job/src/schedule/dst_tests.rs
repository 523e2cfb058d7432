//! The ticks of real schedules over the days on which clocks change, and what holds for all of them.

use super::*;
use crate::unit::UnixMs;
use proptest::prelude::*;
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_795_000_000_000);

fn at(text: &str) -> UnixMs {
    UnixMs::from_rfc3339(text).unwrap()
}

fn ticks(expression: &str, zone: &str, from: &str, most: usize) -> Vec<String> {
    let timing = TimingText::cron(expression, Some(zone)).unwrap().ready().unwrap();
    timing.next(at(from), most).into_iter().map(|tick| tick.to_rfc3339().replace(".000Z", "Z")).collect()
}

#[test]
fn a_fixed_time_that_the_clock_leaves_out_runs_once_right_after() {
    // Berlin goes from 02:00 to 03:00 at 01:00Z
    let berlin = ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
    assert_eq!(berlin, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    // two of them in the same gap are one
    let two = ticks("15,45 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
    assert_eq!(two, ["2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"]);
    // and so are one in the gap and one right after it
    let right = ticks("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
    assert_eq!(right, ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]);
    let york = ticks("30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 2);
    assert_eq!(york, ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
}

#[test]
fn a_fixed_time_that_comes_twice_runs_the_first_time_only() {
    // Berlin goes from 03:00 back to 02:00 at 01:00Z
    let berlin = ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 2);
    assert_eq!(berlin, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    let list = ticks("30 2,14 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 2);
    assert_eq!(list, ["2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z"]);
    let seconds = ticks("5 30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 2);
    assert_eq!(seconds, ["2026-10-25T00:30:05Z", "2026-10-26T01:30:05Z"]);
    let york = ticks("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2);
    assert_eq!(york, ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    // asked from within the second pass, the next one is that of the next day
    let later = ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1);
    assert_eq!(later, ["2026-10-26T01:30:00Z"]);
}

#[test]
fn intervals_follow_real_time() {
    let gap = ticks("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4);
    assert_eq!(gap, ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"]);
    let fold = ticks("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4);
    assert_eq!(fold, ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]);
    let hourly = ticks("@hourly", "America/New_York", "2026-11-01T04:30:00Z", 3);
    assert_eq!(hourly, ["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"]);
    let five = TimingText::cron("*/5 * * * *", Some("America/New_York")).unwrap().ready().unwrap();
    for day in ["2026-03-08T00:00:00Z", "2026-11-01T00:00:00Z"] {
        let mut last = at(day);
        for tick in five.next(last, 24 * 12) {
            assert_eq!(tick.since(last), Duration::from_secs(300), "{}", tick.to_rfc3339());
            last = tick;
        }
    }
}

#[test]
fn nicknames_names_and_seconds_are_taken() {
    assert_eq!(ticks("@daily", "UTC", "2026-11-23T10:00:00Z", 1), ["2026-11-24T00:00:00Z"]);
    assert_eq!(ticks("0 9 * * MON-FRI", "UTC", "2026-11-27T10:00:00Z", 1), ["2026-11-30T09:00:00Z"]);
    assert_eq!(
        ticks("*/20 * * * * *", "UTC", "2026-11-23T10:00:01Z", 2),
        ["2026-11-23T10:00:20Z", "2026-11-23T10:00:40Z"]
    );
    assert_eq!(ticks("0 0 29 2 *", "UTC", "2026-11-23T10:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
}

#[test]
fn what_makes_no_sense_is_refused_and_told() {
    for (bad, told) in [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 0 0 1 1 * 2026", "7 fields"),
        ("61 * * * *", "not valid"),
        ("60 0 0 1 1 *", "not valid"),
        ("* * * * * x", "not valid"),
        ("a b c d e", "not valid"),
        ("@never", "@never is not a name"),
        ("-5 * * * *", "not valid"),
    ] {
        let error = TimingText::parse(bad, None, NOW).unwrap_err().to_string();
        assert!(error.contains(told), "{bad:?}: {error}");
    }
    for bad in ["@every 0s", "@every 999ms", "@every 366d"] {
        assert!(matches!(TimingText::parse(bad, None, NOW), Err(ScheduleError::Interval(_))), "{bad}");
    }
    for good in ["@every 1s", "@every 365d", "@every 1h30m"] {
        TimingText::parse(good, None, NOW).unwrap();
    }
    for bad in ["@every", "@every -5s", "@every 5"] {
        assert!(matches!(TimingText::parse(bad, None, NOW), Err(ScheduleError::Unit(_))), "{bad}");
    }
    assert!(matches!(TimingText::parse("2020-01-01T00:00:00Z", None, NOW), Err(ScheduleError::Past(_))));
    assert!(matches!(TimingText::parse("@every 5s", Some("UTC"), NOW), Err(ScheduleError::ZoneWithout(_))));
    assert!(matches!(TimingText::parse("@daily", Some("Mars/Base"), NOW), Err(ScheduleError::Zone { .. })));
}

fn record(timing: &str, missed: Missed) -> ScheduleRecord {
    let definition = Definition {
        timing: TimingText::parse(timing, None, NOW).unwrap(),
        task: "t".parse().unwrap(),
        queue: "q".parse().unwrap(),
        lane: crate::subject::Lane::Normal,
        headers: vec![("Lovage-Retries".into(), "2".into())],
        input: ScheduleInput::of(b"1").unwrap(),
    };
    ScheduleRecord { missed, ..ScheduleRecord::new("nightly".parse().unwrap(), definition, NOW) }
}

#[test]
fn ticks_that_nobody_planned_follow_the_policy() {
    let hour = |n: u64| UnixMs(NOW.0 + n * 3_600_000);
    let now = UnixMs(hour(5).0 + 1_800_000);
    let planned = |missed| plan(&record("@every 1h", missed), &timing(), None, now).unwrap().ticks;
    fn timing() -> Timing {
        record("@every 1h", Missed::One).check().unwrap()
    }
    assert_eq!(planned(Missed::Skip), [hour(6)]);
    assert_eq!(planned(Missed::One), [hour(5), hour(6)]);
    assert_eq!(planned(Missed::All(3)), [hour(3), hour(4), hour(5), hour(6)]);
    assert_eq!(planned(Missed::All(1000)), [hour(1), hour(2), hour(3), hour(4), hour(5), hour(6)]);
    // one that is not late yet is run whatever the policy
    let soon = plan(&record("@every 1h", Missed::Skip), &timing(), None, UnixMs(hour(5).0 + 59_000)).unwrap();
    assert_eq!(soon.ticks, [hour(5), hour(6)]);
    // a year of seconds is no year of work
    let long = plan(
        &record("@every 1s", Missed::One),
        &record("@every 1s", Missed::One).check().unwrap(),
        None,
        UnixMs(NOW.0 + 31_536_000_000),
    );
    assert!(long.unwrap().ticks.len() < 200);
}

#[test]
fn a_paused_or_planned_schedule_needs_nothing() {
    let record = record("@every 1h", Missed::One);
    let timing = record.check().unwrap();
    let first = plan(&record, &timing, None, NOW).unwrap();
    assert_eq!(first.ticks.len(), 1);
    assert_eq!(plan(&record, &timing, Some(first.cursor), NOW), None);
    assert_eq!(plan(&ScheduleRecord { paused: true, ..record.clone() }, &timing, None, NOW), None);
    // another definition begins anew
    let edited = ScheduleRecord { since: UnixMs(NOW.0 + 1), ..record };
    assert!(plan(&edited, &timing, Some(first.cursor), NOW).is_some());
}

#[test]
fn a_change_that_changes_nothing_is_none() {
    let before = record("@every 1h", Missed::One);
    let later = UnixMs(NOW.0 + 5_500);
    let mut same = record("@every 1h", Missed::One);
    same.definition.timing = TimingText::parse("@every 1h", None, later).unwrap();
    assert_eq!(same.clone().replacing(&before, later), None);
    let after = ScheduleRecord { missed: Missed::Skip, ..same }.replacing(&before, later).unwrap();
    assert_eq!((after.since, after.revision), (later, 2));
    assert_eq!(after.definition.timing, before.definition.timing, "the intervals go on");
    let text = serde_json::to_string(&after).unwrap();
    assert_eq!(serde_json::from_str::<ScheduleRecord>(&text).unwrap(), after);
}

fn expressions() -> impl Strategy<Value = String> {
    let field = |most: u32| {
        prop_oneof![
            3 => (0..most).prop_map(|n| n.to_string()),
            1 => (0..most, 0..most).prop_map(|(a, b)| format!("{a},{b}")),
            1 => (2u32..15).prop_map(|step| format!("*/{step}")),
            1 => Just("*".to_owned()),
        ]
    };
    (field(60), field(24)).prop_map(|(minute, hour)| format!("{minute} {hour} * * *"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ticks_rise_and_are_found_again(expression in expressions(), zone in 0usize..4, day in 0u64..700) {
        let zone = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"][zone];
        let timing = TimingText::cron(&expression, Some(zone)).unwrap().ready().unwrap();
        let from = UnixMs(1_767_225_600_000 + day * 86_400_000);
        let mut last = from;
        for tick in timing.next(from, 40) {
            prop_assert!(tick > last);
            prop_assert!(timing.ticks_at(tick), "{} {expression}", tick.to_rfc3339());
            prop_assert_eq!(timing.until(UnixMs(tick.0 + 999)), Some(tick));
            if last > from {
                prop_assert_eq!(timing.until(UnixMs(tick.0 - 1)), Some(last));
            }
            last = tick;
        }
    }

    #[test]
    fn plans_lose_no_tick_and_repeat_none(step in 1u64..50, stops in prop::collection::vec(0u64..200, 1..20)) {
        // planned at any times, a schedule that makes up for everything has every tick once
        let every = Duration::from_secs(step);
        let record = ScheduleRecord { missed: Missed::All(1000), ..record(&format!("@every {}s", step), Missed::One) };
        let timing = record.check().unwrap();
        let (mut cursor, mut now, mut all) = (None, NOW, Vec::new());
        for stop in stops {
            now = now.after(Duration::from_secs(stop));
            while let Some(plan) = plan(&record, &timing, cursor, now) {
                all.extend(plan.ticks);
                cursor = Some(plan.cursor);
            }
        }
        let expected: Vec<UnixMs> = timing.next(NOW, all.len());
        prop_assert_eq!(&all, &expected);
        prop_assert!(all.last().is_some_and(|last| *last > now), "the next one is planned");
        prop_assert!(all.windows(2).all(|pair| pair[1].since(pair[0]) == every));
    }

    #[test]
    fn planner_and_worker_agree_on_what_is_missed(late_by in 0u64..100_000, most in 1u32..50) {
        let record = record("@every 7s", Missed::All(most));
        let timing = record.check().unwrap();
        let now = UnixMs(NOW.0 + late_by * 10);
        let mut cursor = None;
        let mut planned = Vec::new();
        while let Some(plan) = plan(&record, &timing, cursor, now) {
            planned.extend(plan.ticks);
            cursor = Some(plan.cursor);
        }
        let run: Vec<UnixMs> = timing.next(NOW, 200_000).into_iter().take_while(|tick| *tick <= now)
            .filter(|tick| late(&timing, record.missed, record.deadline, *tick, now) == Late::Run).collect();
        planned.retain(|tick| *tick <= now);
        prop_assert_eq!(planned, run);
    }

    #[test]
    fn no_text_panics(text: String) {
        let _ = TimingText::parse(&text, Some(&text), NOW);
        let _ = TimingText::parse(&text, None, NOW);
        let _ = text.parse::<Missed>();
        let _ = text.parse::<Overlap>();
    }
}
