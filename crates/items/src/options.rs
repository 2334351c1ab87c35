//! The settings of [`build_items`](crate::build_items), with the reason for each default.

use serde::{Deserialize, Serialize};

use crate::error::ItemsError;
use crate::pinsage::PinSageOptions;

/// What counts as being acted on together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Basket {
    /// The items of one user on one UTC day.
    #[default]
    Day,
    /// The items of one user's run of actions in which none comes more than this many seconds after the one before;
    /// for logs in which a day holds many purposes.
    Session {
        /// Longest pause within a session, in seconds.
        gap_s: u32,
    },
}

/// Which of the two kinds of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Method {
    /// Positive pointwise mutual information and its truncated decomposition, and text: nothing is trained.
    Spectral {},
    /// A small network over the spectral features of an item and its neighbours.
    PinSage(PinSageOptions),
}

/// How item features are built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildOptions {
    /// `{name: spectral}` or `{name: pinsage}`, the second with settings of its own. For the decayed mean of a user's item
    /// features and a fortnight before the test window, Recall@10 is 0.058 and 0.047 on a shop's log, 0.164 and 0.188
    /// on a synthetic one without item text: the real log decides, and the first takes a second where the other takes many.
    pub method: Method,
    /// Width of a feature vector, text part included: by default 64 + 32, or 96 when there is no item text. By the
    /// measure described at `smoothing`, 64 of the graph alone give 0.057 and 64 + 32 with text 0.058; the text part is
    /// what items without events have.
    pub dim: usize,
    /// How much of `dim` is the text part when there is item text, at most half; else the graph part takes all.
    pub text_dim: usize,
    /// Share of the text part in the squared norm, and so in the cosine of two items that have both parts.
    pub text_weight: f32,
    /// Which actions of a user go together.
    pub basket: Basket,
    /// Weight of a pair that spans two successive baskets of a user, against 1 within a basket; 0 leaves them out.
    /// Without it a log in which most baskets hold one item has no pairs.
    pub neighbour_weight: f32,
    /// In a basket of more items than this, each item is paired with this many others, drawn at random.
    pub max_partners: usize,
    /// Bound of the pairs that are counted (16 bytes of memory each): `max_partners` is halved until it is met.
    pub max_pairs: usize,
    /// Context-distribution smoothing (Levy, Goldberg and Dagan 2015): counts of contexts are raised to this power.
    /// Theirs is 0.75, for words; the lower, the less a rare item's few pairs outweigh a popular item's many, and the
    /// better the features separate popular items, which matters most for recommendation. On a shop's log, for the decayed
    /// mean of a user's item features and a fortnight before the test window, Recall@10 went from 0.041 at 0.75 to
    /// 0.051 at 0.5 and 0.057 at 0.25, and no further at 0.
    pub smoothing: f32,
    /// ln of this is taken off every value before the negative ones are dropped: the number of negative samples of
    /// the equivalent skip-gram model. Below 1 keeps pairs that are a little rarer than chance.
    pub shift: f32,
    /// Exponent of the singular values in U·Σ^power: 0 weighs all directions alike, noise as well; 1 keeps their
    /// sizes. By the same measure 0.25 is a little better than 0.5 (0.059 against 0.057) and 1 much worse; 0.5 keeps
    /// planted groups together where `dim` exceeds the number of groups by far.
    pub power: f32,
    /// Number of labels `cluster-NNN` that stand in for interests when the item text has none.
    pub n_interests: usize,
    /// Seed of every draw.
    pub seed: u64,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            method: Method::Spectral {},
            dim: 96,
            text_dim: 32,
            text_weight: 0.2,
            basket: Basket::Day,
            neighbour_weight: 0.3,
            max_partners: 64,
            max_pairs: 64 << 20,
            smoothing: 0.25,
            shift: 1.0,
            power: 0.5,
            n_interests: 64,
            seed: 0,
        }
    }
}

impl BuildOptions {
    /// Everything that is wrong with the options, one sentence a fault.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |sound: bool, fault: String| {
            if !sound {
                faults.push(fault);
            }
        };
        let share = |value: f32| (0.0..=1.0).contains(&value);
        check(self.dim > 0, "dim: must be at least 1".to_owned());
        check(share(self.text_weight), format!("text_weight: {} must be between 0 and 1", self.text_weight));
        check(
            self.neighbour_weight >= 0.0 && self.neighbour_weight.is_finite(),
            format!("neighbour_weight: {} must be finite and not negative", self.neighbour_weight),
        );
        check(self.max_partners >= 2, format!("max_partners: {} must be at least 2", self.max_partners));
        check(share(self.smoothing), format!("smoothing: {} must be between 0 and 1", self.smoothing));
        check(
            self.shift > 0.0 && self.shift.is_finite(),
            format!("shift: {} must be finite and positive", self.shift),
        );
        check(share(self.power), format!("power: {} must be between 0 and 1", self.power));
        check(self.n_interests > 0, "n_interests: must be at least 1".to_owned());
        if let Method::PinSage(options) = &self.method {
            faults.extend(options.faults());
        }
        faults
    }

    /// Width of the text part of an item that has one.
    pub(crate) fn text_part(&self) -> usize {
        self.text_dim.min(self.dim / 2)
    }

    pub(crate) fn check(&self) -> Result<(), ItemsError> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(ItemsError::Options(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported() {
        assert!(BuildOptions::default().check().is_ok());
        let options = BuildOptions { dim: 0, shift: f32::NAN, power: 2.0, ..BuildOptions::default() };
        let message = options.check().unwrap_err().to_string();
        for name in ["dim: must", "shift: NaN", "power: 2"] {
            assert!(message.contains(name), "{message}");
        }
    }
}
