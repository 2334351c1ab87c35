//! Probabilities of what [`super::behaviour`] draws: that an action is positive, and that a user's sessions leave an item
//! alone.

use super::behaviour::{
    LONG_CLICK_S, MOST_SESSION_EVENTS, MOST_SESSIONS, OTHER_ACTIONS, OTHER_SECONDS, OWN_ACTIONS, OWN_SECONDS,
    SECONDS_SPREAD, SESSION_EVENTS,
};

/// Mean numbers of sessions below which the bound on their number does not matter: more than [`MOST_SESSIONS`] have a
/// probability below 1e-11.
const FEW_SESSIONS: f64 = 20.0;

/// Probability that an action on an item of the own interests is positive, and that an exploring one is.
pub(crate) fn positive_chances() -> (f64, f64) {
    let chance = |actions: &[f32; 5], typical: f64| {
        let [_, click, save, purchase, _] = actions.map(f64::from);
        // Durations are rounded to tenths of a second.
        let least = f64::from(LONG_CLICK_S) + 0.05;
        click * normal_above((least / typical).ln() / SECONDS_SPREAD) + save + purchase
    };
    (chance(&OWN_ACTIONS, OWN_SECONDS), chance(&OTHER_ACTIONS, OTHER_SECONDS))
}

/// Probability that a standard normal number is above `z`, which is not far from 0: by the series
/// Φ(z) = 1/2 + φ(z) (z + z³/3 + z⁵/(3·5) + …).
fn normal_above(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for odd in (3..200).step_by(2) {
        term *= z * z / f64::from(odd);
        sum += term;
    }
    0.5 - (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}

/// E[z^n], where n is the number of events of a session: 1 + round((mean − 1) · exponential), bounded.
pub(crate) fn session_power(z: f64) -> f64 {
    let stays = (-1.0 / (SESSION_EVENTS - 1.0)).exp();
    let half = stays.sqrt();
    // P(1 + k events) = stays^(k - 1/2) (1 - stays) for k ≥ 1; the last number has the whole tail.
    let last = MOST_SESSION_EVENTS as i32 - 1;
    let ratio = stays * z;
    let middle = half * (1.0 - stays) * z * (1.0 - ratio.powi(last - 1)) / (1.0 - ratio);
    z * (1.0 - half + middle + half * stays.powi(last - 1) * z.powi(last))
}

/// Mean number of events of a session, or a little more: without the bound.
pub(crate) fn mean_session_events() -> f64 {
    let stays = (-1.0 / (SESSION_EVENTS - 1.0)).exp();
    1.0 + stays.sqrt() / (1.0 - stays)
}

/// Probability that a session has no action on an item, and that its first one is positive if there is one. The session is
/// about the item's interest with probability `about`; `positive` and `any` are the probabilities that an event is a
/// positive one on the item, and any, in a session about its interest and in another.
pub(crate) fn first_action(about: f64, positive: (f64, f64), any: (f64, f64)) -> (f64, f64) {
    let in_focus = about * (1.0 - session_power(1.0 - any.0));
    let elsewhere = (1.0 - about) * (1.0 - session_power(1.0 - any.1));
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let acted = in_focus + elsewhere;
    let liked = in_focus * share(positive.0, any.0) + elsewhere * share(positive.1, any.1);
    (1.0 - acted, share(liked, acted))
}

/// ln E[s^n] for a Poisson number n of sessions of mean `mean`, bounded by [`MOST_SESSIONS`].
pub(crate) fn ln_silence(mean: f64, s: f64) -> f64 {
    if mean < FEW_SESSIONS {
        return -mean * (1.0 - s);
    }
    // E[s^min(n, most)] = s^most + Σ_{n < most} P(n) (s^n - s^most)
    let at_most = s.powi(MOST_SESSIONS as i32);
    let mut ln_probability = -mean;
    let mut sum = at_most;
    for n in 0..MOST_SESSIONS {
        sum += ln_probability.exp() * (s.powi(n as i32) - at_most);
        ln_probability += mean.ln() - f64::from(n + 1).ln();
    }
    sum.ln()
}

#[cfg(test)]
mod tests {
    use super::super::random::{Purpose, exponential, generator, normal, poisson};
    use super::*;

    const N: u32 = 200_000;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..N).map(|_| draw()).sum::<f64>() / f64::from(N)
    }

    #[test]
    fn chances_are_those_of_the_draws() {
        let mut rng = generator(3, Purpose::Day, 0, 0);
        for z in [-0.5, 0.1379, 1.5112] {
            let share = mean(|| f64::from(u8::from(normal(&mut rng) > z)));
            assert!((normal_above(z) - share).abs() < 0.004, "{z}: {} for {share}", normal_above(z));
        }
        assert!((normal_above(1.959_963_985) - 0.025).abs() < 1e-9);
        for z in [0.0, 0.4, 0.97] {
            let power = mean(|| {
                let n = 1 + ((SESSION_EVENTS - 1.0) * exponential(&mut rng)).round() as u32;
                f64::from(z as f32).powi(n.min(MOST_SESSION_EVENTS) as i32)
            });
            assert!((session_power(z) - power).abs() < 0.004, "{z}: {} for {power}", session_power(z));
        }
        assert!((session_power(1.0 - 1e-9) - 1.0).abs() < 1e-7);
        for most_mean in [0.7, 19.0, 25.0, 62.0] {
            let s = 0.97;
            let drawn = mean(|| f64::powi(s, poisson(&mut rng, most_mean, MOST_SESSIONS) as i32));
            let silence = ln_silence(most_mean, s).exp();
            assert!((silence - drawn).abs() < 0.003, "{most_mean}: {silence} for {drawn}");
        }
    }
}
