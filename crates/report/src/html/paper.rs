//! What PinnerFormer's paper reports (KDD 2022): the figures that have a counterpart in every experiment. Those of its
//! ablations stand in `config/ablations/`.

/// A row of the paper's comparison with PinnerSage; Interest Entropy in nats.
pub(super) struct Published {
    /// Name of the same scorer in our tables.
    pub(super) scorer: &'static str,
    pub(super) recall: f64,
    pub(super) entropy: f64,
    pub(super) coverage: f64,
}

/// Recall@10, Interest Entropy@50 and P90 Coverage@10 of the comparison with PinnerSage.
const COMPARISON: [Published; 3] = [
    Published { scorer: "model", recall: 0.229, entropy: 1.97, coverage: 0.042 },
    Published { scorer: "PinnerSage, 5 clusters, oracle", recall: 0.026, entropy: 1.69, coverage: 0.130 },
    Published { scorer: "PinnerSage, 20 clusters, oracle", recall: 0.046, entropy: 2.10, coverage: 0.133 },
];

/// The paper's row of a scorer.
pub(super) fn of(scorer: &str) -> Option<&'static Published> {
    COMPARISON.iter().find(|row| row.scorer == scorer)
}

/// Recall@10 of dense all action with embeddings computed once, daily and in real time.
pub(super) const FRESHNESS: [f64; 3] = [0.229, 0.243, 0.264];
