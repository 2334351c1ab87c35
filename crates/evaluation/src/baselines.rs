//! What a model has to beat: scorers built from the history alone, by counting and linear algebra.
//!
//! "Bought", "count" and "popular" mean positive actions. A setting that matters is chosen on the days before the test
//! days ([`Choices`]), never on the test days. A new baseline is one file and one line of `BASELINES`.
//!
//! **Memory**, beside the log and one block of scores: EASE and the SVD keep the items (and users) of the most purchases
//! that fit into [`Limits`]; the others are sparse, or hold one number an item or one copy of the item features.

mod bag;
mod choice;
mod columns;
mod ease;
mod input;
mod matrix;
mod neighbours;
mod own;
mod popularity;
mod random;

use std::rc::Rc;

use dayvec_report::Choices;

pub use bag::{DecayedFeatures, SvdBag, SvdVectors};
pub use ease::{Ease, ItemPairs};
pub use input::{BaselineInput, Limits};
pub use neighbours::ItemNeighbours;
pub use own::{HALF_LIFE_DAYS as OWN_HALF_LIFE_DAYS, OwnCounts, OwnItems};
pub use popularity::Popularity;
pub use random::Random;

use crate::pinnersage::{PinnerSage, TOP_CLUSTERS};
use crate::{EvaluationError, Scorer};
use choice::{Chooser, Earlier};
use input::{Built, boxed};

/// Half-life of an action's weight, chosen on an earlier split of Online Retail II.
pub(crate) const HALF_LIFE_DAYS: f64 = 40.0;

/// Which baselines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Popularity, which the gate of a promotion needs: seconds on a large log.
    Popularity,
    /// All of them: minutes on a large log.
    All,
}

/// Newest distinct items of a user whose neighbours are scored.
const NEWEST_ITEMS: usize = 5;

type Build = for<'a> fn(&BaselineInput<'a>, &mut Chooser<'a>) -> Built;

/// The rows on popularity: *the* popularity, which is that of the width that was best before the test days, then every
/// width.
const POPULARITY: [Build; 7] = [
    |input, chooser| boxed(popularity::chosen(input, chooser)),
    |input, _| boxed(Ok(popularity::of_width(input, 0))),
    |input, _| boxed(Ok(popularity::of_width(input, 1))),
    |input, _| boxed(Ok(popularity::of_width(input, 2))),
    |input, _| boxed(Ok(popularity::of_width(input, 3))),
    |input, _| boxed(Ok(popularity::of_width(input, 4))),
    |input, _| boxed(Ok(popularity::of_width(input, 5))),
];

/// Every other baseline, in the order of the table. The widths of the SVD are those of the presets `small` and `paper`.
const BASELINES: [Build; 7] = [
    |input, _| boxed(Ok(Random::new(input.history, input.seed))),
    |input, chooser| boxed(own::chosen(input, chooser)),
    |input, _| boxed(Ok(ItemNeighbours::new(input.history, NEWEST_ITEMS))),
    |input, chooser| boxed(bag::chosen_features(input, chooser)),
    |input, chooser| boxed(bag::chosen_svd(input, chooser, 64)),
    |input, chooser| boxed(bag::chosen_svd(input, chooser, 256)),
    |input, chooser| boxed(ease::chosen(input, chooser)),
];

/// Build the baselines one at a time: each is handed to `visit` and dropped before the next one is built. Returns what was
/// chosen for them.
///
/// # Errors
/// When a baseline cannot be built, or `visit` fails; [`EvaluationError::Stopped`] soon after `stop` says so.
pub fn each<E: From<EvaluationError>>(
    input: &BaselineInput<'_>,
    which: Which,
    stop: &dyn Fn() -> bool,
    visit: &mut dyn FnMut(&dyn Scorer) -> Result<(), E>,
) -> Result<Choices, E> {
    let earlier = Earlier::of(input)?;
    let mut chooser = Chooser::new(input, earlier.as_ref(), stop);
    let others = if which == Which::All { &BASELINES[..] } else { &[] };
    for build in POPULARITY.iter().chain(others) {
        chooser.go_on()?;
        visit(&*build(input, &mut chooser)?)?;
    }
    if let Some(threshold) = input.pinnersage.filter(|_| which == Which::All) {
        chooser.go_on()?;
        let users = Rc::new(PinnerSage::new(input.history, input.items, threshold)?); // clustered once for both rows
        for n_clusters in TOP_CLUSTERS {
            chooser.go_on()?;
            visit(&users.top(n_clusters))?;
        }
    }
    Ok(chooser.choices())
}

/// *The* popularity, as in the table of [`each`].
///
/// # Errors
/// When the earlier days cannot be measured.
pub fn popularity(input: &BaselineInput<'_>) -> Result<Popularity, EvaluationError> {
    let earlier = Earlier::of(input)?;
    popularity::chosen(input, &mut Chooser::new(input, earlier.as_ref(), &|| false))
}
