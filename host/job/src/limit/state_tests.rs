use super::*;
use proptest::prelude::*;

fn job(number: u64) -> JobId {
    JobId::from_stream(1, number)
}

fn at(seconds: u64) -> UnixMs {
    UnixMs(1_700_000_000_000 + seconds * 1_000)
}

#[test]
fn no_more_than_the_limit_get_a_permit_and_a_release_makes_room() {
    let mut state = LimitState::default();
    assert!(state.acquire(&job(1), "a", 2, at(0)) && state.acquire(&job(2), "b", 2, at(0)));
    assert!(!state.acquire(&job(3), "a", 2, at(0)));
    state.trim("b", 0);
    state.trim("b", 0);
    assert!(state.acquire(&job(3), "a", 2, at(1)));
    assert_eq!((state.used(), state.room(2), state.room(5)), (2, 0, 3));
}

#[test]
fn permits_of_a_silent_worker_lapse_and_renewed_ones_do_not() {
    let mut state = LimitState::default();
    assert!(state.acquire(&job(1), "dead", 2, at(0)) && state.acquire(&job(2), "live", 2, at(0)));
    state.renew("live", 1, 2, at(40));
    assert!(!state.acquire(&job(3), "next", 2, at(59)));
    assert!(state.acquire(&job(3), "next", 2, at(60)), "the dead one's permit");
    assert!(!state.acquire(&job(4), "next", 2, at(60)), "the live one's goes on");
}

#[test]
fn lapsed_permits_are_renewed_only_into_room() {
    let mut state = LimitState::default();
    assert!(state.acquire(&job(1), "slow", 1, at(0)));
    assert!(state.acquire(&job(2), "quick", 1, at(61)));
    state.renew("slow", 1, 1, at(62));
    assert_eq!(state.used(), 1, "it lapsed and someone else has it");
    state.trim("quick", 0);
    state.renew("slow", 1, 1, at(63));
    assert_eq!(state.used(), 1, "there was room again");
}

#[test]
fn a_kept_place_is_for_its_job_and_lapses() {
    let mut state = LimitState::default();
    assert!(state.reserve(&job(7), 1, at(0)) && !state.reserve(&job(7), 2, at(0)));
    assert!(!state.acquire(&job(8), "a", 1, at(1)), "a newcomer does not take it");
    assert!(state.acquire(&job(7), "a", 1, at(1)));
    state.trim("a", 0);
    assert!(state.reserve(&job(9), 1, at(2)));
    assert!(!state.acquire(&job(8), "a", 1, at(21)));
    assert!(state.acquire(&job(8), "a", 1, at(22)), "job 9 did not come");
}

#[test]
fn places_of_a_rate_are_evenly_spread_and_a_burst_is_as_stated() {
    let (even, burst): (Rate, Rate) = ("10/1s".parse().unwrap(), "10/1s,burst=3".parse().unwrap());
    let mut state = LimitState::default();
    let places: Vec<u64> = (0..4).map(|_| state.place(&even, at(0)).0 - at(0).0).collect();
    assert_eq!(places, [0, 100, 200, 300]);
    let places: Vec<u64> = (0..5).map(|_| state.place(&burst, at(0)).0 - at(0).0).collect();
    assert_eq!(places, [0, 0, 0, 100, 200], "and another rate begins anew");
    assert_eq!(state.place(&burst, at(9)), at(9), "an idle limit owes nothing");
}

#[test]
fn a_refusal_is_noted_for_a_while_and_rarely() {
    let mut state = LimitState::default();
    state.want(at(0));
    let noted = state.clone();
    state.want(at(60));
    assert_eq!(state, noted, "not written again so soon");
    state.want(at(61));
    assert_ne!(state, noted);
    state.expire(at(211));
    assert!(!state.is_wanted());
}

#[test]
fn records_read_back_and_are_kept_as_long_as_they_matter() {
    let mut state = LimitState::default();
    assert_eq!(state.kept_for(at(0)), Duration::from_secs(60));
    assert!(state.acquire(&job(1), "a", 3, at(0)) && state.reserve(&job(2), 3, at(0)));
    state.want(at(0));
    state.place(&"1/1h".parse().unwrap(), at(0));
    let bytes = serde_json::to_vec(&state).unwrap();
    assert_eq!(LimitState::from_json(&bytes).unwrap(), state);
    assert_eq!(state.kept_for(at(0)), Duration::from_secs(3_660));
    for bad in [&b"x"[..], br#"{"holders":{"a":{"count":-1,"until":0}}}"#, br#"{"more":1}"#] {
        LimitState::from_json(bad).unwrap_err();
    }
    LimitState::from_json(&vec![b' '; BYTES_MAX + 1]).unwrap_err();
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Start { instance: usize, job: u64 },
    End { instance: usize },
    Crash { instance: usize },
    Renew { instance: usize },
    Keep { job: u64 },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 0..12u64).prop_map(|(instance, job)| Step::Start { instance, job }),
        (0..3usize).prop_map(|instance| Step::End { instance }),
        (0..3usize).prop_map(|instance| Step::Crash { instance }),
        (0..3usize).prop_map(|instance| Step::Renew { instance }),
        (0..12u64).prop_map(|job| Step::Keep { job }),
        (0..15u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

proptest! {
    #[test]
    fn never_more_than_the_limit_run(most in 1..4u32, steps in prop::collection::vec(step(), 0..200)) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let mut state = LimitState::default();
        // what truly runs: an instance renews every 20 s as the worker does, so only a crashed one's lapse
        let mut held = [0u32; 3];
        let mut time = 0;
        for step in steps {
            match step {
                Step::Start { instance, job: number } => {
                    let granted = state.acquire(&job(number), NAMES[instance], most, at(time));
                    held[instance] += u32::from(granted);
                }
                Step::End { instance } => {
                    held[instance] = held[instance].saturating_sub(1);
                    state.trim(NAMES[instance], held[instance]);
                    let once = state.clone();
                    state.trim(NAMES[instance], held[instance]);
                    prop_assert_eq!(&once, &state, "a repeated release changes nothing");
                }
                Step::Crash { instance } => held[instance] = 0,
                Step::Renew { instance } => state.renew(NAMES[instance], held[instance], most, at(time)),
                Step::Keep { job: number } => {
                    state.expire(at(time));
                    state.reserve(&job(number), most, at(time));
                }
                Step::Pass { seconds } => {
                    time += seconds;
                    for (instance, name) in NAMES.iter().enumerate() {
                        state.renew(name, held[instance], most, at(time));
                    }
                }
            }
            let running: u32 = held.iter().sum();
            prop_assert!(running <= most, "{} run of {}", running, most);
            prop_assert!(state.used() <= most);
        }
        time += 61;
        state.expire(at(time));
        prop_assert_eq!(state.used(), 0, "silence gives everything back");
    }

    #[test]
    fn no_span_holds_more_places_than_stated(
        count in 1..40u32, seconds in 1..20u64, burst in 1..40u32,
        gaps in prop::collection::vec(0..3_000u64, 1..200),
    ) {
        let burst = burst.min(count);
        let rate = Rate::new(count, Duration::from_secs(seconds)).unwrap().with_burst(burst).unwrap();
        let (mut state, mut now) = (LimitState::default(), at(0));
        let mut places = Vec::new();
        for gap in gaps {
            now = now.after(Duration::from_millis(gap));
            places.push(state.place(&rate, now));
        }
        prop_assert!(places.is_sorted(), "first come, first served");
        for (index, first) in places.iter().enumerate() {
            let within = places[index..].iter().take_while(|place| place.since(*first) < rate.per()).count();
            prop_assert!(within <= (count + burst - 1) as usize, "{} within {:?} of {}", within, rate.per(), rate);
        }
    }

    #[test]
    fn places_are_kept_in_the_order_they_were_asked_for(jobs in prop::collection::vec(0..20u64, 0..40), most in 1..10u32) {
        let mut state = LimitState::default();
        let mut kept = Vec::new();
        for number in jobs {
            if state.reserve(&job(number), most, at(0)) {
                kept.push(job(number));
            }
        }
        let order: Vec<JobId> = state.reserved.iter().map(|reservation| reservation.job.clone()).collect();
        prop_assert_eq!(order, kept);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = LimitState::from_json(&bytes);
    }
}
