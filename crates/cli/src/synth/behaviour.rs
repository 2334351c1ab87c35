//! What one user does on one day: sessions on a surface, each about one of the user's interests.

use dayvec_core::SECONDS_PER_DAY;
use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::options::SynthOptions;
use super::random::{Purpose, exponential, generator, normal, poisson, weighted, zipf};
use super::taste::Taste;

/// Action types, in the order of their codes.
pub(crate) const ACTIONS: [&str; 5] = ["view", "click", "save", "purchase", "hide"];
/// Surfaces, in the order of their codes.
pub(crate) const SURFACES: [&str; 3] = ["home", "search", "related"];

/// Frequencies of [`ACTIONS`] on an item of the user's own interests, and on any other: liking shows, and so does dislike.
const OWN_ACTIONS: [f32; 5] = [0.62, 0.20, 0.10, 0.06, 0.02];
const OTHER_ACTIONS: [f32; 5] = [0.80, 0.08, 0.01, 0.01, 0.10];
const SURFACE_SHARES: [f32; 3] = [0.6, 0.25, 0.15];

/// Mean number of events of a session.
const SESSION_EVENTS: f64 = 5.0;
/// Bounds that keep a user's event ids of a day below [`IDS_PER_DAY`].
const MOST_SESSIONS: u32 = 60;
const MOST_SESSION_EVENTS: u32 = 60;
/// Event ids that are set aside for a user and day.
pub(crate) const IDS_PER_DAY: i64 = 4096;
/// Spread of users' appetites: the standard deviation of its logarithm.
const APPETITE_SPREAD: f64 = 1.0;
/// Weekend days see more events, working days fewer; the mean over a week is 1.
const WEEKEND: f64 = 1.2;
const WORKING_DAY: f64 = 0.92;
/// Chance of staying with the interest of the session, and of leaving all own interests.
const FOCUS: f64 = 0.85;
const EXPLORE: f64 = 0.05;
/// Chance that an item is one of the user's favourites of the interest, and how many those are.
const REPEAT: f64 = 0.2;
const FAVOURITES: u32 = 4;
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

/// Pass every event of `user` on day `day` (counted from the first) to `sink`, in the order of time within a session.
pub(crate) fn day_of_user(options: &SynthOptions, user: u64, day: u32, sink: &mut impl FnMut(Event)) {
    let mut habits = generator(options.seed, Purpose::Habits, user, 0);
    let appetite = (APPETITE_SPREAD * normal(&mut habits) - APPETITE_SPREAD * APPETITE_SPREAD / 2.0).exp();
    let mean_events = options.events_per_user_day * appetite * day_factor(options, day);

    let mut rng = generator(options.seed, Purpose::Day, user, u64::from(day));
    let n_sessions = poisson(&mut rng, mean_events / SESSION_EVENTS, MOST_SESSIONS);
    if n_sessions == 0 {
        return;
    }
    let preferred_s = habits.random_range(0.0..SECONDS_PER_DAY as f64);
    let mut visit = Visit { options, user, taste: Taste::of(options, user, day / 7), rng };
    let mut event_id = (user as i64 * i64::from(options.n_days) + i64::from(day)) * IDS_PER_DAY;
    for _ in 0..n_sessions {
        let spread = 21_600.0 * (visit.rng.random::<f64>() + visit.rng.random::<f64>() - 1.0); // ± 6 hours
        let mut second = (preferred_s + spread).rem_euclid(SECONDS_PER_DAY as f64);
        let surface = weighted(&mut visit.rng, &SURFACE_SHARES) as u8;
        let focus = visit.own_interest();
        let n_events = 1 + ((SESSION_EVENTS - 1.0) * exponential(&mut visit.rng)).round() as u32;
        for _ in 0..n_events.min(MOST_SESSION_EVENTS) {
            let (item, action, duration_s) = visit.act(focus);
            let timestamp =
                options.first_day.plus(day as i32).start_s() + (second as i64).min(SECONDS_PER_DAY - 1);
            sink(Event { user, item, action, surface, timestamp, duration_s, event_id });
            event_id += 1;
            second += 1.0 + PAUSE_S * exponential(&mut visit.rng);
        }
    }
}

fn day_factor(options: &SynthOptions, day: u32) -> f64 {
    let days = options.first_day.plus(day as i32).start_s() / SECONDS_PER_DAY; // day 0, 1970-01-01, was a Thursday
    if matches!(days.rem_euclid(7), 2 | 3) { WEEKEND } else { WORKING_DAY }
}

/// A user at work.
struct Visit<'a> {
    options: &'a SynthOptions,
    user: u64,
    taste: Taste,
    rng: Pcg64Mcg,
}

impl Visit<'_> {
    fn own_interest(&mut self) -> u32 {
        self.taste.interests[weighted(&mut self.rng, &self.taste.weights)]
    }

    /// One action in a session about `focus`: item, action, duration.
    fn act(&mut self, focus: u32) -> (u32, u8, Option<f32>) {
        let choice: f64 = self.rng.random();
        let explores = choice >= 1.0 - EXPLORE;
        let interest = match choice {
            choice if choice < FOCUS => focus,
            _ if explores => self.rng.random_range(0..self.options.n_interests),
            _ => self.own_interest(),
        };
        let item = self.item(interest);
        let action = weighted(&mut self.rng, if explores { &OTHER_ACTIONS } else { &OWN_ACTIONS }) as u8;
        let duration_s = (action < 2).then(|| {
            let typical = if explores { 3.0 } else { 9.0 };
            let seconds = typical * (0.8 * normal(&mut self.rng)).exp();
            ((seconds * 10.0).round() / 10.0).clamp(0.1, 3600.0) as f32
        });
        (item, action, duration_s)
    }

    /// An item of `interest`: a favourite again, or one by popularity.
    fn item(&mut self, interest: u32) -> u32 {
        let n_items = self.options.items_of(interest);
        let rank = if self.rng.random_bool(REPEAT) {
            let nth = self.rng.random_range(0..FAVOURITES);
            let key = u64::from(interest) << 32 | u64::from(nth);
            zipf(&mut generator(self.options.seed, Purpose::Favourites, self.user, key), n_items)
        } else {
            zipf(&mut self.rng, n_items)
        };
        self.options.item_of(interest, rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(options: &SynthOptions, users: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for user in 0..users {
            for day in 0..options.n_days {
                day_of_user(options, user, day, &mut |event| events.push(event));
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
