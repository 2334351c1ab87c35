//! The oracle's probabilities where a log drops events on items that their user acted on before: for ever, or for some days.
//!
//! While an item is free, each day passes without an action on it, or the first one is kept: if that is not positive, the
//! item is free again only after the gap. Going back from the end of the window, this gives the probability of no kept
//! positive from each day on, for each state of the bursts of the day's period; other periods enter with their chances.

use super::chance::{ln_silence, session_power};
use super::oracle::{BurstState, Interest, Prospect};

impl Prospect<'_> {
    /// Probability that no kept event of the window on an item with these masses is positive, given the shares of
    /// attention of the weeks; `last` is the day of its newest kept event before the window.
    pub(super) fn silence_of_kept(
        &self,
        interest: &Interest,
        weeks: &[f64],
        masses: &[f64],
        last: Option<u32>,
    ) -> f64 {
        let options = self.oracle.market.options;
        let n_days = self.oracle.window.len();
        let gap = if options.no_repeats { n_days } else { options.repeat_gap_days as usize };
        let free = match last {
            Some(_) if options.no_repeats => n_days,
            Some(last) => (last + options.repeat_gap_days).saturating_sub(self.oracle.window.start) as usize,
            None => 0,
        };
        // By day: the mean over states, and the value in each state; after the end there is nothing to be silent about.
        let mut mean = vec![1.0; n_days + 1];
        let mut by_state: Vec<Vec<f64>> = vec![Vec::new(); n_days];
        let mut period_of = vec![0; n_days];
        let mut day = n_days;
        for (segment, &mass) in self.segments.iter().zip(masses).rev() {
            let states = self.burst_states(interest.interest, segment.period);
            let sessions: Vec<(f64, f64)> =
                states.iter().map(|state| self.session(weeks[segment.week], mass, state)).collect();
            for &mean_sessions in segment.sessions.iter().rev() {
                day -= 1;
                period_of[day] = segment.period;
                let value = |from: usize, state: usize| match by_state.get(from) {
                    Some(values) if period_of[from] == segment.period => values[state],
                    _ => mean[from.min(n_days)],
                };
                let silent = |(at, state): (usize, &BurstState)| {
                    let (session, positive) = sessions[at];
                    let quiet = ln_silence(state.1 * mean_sessions, session).exp();
                    quiet * value(day + 1, at) + (1.0 - quiet) * (1.0 - positive) * value(day + gap, at)
                };
                let values: Vec<f64> = states.iter().enumerate().map(silent).collect();
                mean[day] = states.iter().zip(&values).map(|(state, value)| state.0 * value).sum();
                by_state[day] = values;
            }
        }
        mean[free.min(n_days)]
    }

    /// Probability that a session has no action on an item of `mass` in an interest of share `own`, and that the first
    /// one is positive if there is one.
    fn session(&self, own: f64, mass: f64, state: &BurstState) -> (f64, f64) {
        let about = state.2 * own + state.3;
        let positive = self.per_event(own, self.oracle.positive_chances);
        let any = self.per_event(own, (1.0, 1.0));
        let in_focus = about * (1.0 - session_power(1.0 - any.0 * mass));
        let elsewhere = (1.0 - about) * (1.0 - session_power(1.0 - any.1 * mass));
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let acted = in_focus + elsewhere;
        let liked = in_focus * share(positive.0, any.0) + elsewhere * share(positive.1, any.1);
        (1.0 - acted, share(liked, acted))
    }
}
