//! What one user does on one day: sessions on a surface, each about one of the user's interests.

use dayvec_core::SECONDS_PER_DAY;
use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::market::Market;
use super::options::SynthOptions;
use super::random::{Purpose, exponential, generator, normal, poisson, weighted};
use super::taste::Taste;

/// Action types, in the order of their codes.
pub(crate) const ACTIONS: [&str; 5] = ["view", "click", "save", "purchase", "hide"];
/// Surfaces, in the order of their codes.
pub(crate) const SURFACES: [&str; 3] = ["home", "search", "related"];

/// Frequencies of [`ACTIONS`] on an item of the user's own interests, and on any other: liking shows, and so does dislike.
pub(crate) const OWN_ACTIONS: [f32; 5] = [0.62, 0.20, 0.10, 0.06, 0.02];
pub(crate) const OTHER_ACTIONS: [f32; 5] = [0.80, 0.08, 0.01, 0.01, 0.10];
const SURFACE_SHARES: [f32; 3] = [0.6, 0.25, 0.15];

/// Mean number of events of a session.
pub(crate) const SESSION_EVENTS: f64 = 5.0;
/// Bounds that keep a user's event ids of a day below [`IDS_PER_DAY`].
pub(crate) const MOST_SESSIONS: u32 = 60;
pub(crate) const MOST_SESSION_EVENTS: u32 = 60;
/// Event ids that are set aside for a user and day.
pub(crate) const IDS_PER_DAY: i64 = 4096;
/// Spread of users' appetites: the standard deviation of its logarithm.
const APPETITE_SPREAD: f64 = 1.0;
/// Weekend days see more events, working days fewer; the mean over a week is 1.
const WEEKEND: f64 = 1.2;
const WORKING_DAY: f64 = 0.92;
/// Chance of staying with the interest of the session, where exploring leaves that much.
const FOCUS: f64 = 0.85;
/// In a burst, sessions are this many times as frequent, and this share of them is about its interest.
pub(crate) const BURST_APPETITE: f64 = 2.0;
pub(crate) const BURST_FOCUS: f64 = 0.8;
/// Appetite of a thin user beside another's.
const THIN_APPETITE: f64 = 0.1;
/// Typical seconds of a view or click on an item of the own interests and on another, and the spread of their logarithm.
pub(crate) const OWN_SECONDS: f64 = 9.0;
pub(crate) const OTHER_SECONDS: f64 = 3.0;
pub(crate) const SECONDS_SPREAD: f64 = 0.8;
/// A click is positive when it lasts longer, as dataset.yaml says.
pub(crate) const LONG_CLICK_S: f32 = 10.0;
/// Mean pause between events of a session, in seconds.
const PAUSE_S: f64 = 30.0;

/// One event in numbers; see [`ACTIONS`] and [`SURFACES`] for the codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Event {
    pub(crate) user: u64,
    pub(crate) item: u32,
    pub(crate) action: u8,
    pub(crate) surface: u8,
    pub(crate) timestamp: i64,
    /// Only views and clicks last.
    pub(crate) duration_s: Option<f32>,
    pub(crate) event_id: i64,
}

impl Event {
    /// Whether the rules for positives in dataset.yaml hold.
    pub(crate) fn is_positive(&self) -> bool {
        match self.action {
            1 => self.duration_s.is_some_and(|lasted| lasted > LONG_CLICK_S),
            action => matches!(action, 2 | 3),
        }
    }
}

/// Chances that an action stays with the interest of its session, that it is about another of the user's own, and that it
/// explores.
pub(crate) fn attention(options: &SynthOptions) -> (f64, f64, f64) {
    let focus = FOCUS.min(1.0 - options.explore);
    (focus, 1.0 - focus - options.explore, options.explore)
}

/// Mean number of sessions of `user` on `day`, a burst aside.
pub(crate) fn mean_sessions(options: &SynthOptions, user: u64, day: u32) -> f64 {
    let mut habits = generator(options.seed, Purpose::Habits, user, 0);
    appetite(options, user, &mut habits) * options.events_per_user_day * day_factor(options, day)
        / SESSION_EVENTS
}

fn appetite(options: &SynthOptions, user: u64, habits: &mut Pcg64Mcg) -> f64 {
    let usual = (APPETITE_SPREAD * normal(habits) - APPETITE_SPREAD * APPETITE_SPREAD / 2.0).exp();
    let is_thin = options.thin_users > 0.0
        && generator(options.seed, Purpose::Thin, user, 0).random_bool(options.thin_users);
    if is_thin { usual * THIN_APPETITE } else { usual }
}

/// The period of `day` in the life of `user`, and the interest of its burst. Periods of users begin on different days.
pub(crate) fn burst(options: &SynthOptions, user: u64, day: u32) -> (u32, Option<u32>) {
    if options.burst_share == 0.0 {
        return (0, None);
    }
    let shift = (user % u64::from(options.burst_days)) as u32;
    let period = (day + shift) / options.burst_days;
    let mut rng = generator(options.seed, Purpose::Burst, user, u64::from(period));
    let interest = rng.random_bool(options.burst_share).then(|| rng.random_range(0..options.n_interests));
    (period, interest)
}

/// Pass every event of `user` on day `day` (counted from the first) to `sink`, in the order of time within a session.
pub(crate) fn day_of_user(market: &Market<'_>, user: u64, day: u32, sink: &mut impl FnMut(Event)) {
    let options = market.options;
    let burst = burst(options, user, day).1;
    let mut rng = generator(options.seed, Purpose::Day, user, u64::from(day));
    let n_sessions = n_sessions(&mut rng, mean_sessions(options, user, day), burst);
    if n_sessions > 0 {
        let taste = Taste::of(options, user, day / 7);
        Visit { market, user, day, taste, burst, rng }.sessions(n_sessions, sink);
    }
}

/// Draw a day's number of sessions: `mean` but for a burst.
pub(crate) fn n_sessions(rng: &mut Pcg64Mcg, mean: f64, burst: Option<u32>) -> u32 {
    poisson(rng, if burst.is_some() { mean * BURST_APPETITE } else { mean }, MOST_SESSIONS)
}

/// How much more than on the mean day users do on `day`.
pub(crate) fn day_factor(options: &SynthOptions, day: u32) -> f64 {
    let days = options.first_day.plus(day as i32).start_s() / SECONDS_PER_DAY; // day 0, 1970-01-01, was a Thursday
    if matches!(days.rem_euclid(7), 2 | 3) { WEEKEND } else { WORKING_DAY }
}

/// A user at work on one day.
pub(crate) struct Visit<'a> {
    pub(crate) market: &'a Market<'a>,
    pub(crate) user: u64,
    pub(crate) day: u32,
    pub(crate) taste: Taste,
    /// Interest of the burst that the day is in.
    pub(crate) burst: Option<u32>,
    pub(crate) rng: Pcg64Mcg,
}

impl Visit<'_> {
    /// Pass the events of the day's sessions to `sink`.
    pub(crate) fn sessions(mut self, n_sessions: u32, sink: &mut impl FnMut(Event)) {
        let (options, user, day) = (self.market.options, self.user, self.day);
        let mut habits = generator(options.seed, Purpose::Habits, user, 0);
        appetite(options, user, &mut habits);
        let preferred_s = habits.random_range(0.0..SECONDS_PER_DAY as f64);
        let mut event_id = (user as i64 * i64::from(options.n_days) + i64::from(day)) * IDS_PER_DAY;
        for _ in 0..n_sessions {
            let spread = 21_600.0 * (self.rng.random::<f64>() + self.rng.random::<f64>() - 1.0); // ± 6 hours
            let mut second = (preferred_s + spread).rem_euclid(SECONDS_PER_DAY as f64);
            let surface = weighted(&mut self.rng, &SURFACE_SHARES) as u8;
            let focus = match self.burst {
                Some(interest) if self.rng.random_bool(BURST_FOCUS) => interest,
                _ => self.own_interest(),
            };
            let n_events = 1 + ((SESSION_EVENTS - 1.0) * exponential(&mut self.rng)).round() as u32;
            for _ in 0..n_events.min(MOST_SESSION_EVENTS) {
                if let Some((item, action, duration_s)) = self.act(focus) {
                    let into_day =
                        if options.day_precision { 0 } else { (second as i64).min(SECONDS_PER_DAY - 1) };
                    let timestamp = options.first_day.plus(day as i32).start_s() + into_day;
                    sink(Event { user, item, action, surface, timestamp, duration_s, event_id });
                    event_id += 1;
                }
                second += 1.0 + PAUSE_S * exponential(&mut self.rng);
            }
        }
    }

    fn own_interest(&mut self) -> u32 {
        self.taste.interests[weighted(&mut self.rng, &self.taste.weights)]
    }

    /// One action in a session about `focus`: item, action, duration. None when its interest has no items yet.
    fn act(&mut self, focus: u32) -> Option<(u32, u8, Option<f32>)> {
        let options = self.market.options;
        let (focuses, _, explores) = attention(options);
        let choice: f64 = self.rng.random();
        let explores = choice >= 1.0 - explores;
        let interest = match choice {
            _ if explores => self.rng.random_range(0..options.n_interests),
            choice if choice < focuses => focus,
            _ => self.own_interest(),
        };
        let item = options.item_of(interest, self.rank(interest)?);
        let action = weighted(&mut self.rng, if explores { &OTHER_ACTIONS } else { &OWN_ACTIONS }) as u8;
        let duration_s = (action < 2).then(|| {
            let typical = if explores { OTHER_SECONDS } else { OWN_SECONDS };
            let seconds = typical * (SECONDS_SPREAD * normal(&mut self.rng)).exp();
            ((seconds * 10.0).round() / 10.0).clamp(0.1, 3600.0) as f32
        });
        Some((item, action, duration_s))
    }

    /// Rank of an item of `interest`: a favourite again, the hit, or one by popularity.
    fn rank(&mut self, interest: u32) -> Option<u32> {
        let options = self.market.options;
        if self.rng.random_bool(options.favourite_share) {
            let nth = self.rng.random_range(0..options.n_favourites);
            if let Some(rank) = self.market.favourite(self.user, interest, nth) {
                return Some(rank);
            }
        }
        if options.hit_share > 0.0
            && self.rng.random_bool(options.hit_share)
            && let Some(rank) = self.market.hit(interest, self.day)
        {
            return Some(rank);
        }
        self.market.draw(interest, self.day, &mut self.rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(options: &SynthOptions, users: u64) -> Vec<Event> {
        let mut events = Vec::new();
        let market = Market::new(options);
        for user in 0..users {
            for day in 0..options.n_days {
                day_of_user(&market, user, day, &mut |event| events.push(event));
            }
        }
        events
    }

    #[test]
    fn the_number_of_events_is_as_asked() {
        let options = SynthOptions { n_days: 28, ..SynthOptions::default() };
        let expected = 1000.0 * 28.0 * options.events_per_user_day;
        let found = events(&options, 1000).len() as f64;
        assert!((found / expected - 1.0).abs() < 0.1, "{found} for {expected}");
    }

    #[test]
    fn liking_shows_in_what_is_done() {
        let options = SynthOptions { n_days: 14, ..SynthOptions::default() };
        let mut own = [0_u32; 2]; // purchases, hides
        let mut other = [0_u32; 2];
        for event in events(&options, 1000) {
            let day = ((event.timestamp - options.first_day.start_s()) / SECONDS_PER_DAY) as u32;
            let taste = Taste::of(&options, event.user, day / 7);
            let is_own = taste.interests.contains(&options.interest_of(event.item));
            let counts = if is_own { &mut own } else { &mut other };
            counts[0] += u32::from(event.action == 3);
            counts[1] += u32::from(event.action == 4);
        }
        assert!(own[0] > 2 * own[1], "{own:?}");
        assert!(other[1] > 2 * other[0], "{other:?}");
    }

    #[test]
    fn users_come_back_to_their_items() {
        let options = SynthOptions { n_days: 28, ..SynthOptions::default() };
        let mut pairs: Vec<(u64, u32)> =
            events(&options, 200).iter().map(|event| (event.user, event.item)).collect();
        let n_events = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        assert!(pairs.len() < n_events * 8 / 10, "{} pairs in {n_events} events", pairs.len());
    }
}
