//! The input features of an action that need no learning (the paper, section 1.2–1.3): log duration and the three
//! time encodings, before their phases.
//!
//! The encoding of a time `t` is `cos(2πt/p + φ)`, `sin(2πt/p + φ')` for each period and `log(1 + t)`, with fixed
//! periods and learned phases. Because the encoding goes straight into a linear layer, the angle-sum formula moves
//! the phases into that layer's weights ([`fold_phases`]): the per-token part has no gradient and costs one cosine
//! and one sine. `t` is reduced modulo the period in integers or f64, since f32 would lose the phase of 1.6e9 s.

use tch::{Kind, Tensor};

use crate::parameters::{Init, ParameterList, WeightId, Weights};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// Periods of the absolute encoding, in seconds: 0.25 h … 365 days, chosen by hand in the paper.
pub(crate) const ABSOLUTE_PERIODS_S: [i64; 12] = [
    HOUR_S / 4,
    HOUR_S / 2,
    3 * HOUR_S / 4,
    HOUR_S,
    2 * HOUR_S,
    4 * HOUR_S,
    8 * HOUR_S,
    16 * HOUR_S,
    DAY_S,
    7 * DAY_S,
    28 * DAY_S,
    365 * DAY_S,
];
/// Number of periods of the two relative encodings, log-spaced from 1 second to 4 weeks.
pub(crate) const N_RELATIVE_PERIODS: usize = 32;
const LONGEST_RELATIVE_S: f64 = 28.0 * 86_400.0;
/// Log features are shrunk so that they are of the size of a cosine; the layer behind absorbs the factor.
const LOG_SCALE: f64 = 0.1;

/// Periods of the relative encodings, in seconds.
pub(crate) fn relative_periods_s() -> Vec<f64> {
    let steps = (N_RELATIVE_PERIODS - 1) as f64;
    (0..N_RELATIVE_PERIODS).map(|i| LONGEST_RELATIVE_S.powf(i as f64 / steps)).collect()
}

/// Weights of one time encoding inside the input layer.
#[derive(Debug)]
pub(crate) struct TimeEncoding {
    n_periods: i64,
    cos_phase: WeightId,
    sin_phase: WeightId,
    cos_rows: WeightId,
    sin_rows: WeightId,
    log_row: WeightId,
}

impl TimeEncoding {
    pub(crate) fn new(
        list: &mut ParameterList,
        name: &str,
        n_periods: usize,
        hidden: usize,
        fan_in: usize,
    ) -> Self {
        let rows = |list: &mut ParameterList, part: &str, n| {
            list.weight(format!("{name}.{part}.weight"), &[n, hidden], Init::FanIn(fan_in))
        };
        Self {
            n_periods: n_periods as i64,
            cos_phase: list.free(format!("{name}.cos.phase"), &[n_periods], Init::Constant(0.0)),
            sin_phase: list.free(format!("{name}.sin.phase"), &[n_periods], Init::Constant(0.0)),
            cos_rows: rows(list, "cos", n_periods),
            sin_rows: rows(list, "sin", n_periods),
            log_row: rows(list, "log", 1),
        }
    }

    /// Rows of the input layer for `[cos a, sin a, log]`, with the phases folded in, `[2 P + 1, H]`.
    pub(crate) fn fold_phases(&self, w: &Weights) -> Tensor {
        let phase = |param| w[param].view([self.n_periods, 1]);
        let (cos_phase, sin_phase) = (phase(self.cos_phase), phase(self.sin_phase));
        let (cos_rows, sin_rows) = (&w[self.cos_rows], &w[self.sin_rows]);
        let of_cos = cos_phase.cos() * cos_rows + sin_phase.sin() * sin_rows;
        let of_sin = sin_phase.cos() * sin_rows - cos_phase.sin() * cos_rows;
        Tensor::cat(&[&of_cos, &of_sin, &w[self.log_row]], 0) // [2 P + 1, H]
    }
}

/// Columns of the input layer that need no learning: `[N, 1? + 25 + 65 + 65]`, f32.
///
/// `timestamp`, `since_latest` and `gap` are `[N]` i64 seconds; `log_duration` is `[N]` f32, or `None` when the model
/// has no duration.
pub(crate) fn fixed_features(
    timestamp: &Tensor,
    since_latest: &Tensor,
    gap: &Tensor,
    log_duration: Option<&Tensor>,
) -> Tensor {
    let device = timestamp.device();
    let periods = Tensor::from_slice(&ABSOLUTE_PERIODS_S).to_device(device); // [12]
    let turns = timestamp.unsqueeze(1).remainder_tensor(&periods).to_kind(Kind::Float) / &periods; // [N, 12]
    let relative = Tensor::from_slice(&relative_periods_s()).to_device(device); // [32]
    let turns_of = |seconds: &Tensor| {
        (seconds.to_kind(Kind::Double).unsqueeze(1) / &relative).frac().to_kind(Kind::Float) // [N, 32]
    };
    let mut columns: Vec<Tensor> = log_duration.iter().map(|column| column.unsqueeze(1)).collect();
    for (turns, seconds) in [(turns, timestamp), (turns_of(since_latest), since_latest), (turns_of(gap), gap)]
    {
        let angle = turns * std::f64::consts::TAU;
        let log = (seconds.clamp_min(0).to_kind(Kind::Double).log1p() * LOG_SCALE).to_kind(Kind::Float);
        columns.extend([angle.cos(), angle.sin(), log.unsqueeze(1)]);
    }
    Tensor::cat(&columns, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_paper() {
        let relative = relative_periods_s();
        assert_eq!(relative.len(), 32);
        assert!((relative[0] - 1.0).abs() < 1e-12);
        assert!((relative[1] - 1.607).abs() < 1e-3);
        assert!((relative[30] - 1_505_730.0).abs() < 50.0, "{}", relative[30]);
        assert!((relative[31] - 2_419_200.0).abs() < 1e-6);
    }

    #[test]
    fn widths_are_25_65_65_and_the_phase_survives_a_large_time() {
        let now = 1_600_000_000_i64;
        let at = |shift: i64| {
            let time = Tensor::from_slice(&[now + shift]);
            let zero = Tensor::from_slice(&[0_i64]);
            fixed_features(&time, &zero, &zero, None)
        };
        assert_eq!(at(0).size(), [1, 25 + 65 + 65]);
        // a quarter of the first period (900 s) later, the cosine has moved by a quarter turn
        let turn = |shift| at(shift).double_value(&[0, 0]);
        let expected = |shift: i64| (((now + shift) % 900) as f64 / 900.0 * std::f64::consts::TAU).cos();
        for shift in [0, 1, 225, 899] {
            assert!((turn(shift) - expected(shift)).abs() < 1e-5);
        }
    }
}
