//! What any model has to beat: scorers made from the history alone, by counting and linear algebra.
//!
//! "Bought", "count" and "popular" mean positive actions. Weights of a user's actions halve with every half-life of
//! age, measured from that user's newest positive: only their proportions matter. [`each`] builds them one at a time.

mod bag;
mod ease;
mod matrix;
mod neighbours;
mod own;
mod popularity;
mod random;

use dayvec_core::{Day, ItemTable, Sequences};

pub use bag::{DecayedFeatures, SvdBag};
pub use ease::Ease;
pub use neighbours::ItemNeighbours;
pub use own::OwnItems;
pub use popularity::{Popularity, RecentPopularity};
pub use random::Random;

use crate::{EvaluationError, Scorer};

/// Settings of the baselines; the defaults are those of the reference figures.
#[derive(Debug, Clone)]
pub struct BaselineOptions {
    /// Days of recent popularity.
    pub recent_days: u32,
    /// Half-life of decayed counts, means and bags, in days.
    pub half_life_days: f64,
    /// Last distinct items whose neighbours are scored.
    pub n_neighbour_items: usize,
    /// Widths of the SVD bags.
    pub svd_dims: Vec<usize>,
    /// λ of EASE.
    pub ease_lambda: f64,
    /// Most items of EASE: its matrix is items × items (14,000: 784 MB, and three times that while it is made).
    pub ease_items: usize,
    /// Seed of what is random.
    pub seed: u64,
}

impl Default for BaselineOptions {
    fn default() -> Self {
        Self {
            recent_days: 28,
            half_life_days: 40.0,
            n_neighbour_items: 5,
            svd_dims: vec![64, 256],
            ease_lambda: 500.0, // the EASE paper's value for the densest of its logs; flat from 250 to 1000
            ease_items: 14_000,
            seed: 1,
        }
    }
}

/// Build every baseline of `history` (everything before `cut_off`), hand it to `visit`, and drop it before the next
/// one is built, in the order of the table. The decayed mean of item features needs `table`, whose rows are the items
/// of `history`.
///
/// # Errors
/// When a baseline cannot be built, or `visit` fails.
pub fn each<E: From<EvaluationError>>(
    history: &Sequences,
    cut_off: Day,
    table: Option<&ItemTable>,
    options: &BaselineOptions,
    visit: &mut dyn FnMut(&dyn Scorer) -> Result<(), E>,
) -> Result<(), E> {
    visit(&Random::new(history, options.seed))?;
    visit(&Popularity::new(history))?;
    visit(&RecentPopularity::new(history, cut_off, options.recent_days))?;
    visit(&OwnItems::new(history, options.half_life_days))?;
    visit(&ItemNeighbours::new(history, options.n_neighbour_items))?;
    if let Some(table) = table {
        visit(&DecayedFeatures::new(history, table, options.half_life_days)?)?;
    }
    for &dim in &options.svd_dims {
        visit(&SvdBag::new(history, dim, options.half_life_days, options.seed)?)?;
    }
    visit(&Ease::new(history, options.ease_lambda, options.ease_items)?)
}
