//! What a model has to beat: scorers built from the history alone, by counting and linear algebra.
//!
//! "Bought", "count" and "popular" mean positive actions. Weights of a user's actions halve with every half-life of
//! age, measured from that user's newest positive: only their proportions matter. A new baseline is one file and one line
//! of `BASELINES`.

mod bag;
mod ease;
mod matrix;
mod neighbours;
mod own;
mod popularity;
mod random;

use std::rc::Rc;

use dayvec_core::{Day, ItemTable, Sequences};

pub use bag::{DecayedFeatures, SvdBag};
pub use ease::Ease;
pub use neighbours::ItemNeighbours;
pub use own::OwnItems;
pub use popularity::{Popularity, RecentPopularity};
pub use random::Random;

use crate::pinnersage::{PinnerSage, TOP_CLUSTERS};
use crate::{EvaluationError, Scorer};

/// What the baselines are built from.
#[derive(Debug, Clone, Copy)]
pub struct BaselineInput<'a> {
    /// Everything before the cut-off.
    pub history: &'a Sequences,
    /// Item features; its rows are the items of `history`.
    pub items: &'a ItemTable,
    /// First day of the future.
    pub cut_off: Day,
    /// Most items of EASE: its matrix is items × items (14,000: 784 MB, and three times that while it is made).
    pub ease_items: usize,
    /// α of PinnerSage's clusters; `None` leaves it out.
    pub pinnersage: Option<f64>,
    /// Seed of what is random.
    pub seed: u64,
}

/// "Recent", for popularity: the window of the shipped objective.
const RECENT_DAYS: u32 = 28;
/// Half-life of an action's weight, chosen on an earlier split of Online Retail II.
pub(crate) const HALF_LIFE_DAYS: f64 = 40.0;
/// Newest distinct items of a user whose neighbours are scored.
const NEWEST_ITEMS: usize = 5;
/// λ of EASE: its paper's value for the densest of its logs; flat from 250 to 1000.
const EASE_LAMBDA: f64 = 500.0;

type Built = Result<Box<dyn Scorer>, EvaluationError>;

/// Every baseline, in the order of the table. The widths of the SVD are those of the presets `small` and `paper`.
const BASELINES: [fn(&BaselineInput<'_>) -> Built; 9] = [
    |input| boxed(Ok(Random::new(input.history, input.seed))),
    |input| boxed(Ok(Popularity::new(input.history))),
    |input| boxed(Ok(RecentPopularity::new(input.history, input.cut_off, RECENT_DAYS))),
    |input| boxed(Ok(OwnItems::new(input.history, HALF_LIFE_DAYS))),
    |input| boxed(Ok(ItemNeighbours::new(input.history, NEWEST_ITEMS))),
    |input| boxed(DecayedFeatures::new(input.history, input.items, HALF_LIFE_DAYS)),
    |input| boxed(SvdBag::new(input.history, 64, HALF_LIFE_DAYS, input.seed)),
    |input| boxed(SvdBag::new(input.history, 256, HALF_LIFE_DAYS, input.seed)),
    |input| boxed(Ease::new(input.history, EASE_LAMBDA, input.ease_items)),
];

fn boxed<S: Scorer + 'static>(scorer: Result<S, EvaluationError>) -> Built {
    Ok(Box::new(scorer?))
}

/// Build the baselines one at a time: each is handed to `visit` and dropped before the next one is built.
///
/// # Errors
/// When a baseline cannot be built, or `visit` fails.
pub fn each<E: From<EvaluationError>>(
    input: &BaselineInput<'_>,
    visit: &mut dyn FnMut(&dyn Scorer) -> Result<(), E>,
) -> Result<(), E> {
    BASELINES.iter().try_for_each(|build| visit(&*build(input)?))?;
    let Some(threshold) = input.pinnersage else { return Ok(()) };
    let users = Rc::new(PinnerSage::new(input.history, input.items, threshold)?); // clustered once for both rows
    TOP_CLUSTERS.iter().try_for_each(|&n_clusters| visit(&users.top(n_clusters)))
}
