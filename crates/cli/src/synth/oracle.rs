//! What a user will act on positively after the cut-off, as far as anyone can know it there.
//!
//! The oracle knows the process and its parameters: the user's appetite, taste at the cut-off and favourites, bursts and
//! hits that are alive, births. It does not know later draws. The probability that a user acts positively on an item in
//! the window is exact given the user's tastes: sessions are Poisson, the actions of a session are independent given its
//! interest, and later bursts enter with their probability. Over later tastes it is the mean of drawn futures, which are
//! the process's own, and are not needed where tastes stand still. Hits that are still to come enter each choice with their
//! mean, 1 / number of items, which treats the items of an interest alike. Where a log drops events, the probability is
//! that of a positive among the kept ones, by [`super::return_days`].
//!
//! Ranking by this probability has the best expected number of hits, and so the best micro-averaged recall.
//! **Nothing here may look at the events of the window.**

use std::ops::Range;

use super::acted::Acted;
use super::behaviour::{BURST_APPETITE, BURST_FOCUS, attention, burst, day_factor, mean_sessions};
use super::best::Best;
use super::chance::{first_action, ln_silence, mean_session_events, positive_chances, session_power};
use super::market::Market;
use super::random::{Purpose, generator};
use super::return_days::{Span, State, silence_of_kept};
use super::taste::Taste;

/// The process as seen from the cut-off.
pub(crate) struct Oracle<'a> {
    market: &'a Market<'a>,
    /// Days of the window, counted from the log's first.
    window: Range<u32>,
    n_futures: u32,
    /// Of an action on an own interest, and of an exploring one.
    positive_chances: (f64, f64),
    is_eligible: &'a [bool],
    /// Eligible ranks of each interest, most popular first.
    order: Vec<Vec<u32>>,
}

/// Days of the window in the same week, and in the same period of bursts and of hits.
#[derive(Debug)]
struct Segment {
    first_day: u32,
    /// Weeks since the cut-off's.
    week: usize,
    period: u32,
    hit_is_known: bool,
    /// Mean number of sessions of each day, a burst aside.
    sessions: Vec<f64>,
}

/// A state of bursts in a period: its probability, what it does to the number of sessions, to the chance of a session about
/// one of the own interests, and to that of one about the interest looked at.
type BurstState = (f64, f64, f64, f64);

/// One user's window.
pub(crate) struct Prospect<'a> {
    oracle: &'a Oracle<'a>,
    user: u64,
    segments: Vec<Segment>,
    /// Tastes by future and week.
    futures: Vec<Vec<Taste>>,
    /// The period at the cut-off, with the interest of its burst.
    burst: (u32, Option<u32>),
    /// The interests of any future, and that of the burst, strongest first.
    own: Vec<Interest>,
    /// No item of another interest is more probable.
    other_expected: f64,
}

/// One user's window, for the items of one interest.
struct Interest {
    interest: u32,
    favourites: Vec<u32>,
    /// Share of the futures, and the user's share of attention for the interest in each week.
    cases: Vec<(f64, Vec<f64>)>,
    /// Expected positive actions in each segment on an item that is sure to be chosen: no probability is larger than
    /// these, times the item's masses.
    expected: Vec<f64>,
}

impl Interest {
    /// No item of the interest is more probable.
    fn most(&self) -> f64 {
        self.expected.iter().sum()
    }
}

impl<'a> Oracle<'a> {
    /// `is_eligible` is of each item; the best items are among these.
    pub(crate) fn new(
        market: &'a Market<'a>,
        window: Range<u32>,
        is_eligible: &'a [bool],
        n_futures: u32,
    ) -> Self {
        let options = market.options;
        let order = |interest| {
            let ranks = 0..options.items_of(interest);
            let mut ranks: Vec<u32> =
                ranks.filter(|&rank| is_eligible[options.item_of(interest, rank) as usize]).collect();
            ranks.sort_by_cached_key(|&rank| std::cmp::Reverse(market.weight(interest, rank).to_bits()));
            ranks
        };
        let order = (0..options.n_interests).map(order).collect();
        let tastes_stand_still = options.drift_per_week == 0.0 && options.n_tastes == 1;
        let n_futures = if tastes_stand_still { 1 } else { n_futures };
        Self { market, window, n_futures, positive_chances: positive_chances(), is_eligible, order }
    }

    /// The window of `user`.
    pub(crate) fn prospect(&'a self, user: u64) -> Prospect<'a> {
        Prospect::new(self, user)
    }
    /// Probability that `user` acts positively on `item` in the window.
    #[cfg(test)]
    pub(crate) fn probability(&self, user: u64, item: u32, acted: &Acted) -> f64 {
        let prospect = Prospect::new(self, user);
        let interest = prospect.interest(self.market.options.interest_of(item));
        let masses = prospect.masses(&interest, item / self.market.options.n_interests);
        prospect.probability(&interest, &masses, acted.last(item))
    }
}

impl<'a> Prospect<'a> {
    fn new(oracle: &'a Oracle<'a>, user: u64) -> Self {
        let options = oracle.market.options;
        let (start, end) = (oracle.window.start, oracle.window.end);
        let last_known = start.saturating_sub(1);
        let first_week = last_known / 7;
        let now = Taste::of(options, user, first_week);
        let n_weeks = (end - 1) / 7 - first_week + 1;
        let future = |nth: u32| {
            let mut rng = generator(options.seed, Purpose::Future, user, u64::from(nth));
            let later = |taste: &Taste| Some(taste.next(options, &mut rng));
            std::iter::successors(Some(now.clone()), later).take(n_weeks as usize).collect()
        };
        let per_day = mean_sessions(options, user, start) / day_factor(options, start);
        let mut segments: Vec<Segment> = Vec::new();
        for day in oracle.window.clone() {
            let week = (day / 7 - first_week) as usize;
            let period = burst(options, user, day).0;
            let hit_is_known = day / options.hit_days == last_known / options.hit_days;
            let sessions = per_day * day_factor(options, day);
            match segments.last_mut() {
                Some(last)
                    if (last.week, last.period, last.hit_is_known) == (week, period, hit_is_known)
                        && options.new_items == 0.0 =>
                {
                    last.sessions.push(sessions);
                }
                _ => segments.push(Segment {
                    first_day: day,
                    week,
                    period,
                    hit_is_known,
                    sessions: vec![sessions],
                }),
            }
        }
        let futures = (0..oracle.n_futures).map(future).collect();
        let burst = burst(options, user, last_known);
        let mut prospect =
            Self { oracle, user, segments, futures, burst, own: Vec::new(), other_expected: 0.0 };
        let own = prospect.own_interests();
        prospect.own = own.iter().map(|&interest| prospect.interest(interest)).collect();
        prospect.own.sort_by(|a, b| b.most().total_cmp(&a.most()));
        let other = (0..options.n_interests).find(|interest| own.binary_search(interest).is_err());
        prospect.other_expected = other.map_or(0.0, |other| prospect.interest(other).most());
        prospect
    }

    /// The `k` items that the user most probably acts on positively in the window, with the probabilities; none of `seen`
    /// (ascending). Equal ones go to the item of the lower number. `acted` is what the user did before the window.
    pub(crate) fn best(&self, k: usize, seen: &[u32], acted: &Acted) -> Vec<(u32, f64)> {
        let mut best = Best { k, items: Vec::new() };
        // The strongest interests first: they leave the least to look at in the others.
        for looked_at in &self.own {
            self.offer(looked_at, (seen, acted), &mut best);
        }
        // All other interests are alike, and only exploring and later bursts lead there.
        let is_own = |interest: u32| self.own.iter().any(|own| own.interest == interest);
        for interest in (0..self.oracle.market.options.n_interests).filter(|&interest| !is_own(interest)) {
            if !best.may_take(self.other_expected) {
                break;
            }
            self.offer(&self.interest(interest), (seen, acted), &mut best);
        }
        best.items
    }

    /// The interests of any future, and that of the burst at the cut-off, ascending.
    fn own_interests(&self) -> Vec<u32> {
        let tastes = self.futures.iter().flatten();
        let mut own: Vec<u32> =
            tastes.flat_map(|taste| &taste.interests).copied().chain(self.burst.1).collect();
        own.sort_unstable();
        own.dedup();
        own
    }

    fn interest(&self, interest: u32) -> Interest {
        let options = self.oracle.market.options;
        let mut cases: Vec<(f64, Vec<f64>)> = Vec::new();
        let share = 1.0 / self.futures.len() as f64;
        for future in &self.futures {
            let weeks: Vec<f64> = future.iter().map(|taste| taste.share(interest)).collect();
            match cases.iter_mut().find(|(_, known)| *known == weeks) {
                Some((known, _)) => *known += share,
                None => cases.push((share, weeks)),
            }
        }
        let favourite = |nth| self.oracle.market.favourite(self.user, interest, nth);
        let mut looked_at = Interest {
            interest,
            favourites: if options.favourite_share > 0.0 {
                (0..options.n_favourites).filter_map(favourite).collect()
            } else {
                Vec::new()
            },
            cases,
            expected: Vec::new(),
        };
        looked_at.expected = self.segments.iter().map(|segment| self.expected(&looked_at, segment)).collect();
        looked_at
    }

    /// Expected positive actions of a segment on an item that is chosen whenever its interest is.
    fn expected(&self, interest: &Interest, segment: &Segment) -> f64 {
        let sessions = segment.sessions.iter().sum::<f64>() * mean_session_events();
        let mut sum = 0.0;
        for (share, weeks) in &interest.cases {
            let own = weeks[segment.week];
            for (chance, appetite, own_sessions, in_sessions) in
                self.burst_states(interest.interest, segment.period)
            {
                let about = own_sessions * own + in_sessions;
                let (in_focus, elsewhere) = self.per_event(own, self.oracle.positive_chances);
                sum += share * chance * appetite * sessions * (about * in_focus + (1.0 - about) * elsewhere);
            }
        }
        sum
    }

    /// Probability that an event is about an interest with share `own` and counts, in a session about it and in another: an
    /// action on an own interest, and an exploring one, count with the chances given.
    fn per_event(&self, own: f64, (own_chance, other_chance): (f64, f64)) -> (f64, f64) {
        let options = self.oracle.market.options;
        let (focus, wander, explore) = attention(options);
        let elsewhere = wander * own * own_chance + explore / f64::from(options.n_interests) * other_chance;
        (focus * own_chance + elsewhere, elsewhere)
    }

    fn burst_states(&self, interest: u32, period: u32) -> Vec<BurstState> {
        let options = self.oracle.market.options;
        let none = |chance| (chance, 1.0, 1.0, 0.0);
        let about = |chance, it: f64| (chance, BURST_APPETITE, 1.0 - BURST_FOCUS, BURST_FOCUS * it);
        if options.burst_share == 0.0 {
            return vec![none(1.0)];
        }
        if period == self.burst.0 {
            return match self.burst.1 {
                None => vec![none(1.0)],
                Some(burst) => vec![about(1.0, f64::from(u8::from(burst == interest)))],
            };
        }
        let (share, n) = (options.burst_share, f64::from(options.n_interests));
        vec![none(1.0 - share), about(share / n, 1.0), about(share * (1.0 - 1.0 / n), 0.0)]
    }

    /// Probability in each segment that a choice within the interest falls on `rank`.
    fn masses(&self, interest: &Interest, rank: u32) -> Vec<f64> {
        let market = self.oracle.market;
        let options = market.options;
        let n_same = interest.favourites.iter().filter(|&&favourite| favourite == rank).count();
        let of_favourites = options.favourite_share * n_same as f64 / f64::from(options.n_favourites);
        let others = if interest.favourites.is_empty() { 1.0 } else { 1.0 - options.favourite_share };
        let weight = market.weight(interest.interest, rank);
        let mass = |segment: &Segment| {
            let popular = weight / market.total(interest.interest, segment.first_day);
            let chosen = match options.hit_share {
                0.0 => popular,
                share => {
                    match market.hit_chance(interest.interest, rank, segment.first_day, segment.hit_is_known)
                    {
                        Some(hit) => share * hit + (1.0 - share) * popular,
                        None => popular,
                    }
                }
            };
            of_favourites + others * chosen
        };
        self.segments.iter().map(mass).collect()
    }

    /// Probability of at least one positive action on an item with these masses, whose newest event that was kept was on
    /// day `last`.
    fn probability(&self, interest: &Interest, masses: &[f64], last: Option<u32>) -> f64 {
        let drops_events = self.oracle.market.options.drops_events();
        let silence = |weeks: &[f64]| {
            if drops_events {
                self.silence_of_kept(interest, weeks, masses, last)
            } else {
                self.silence(interest, weeks, masses)
            }
        };
        let silent: f64 = interest.cases.iter().map(|(share, weeks)| share * silence(weeks)).sum();
        (1.0 - silent).max(0.0)
    }

    /// Probability of no positive action, given the shares of attention of the weeks.
    fn silence(&self, interest: &Interest, weeks: &[f64], masses: &[f64]) -> f64 {
        let mut silent = 1.0;
        let mut first = 0;
        for segments in self.segments.chunk_by(|a, b| a.period == b.period) {
            let given = |state: &BurstState| {
                let mut ln_silent = 0.0;
                for (segment, mass) in segments.iter().zip(&masses[first..]) {
                    let own = weeks[segment.week];
                    let about = state.2 * own + state.3;
                    let (in_focus, elsewhere) = self.per_event(own, self.oracle.positive_chances);
                    let session = about * session_power(1.0 - in_focus * mass)
                        + (1.0 - about) * session_power(1.0 - elsewhere * mass);
                    let days = segment.sessions.iter();
                    ln_silent += days.map(|mean| ln_silence(state.1 * mean, session)).sum::<f64>();
                }
                state.0 * ln_silent.exp()
            };
            let states = self.burst_states(interest.interest, segments[0].period);
            silent *= states.iter().map(given).sum::<f64>();
            first += segments.len();
        }
        silent
    }

    /// Probability that no event that is kept is positive, given the shares of attention of the weeks; `last` is the day of
    /// the newest one before the window.
    fn silence_of_kept(&self, interest: &Interest, weeks: &[f64], masses: &[f64], last: Option<u32>) -> f64 {
        let (options, start) = (self.oracle.market.options, self.oracle.window.start);
        let gap = if options.no_repeats { u32::MAX / 2 } else { options.repeat_gap_days };
        let free = last.map_or(0, |last| last.saturating_add(gap).saturating_sub(start));
        let span = |(segment, mass): (&Segment, &f64)| {
            let own = weeks[segment.week];
            let times = |(in_focus, elsewhere): (f64, f64)| (in_focus * mass, elsewhere * mass);
            let positive = times(self.per_event(own, self.oracle.positive_chances));
            let any = times(self.per_event(own, (1.0, 1.0)));
            let state = |state: BurstState| {
                let (session, positive) = first_action(state.2 * own + state.3, positive, any);
                let quiet = segment.sessions.iter().map(|mean| ln_silence(state.1 * mean, session).exp());
                State { chance: state.0, quiet: quiet.collect(), positive }
            };
            let states = self.burst_states(interest.interest, segment.period).into_iter().map(state);
            Span { period: segment.period, states: states.collect() }
        };
        let spans: Vec<Span> = self.segments.iter().zip(masses).map(span).collect();
        silence_of_kept(&spans, gap as usize, free as usize)
    }

    /// Let the items of `interest` that may be among the best into `best`.
    ///
    /// Favourites aside, and hits, a more popular item is more probable: so these and the most popular are enough.
    /// So are the items that the user has acted on, where these return only after a while.
    fn offer(&self, looked_at: &Interest, (seen, acted): (&[u32], &Acted), best: &mut Best) {
        if !best.may_take(looked_at.most()) {
            return;
        }
        let options = self.oracle.market.options;
        let interest = looked_at.interest;
        let item = |rank| options.item_of(interest, rank);
        let is_new = |rank: u32| {
            let is_gone = options.no_repeats && acted.last(item(rank)).is_some();
            self.oracle.is_eligible[item(rank) as usize]
                && seen.binary_search(&item(rank)).is_err()
                && !is_gone
        };
        let known = self.segments.iter().filter(|segment| options.hit_share > 0.0 && segment.hit_is_known);
        let hits = known.filter_map(|segment| self.oracle.market.hit(interest, segment.first_day));
        let special = looked_at.favourites.iter().copied().chain(hits).filter(|&rank| is_new(rank));
        let order = self.oracle.order[interest as usize].iter().copied();
        let returning = acted.items().filter(|&item| options.interest_of(item) == interest);
        let returning = returning.map(|item| item / options.n_interests).filter(|&rank| is_new(rank));
        let mut ranks: Vec<u32> = special.chain(returning).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let n_special = ranks.len();
        let plain: Vec<u32> =
            order.filter(|&rank| is_new(rank) && ranks.binary_search(&rank).is_err()).take(best.k).collect();
        ranks.extend(plain);
        for (nth, rank) in ranks.into_iter().enumerate() {
            let masses = self.masses(looked_at, rank);
            let most: f64 =
                looked_at.expected.iter().zip(&masses).map(|(expected, mass)| expected * mass).sum();
            if best.may_take(most) {
                best.take(item(rank), self.probability(looked_at, &masses, acted.last(item(rank))));
            } else if nth >= n_special {
                break; // The others are less popular still.
            }
        }
    }
}
