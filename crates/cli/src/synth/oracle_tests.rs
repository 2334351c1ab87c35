//! The oracle against sums written out from the description of the process, against the process itself, and against closed
//! forms.

use rand::RngExt as _;

use super::acted::Acted;
use super::behaviour::{Visit, burst, mean_sessions, n_sessions};
use super::market::Market;
use super::options::SynthOptions;
use super::oracle::Oracle;
use super::random::{Purpose, generator};
use super::recall::TruthOptions;
use super::taste::Taste;
use super::truth::{measure_truth, test_user};

/// A process so small that every item can be looked at.
fn tiny() -> SynthOptions {
    SynthOptions { n_users: 40, n_items: 12, n_interests: 3, n_days: 28, ..SynthOptions::default() }
}

/// Probabilities that an action on an own interest is positive, and that an exploring one is, by numeric integration.
fn positive_chances() -> (f64, f64) {
    // A click lasts more than 10 s with the probability that 9 s or 3 s times a log-normal does, as rounded to 0.1 s.
    let positive = |clicks: f64, rest: f64, typical: f64| {
        let steps = 400_000;
        let long = (0..steps).filter(|step| {
            let z = 8.0 * (f64::from(*step) + 0.5) / f64::from(steps); // from 0 to 8
            (typical * (0.8 * z).exp() * 10.0).round() > 100.0
        });
        let density = |step: u32| {
            let z = 8.0 * (f64::from(step) + 0.5) / f64::from(steps);
            (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * 8.0 / f64::from(steps)
        };
        clicks * long.map(density).sum::<f64>() + rest
    };
    (positive(0.20, 0.16, 9.0), positive(0.08, 0.02, 3.0))
}

/// Probability of a positive action on `item` on days of the week of the cut-off, summed over numbers of sessions and of
/// events, interests, favourites and actions.
fn by_enumeration(
    options: &SynthOptions,
    user: u64,
    item: u32,
    days: std::ops::Range<u32>,
    positive: (f64, f64),
) -> f64 {
    let taste = Taste::of(options, user, days.start / 7);
    let total: f64 = taste.weights.iter().map(|&weight| f64::from(weight)).sum();
    let market = Market::new(options);
    let (own, other) = positive;
    let (interest, rank) = (item % 3, item / 3);
    let chosen = |about: u32| {
        if about != interest {
            return 0.0;
        }
        let popular = (1.0 + 1.0 / f64::from(rank + 1)).ln() / 5.0_f64.ln(); // four items an interest
        let favourites = (0..4).filter(|&nth| market.favourite(user, interest, nth) == Some(rank)).count();
        0.2 * favourites as f64 / 4.0 + 0.8 * popular
    };
    let session = |focus: u32| {
        let mut event = 0.85 * own * chosen(focus);
        for (&about, &weight) in taste.interests.iter().zip(&taste.weights) {
            event += 0.10 * f64::from(weight) / total * own * chosen(about);
        }
        event += (0..3).map(|about| 0.05 / 3.0 * other * chosen(about)).sum::<f64>();
        let exceeds = |x: f64| (-x.max(0.0) / 4.0).exp();
        let n_more = |k: u32| exceeds(f64::from(k) - 0.5) - exceeds(f64::from(k) + 0.5);
        (0..400).map(|k| n_more(k) * (1.0 - event).powi(1 + k.min(59) as i32)).sum::<f64>()
    };
    let mut silent = 1.0;
    for day in days {
        let mean = mean_sessions(options, user, day);
        let quiet: f64 = (0..taste.interests.len())
            .map(|slot| f64::from(taste.weights[slot]) / total * session(taste.interests[slot]))
            .sum();
        let (mut poisson, mut sum) = ((-mean).exp(), 0.0);
        for n in 0..200 {
            sum += poisson * quiet.powi(n.min(60));
            poisson *= mean / f64::from(n + 1);
        }
        silent *= sum;
    }
    1.0 - silent
}

#[test]
fn probabilities_are_those_of_a_direct_enumeration() {
    let positive = positive_chances();
    for events_per_user_day in [0.5, 60.0] {
        let options = SynthOptions { events_per_user_day, ..tiny() };
        let market = Market::new(&options);
        let all = [true; 12];
        let oracle = Oracle::new(&market, 9..14, &all, 3);
        for user in 0..20 {
            let mut expected: Vec<(u32, f64)> =
                (0..12).map(|item| (item, by_enumeration(&options, user, item, 9..14, positive))).collect();
            for &(item, probability) in &expected {
                let found = oracle.probability(user, item, &Acted::default());
                assert!((found - probability).abs() < 1e-6, "{user}, {item}: {found} for {probability}");
            }
            // The list is the best of all, although it looks at few.
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (found, expected) in
                oracle.prospect(user).best(10, &[], &Acted::default()).iter().zip(&expected)
            {
                assert!((found.1 - expected.1).abs() < 1e-6, "user {user}: {found:?} for {expected:?}");
            }
            let unseen: Vec<u32> = oracle
                .prospect(user)
                .best(10, &[0, 4], &Acted::default())
                .iter()
                .map(|best| best.0)
                .collect();
            assert!(unseen.len() == 10 && !unseen.contains(&0) && !unseen.contains(&4));
        }
    }
}

/// How often `user` acts positively on each item when the days of `window` are drawn anew, with tastes and bursts that
/// are not known at the cut-off.
fn by_simulation(
    market: &Market<'_>,
    user: u64,
    window: std::ops::Range<u32>,
    n: u32,
    before: &Acted,
) -> Vec<f64> {
    let options = market.options;
    let mut rng = generator(99, Purpose::Day, 0, 0);
    let mut counts = vec![0.0; options.n_items as usize];
    let known = window.start - 1;
    for _ in 0..n {
        let mut hit = vec![false; options.n_items as usize];
        let mut acted = before.clone();
        let gap = (!options.no_repeats).then_some(options.repeat_gap_days);
        let mut taste = Taste::of(options, user, known / 7);
        let (mut period, mut interest) = burst(options, user, known);
        for day in window.clone() {
            if day % 7 == 0 {
                taste = taste.next(options, &mut rng);
            }
            if burst(options, user, day).0 != period {
                period = burst(options, user, day).0;
                interest =
                    rng.random_bool(options.burst_share).then(|| rng.random_range(0..options.n_interests));
            }
            let n_sessions = n_sessions(&mut rng, mean_sessions(options, user, day), interest);
            let day_rng = generator(rng.random(), Purpose::Day, user, u64::from(day));
            let visit = Visit { market, user, day, taste: taste.clone(), burst: interest, rng: day_rng };
            visit.sessions(n_sessions, &mut |event| {
                let kept = !options.drops_events() || acted.keep(event.item, day, gap);
                hit[event.item as usize] |= kept && event.is_positive();
            });
        }
        for (count, hit) in counts.iter_mut().zip(hit) {
            *count += f64::from(u8::from(hit)) / f64::from(n);
        }
    }
    counts
}

#[test]
fn probabilities_are_those_of_the_process() {
    let bursts = SynthOptions { burst_share: 0.4, burst_days: 4, popularity_exponent: 0.6, ..tiny() };
    let news = SynthOptions { new_items: 0.7, half_life_days: 3.0, explore: 0.3, n_tastes: 2, ..tiny() };
    let hits = SynthOptions { hit_share: 0.5, hit_days: 10, n_favourites: 1, thin_users: 0.5, ..tiny() };
    let reviews = SynthOptions { no_repeats: true, explore: 0.4, events_per_user_day: 6.0, ..bursts.clone() };
    let gaps = SynthOptions { no_repeats: false, repeat_gap_days: 3, ..reviews.clone() };
    for options in [bursts, news, hits, reviews, gaps] {
        // Where events are dropped, items 0 and 1 were acted on shortly before, and 2 long ago.
        let mut acted = Acted::default();
        if options.drops_events() {
            assert!([(0, 11), (1, 10), (2, 1)].iter().all(|&(item, day)| acted.keep(item, day, None)));
        }
        let market = Market::new(&options);
        let all: Vec<bool> = (0..12).map(|item| market.birth(item) < 12).collect();
        // Days 12 to 19 are in the hits' second period, and days 14 to 20 in a week that is not known.
        let oracle = Oracle::new(&market, 12..20, &all, 4000);
        for user in 0..3 {
            let simulated = by_simulation(&market, user, 12..20, 20_000, &acted);
            for item in (0..12).filter(|&item| all[item as usize]) {
                let (found, expected) = (oracle.probability(user, item, &acted), simulated[item as usize]);
                assert!((found - expected).abs() < 0.015, "{user}, {item}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn one_favourite_and_no_chance_is_foreseen_entirely() {
    let options = SynthOptions {
        n_users: 200,
        n_days: 40,
        n_items: 400,
        drift_per_week: 0.0,
        n_tastes: 1,
        explore: 0.0,
        favourite_share: 1.0,
        n_favourites: 1,
        ..SynthOptions::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let truth = measure_truth(&options, &TruthOptions::default(), folder.path(), &|_| ()).unwrap();
    assert!(truth.n_users > 80 && truth.best.n_pairs == truth.n_users, "{truth:?}");
    assert_eq!((truth.best.micro(), truth.best.macro_()), (1.0, 1.0));
    assert_eq!(truth.best_unseen.n_pairs, 0);
}

/// With one interest a user, no drift and no exploring, an item of the interest is acted on with the probability that
/// its rate says; recall is the ten largest over all, in expectation.
#[test]
fn recall_is_the_closed_form_where_there_is_one() {
    let options = SynthOptions {
        n_users: 6000,
        n_days: 56,
        n_items: 120,
        n_interests: 4,
        drift_per_week: 0.0,
        n_tastes: 1,
        explore: 0.0,
        favourite_share: 0.3,
        n_favourites: 1,
        ..SynthOptions::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let truth = measure_truth(&options, &TruthOptions::default(), folder.path(), &|_| ()).unwrap();
    let market = Market::new(&options);
    // An event is positive with probability 0.16 + 0.20 P(N > ln(10.05 / 9) / 0.8), and every session is about the one interest.
    let positive = 0.16 + 0.20 * 0.445_146;
    let (mut hits, mut pairs) = (0.0, 0.0);
    for user in 0..options.n_users {
        let interest = Taste::of(&options, user, 0).interests[0];
        let favourite = market.favourite(user, interest, 0);
        let sessions: f64 = (41..55).map(|day| mean_sessions(&options, user, day)).sum();
        let mut rates: Vec<f64> = (0..30)
            .map(|rank: u32| {
                let popular = 0.7 * (1.0 + 1.0 / f64::from(rank + 1)).ln() / 31.0_f64.ln();
                let event = positive * (popular + if favourite == Some(rank) { 0.3 } else { 0.0 });
                // One session: E[(1 - event)^n] with n = 1 + round(4 · exponential).
                let (quiet, stays) = (1.0 - event, (-0.25_f64).exp());
                let more = stays.sqrt() * (1.0 - stays) * quiet / (1.0 - stays * quiet);
                1.0 - (-sessions * (1.0 - quiet * (1.0 - stays.sqrt() + more))).exp()
            })
            .collect();
        rates.sort_by(|a, b| b.total_cmp(a));
        hits += rates[..10].iter().sum::<f64>();
        pairs += rates.iter().sum::<f64>();
    }
    // Users without history have no part in the test; those are the ones with next to no events.
    let expected = hits / pairs;
    assert!((truth.best.micro() - expected).abs() < 0.006, "{} for {expected}", truth.best.micro());
}

#[test]
fn the_oracle_beats_popularity_and_lists_of_others() {
    let options = SynthOptions {
        n_users: 1500,
        n_days: 60,
        burst_share: 0.1,
        hit_share: 0.1,
        new_items: 0.3,
        half_life_days: 20.0,
        thin_users: 0.3,
        day_precision: true,
        ..SynthOptions::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let truth = measure_truth(&options, &TruthOptions::default(), folder.path(), &|_| ()).unwrap();
    for (best, popularity) in [(truth.best, truth.popularity), (truth.best_unseen, truth.popularity_unseen)] {
        assert!(best.micro() > 1.5 * popularity.micro(), "{truth:?}");
        assert!(best.macro_() > 1.5 * popularity.macro_(), "{truth:?}");
    }
    // The same lists given to other users, and the same ranking of a user with another's tastes, are worse.
    let market = Market::new(&options);
    let met = vec![true; options.n_items as usize];
    let oracle = Oracle::new(&market, 45..59, &met, 32);
    let cases: Vec<_> = (0..300).filter_map(|user| test_user(&market, 45..59, &met, user)).collect();
    let hits = |shift: usize| -> usize {
        let listed = |nth: usize| {
            oracle.prospect(cases[(nth + shift) % cases.len()].user).best(10, &[], &Acted::default())
        };
        (0..cases.len())
            .map(|nth| listed(nth).iter().filter(|best| cases[nth].relevant.contains(&best.0)).count())
            .sum()
    };
    let own = hits(0);
    for shift in [1, 7, 50] {
        assert!(own > 2 * hits(shift), "{own} hits of the own lists, {} of shifted ones", hits(shift));
    }
}
