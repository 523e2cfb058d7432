use super::*;
use proptest::prelude::*;

/// A worker with so many places that serves members without end of jobs; each job holds its place for so long. Returns
/// how long each member held places.
fn served(members: &[(u32, u64)], places: usize, until_us: u64) -> Vec<u64> {
    let mut shares = Shares::default();
    let numbers: Vec<Member> = members.iter().map(|(weight, _)| shares.add(*weight)).collect();
    numbers.iter().for_each(|member| shares.wants(*member));
    let mut used = vec![0; members.len()];
    let mut ends = BTreeSet::new();
    let (mut now, mut started) = (0, 0_u64);
    while now < until_us {
        while ends.len() < places {
            let member = shares.next(now).unwrap();
            shares.begins(member, 1, now);
            let place = numbers.iter().position(|other| *other == member).unwrap();
            started += 1;
            ends.insert((now + members[place].1, started, place, now));
        }
        let (end, _, place, begun) = ends.pop_first().unwrap();
        now = end;
        used[place] += end - begun;
        shares.ends(numbers[place], begun, now);
    }
    used
}

fn assert_shares(members: &[(u32, u64)], places: usize) {
    let used = served(members, places, 30_000_000);
    let (all, weights): (u64, u32) = (used.iter().sum(), members.iter().map(|(weight, _)| weight).sum());
    for ((weight, _), used) in members.iter().zip(&used) {
        let fair = u128::from(all) * u128::from(*weight) / u128::from(weights);
        let off = u128::from(*used).abs_diff(fair) * 100 / fair;
        assert!(off <= 5, "{members:?} on {places} places: {used} is {off} % off {fair}");
    }
}

#[test]
fn places_are_shared_by_weight() {
    for places in [1, 2, 7, 16] {
        assert_shares(&[(1, 5_000), (2, 5_000), (4, 5_000)], places);
    }
    assert_shares(&[(1, 50_000), (100, 50_000)], 16);
}

#[test]
fn jobs_of_unequal_length_hold_the_same_time() {
    for places in [1, 4, 16] {
        assert_shares(&[(1, 100_000), (1, 1_000)], places);
        assert_shares(&[(1, 1_000), (3, 70_000), (2, 20_000)], places);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_weights_and_lengths_are_shared(
        members in proptest::collection::vec((1_u32..=10, 500_u64..60_000), 2..6),
        places in 1_usize..12,
    ) {
        assert_shares(&members, places);
    }
}

#[test]
fn one_that_rested_goes_first_and_does_not_catch_up() {
    let mut shares = Shares::default();
    let (busy, rested) = (shares.add(1), shares.add(1));
    shares.wants(busy);
    let mut now = 0;
    for _ in 0..1_000 {
        assert_eq!(shares.next(now), Some(busy));
        shares.begins(busy, 1, now);
        now += 10_000;
        shares.ends(busy, now - 10_000, now);
    }
    shares.wants(rested);
    let mut first = 0;
    while shares.next(now) == Some(rested) {
        shares.begins(rested, 1, now);
        now += 10_000;
        shares.ends(rested, now - 10_000, now);
        first += 1;
    }
    assert!((20..=30).contains(&first), "{first} jobs of 10 ms for a credit of 250 ms");
}

#[test]
fn what_runs_counts_before_it_ends() {
    let mut shares = Shares::default();
    let (slow, quick) = (shares.add(1), shares.add(1));
    shares.wants(slow);
    shares.begins(slow, 4, 0);
    shares.wants(quick);
    // a minute later none of them has ended: whatever becomes free is for the other
    for place in 0..4 {
        assert_eq!(shares.next(60_000_000), Some(quick), "place {place}");
        shares.begins(quick, 1, 60_000_000);
    }
}

#[test]
fn light_is_who_has_used_less_than_its_share_while_others_hold_places() {
    let mut shares = Shares::default();
    let (heavy, light) = (shares.add(1), shares.add(1));
    shares.wants(light);
    assert_eq!(shares.next_light(0), None, "nobody is in its way");
    shares.rests(light);
    shares.wants(heavy);
    shares.begins(heavy, 16, 0);
    assert_eq!(shares.next_light(2_000_000), None, "the only one that has jobs holds every place");
    shares.wants(light);
    assert_eq!(shares.next_light(2_000_000), Some(light));
    // it runs on beside the others, until the better half of its credit is used
    shares.begins(light, 1, 2_000_000);
    assert!(shares.is_light(light));
    shares.ends(light, 2_000_000, 2_140_000);
    assert!(!shares.is_light(light), "it has had its turn");
}

#[test]
fn members_that_are_served_alike_are_not_light() {
    let mut shares = Shares::default();
    let (one, two) = (shares.add(1), shares.add(4));
    shares.wants(one);
    shares.wants(two);
    let mut now = 0;
    for _ in 0..500 {
        let member = shares.next(now).unwrap();
        assert!(!shares.is_light(if member == one { two } else { one }));
        shares.begins(member, 1, now);
        now += 10_000;
        shares.ends(member, now - 10_000, now);
    }
}

#[test]
fn a_changed_weight_counts_from_then_on() {
    let mut shares = Shares::default();
    let members = [shares.add(1), shares.add(1)];
    members.iter().for_each(|member| shares.wants(*member));
    let mut now = 0;
    let mut of_first = |shares: &mut Shares| {
        (0..400)
            .filter(|_| {
                let member = shares.next(now).unwrap();
                shares.begins(member, 1, now);
                now += 10_000;
                shares.ends(member, now - 10_000, now);
                member == members[0]
            })
            .count()
    };
    assert!((198..=202).contains(&of_first(&mut shares)));
    shares.set_weight(members[0], 3, 4_000_000);
    assert!((297..=303).contains(&of_first(&mut shares)));
}

#[test]
fn who_is_removed_has_no_more_turns() {
    let mut shares = Shares::default();
    let (gone, left) = (shares.add(1), shares.add(1));
    shares.wants(gone);
    shares.wants(left);
    shares.begins(gone, 1, 0);
    shares.remove(gone);
    shares.ends(gone, 0, 1_000);
    shares.wants(gone);
    assert_eq!((shares.next(9_000), shares.running(gone), shares.is_alone(left)), (Some(left), 0, true));
}
