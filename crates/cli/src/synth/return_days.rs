//! The oracle's probabilities where a log drops events on items that their user acted on before: for ever, or for some days.
//!
//! While an item is free, each day passes without an action on it, or the first one is kept: if that is not positive, the
//! item is free again only after the gap. Going back from the end of the window, this gives the probability of no kept
//! positive from each day on, for each state of the bursts of the day's period; other periods enter with their chances.

/// Days of one period of bursts that are alike but for the number of sessions.
pub(crate) struct Span {
    pub(crate) period: u32,
    /// One a state of the period's bursts; the same for all spans of a period.
    pub(crate) states: Vec<State>,
}

/// An item on the days of a span, in a state of bursts.
pub(crate) struct State {
    /// Probability of the state.
    pub(crate) chance: f64,
    /// Probability of no action on each day.
    pub(crate) quiet: Vec<f64>,
    /// Probability that a first action is positive.
    pub(crate) positive: f64,
}

/// Probability that no kept event of the `spans` is positive, for an item that is free from day `free` on, counted from
/// the first, and again `gap` days after an event, which is at least one day.
pub(crate) fn silence_of_kept(spans: &[Span], gap: usize, free: usize) -> f64 {
    let n_days = spans.iter().map(|span| span.states[0].quiet.len()).sum();
    // By day: the mean over states, and the value in each state; after the end there is nothing to be silent about.
    let mut mean = vec![1.0; n_days + 1];
    let mut by_state: Vec<Vec<f64>> = vec![Vec::new(); n_days];
    let mut period_of = vec![0; n_days];
    let mut day = n_days;
    for span in spans.iter().rev() {
        for of_span in (0..span.states[0].quiet.len()).rev() {
            day -= 1;
            period_of[day] = span.period;
            let value = |from: usize, state: usize| match by_state.get(from) {
                Some(values) if period_of[from] == span.period => values[state],
                _ => mean[from.min(n_days)],
            };
            let silent = |(at, state): (usize, &State)| {
                let quiet = state.quiet[of_span];
                quiet * value(day + 1, at) + (1.0 - quiet) * (1.0 - state.positive) * value(day + gap, at)
            };
            let values: Vec<f64> = span.states.iter().enumerate().map(silent).collect();
            mean[day] = span.states.iter().zip(&values).map(|(state, value)| state.chance * value).sum();
            by_state[day] = values;
        }
    }
    mean[free.min(n_days)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_returns_after_the_gap() {
        let days = |quiet: &[f64]| {
            let state = State { chance: 1.0, quiet: quiet.to_vec(), positive: 0.25 };
            vec![Span { period: 0, states: vec![state] }]
        };
        // Quiet, or not positive: 0.5 + 0.5 * 0.75 on each of two days.
        assert!((silence_of_kept(&days(&[0.5, 0.5]), 1, 0) - 0.875 * 0.875).abs() < 1e-12);
        // With a gap of two days, the second day counts after a quiet first alone.
        assert!((silence_of_kept(&days(&[0.5, 0.5]), 2, 0) - (0.5 * 0.875 + 0.5 * 0.75)).abs() < 1e-12);
        assert!((silence_of_kept(&days(&[0.5, 0.5]), 2, 1) - 0.875).abs() < 1e-12);
        assert!((silence_of_kept(&days(&[0.5, 0.5]), 2, 9) - 1.0).abs() < 1e-12);
    }
}
