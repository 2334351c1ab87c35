//! The items that compete in a step: all of them, or of a large catalogue those that matter to its rows.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// Items that a step scores, at most, beside those of its own rows: what two cores score in a fifth of a second.
const MOST: usize = 24_000;
/// Of a larger catalogue: those with the most positives lately; the rest is drawn at random.
const POPULAR: usize = MOST / 3 * 2;

/// The columns of a step's scores.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// Item rows, 0 to their number.
    All(usize),
    /// Some item rows, ascending.
    Some(Vec<u32>),
}

impl Candidates {
    /// Of items with `lately` positives each, for rows whose own items and labels are `wanted`.
    pub(crate) fn of(lately: &[u32], wanted: impl Iterator<Item = u32>, rng: &mut Pcg64Mcg) -> Self {
        Self::at_most(MOST, POPULAR, lately, wanted, rng)
    }

    fn at_most(
        most: usize,
        popular: usize,
        lately: &[u32],
        wanted: impl Iterator<Item = u32>,
        rng: &mut Pcg64Mcg,
    ) -> Self {
        let n_items = lately.len();
        if n_items <= most {
            return Self::All(n_items);
        }
        let mut by_positives: Vec<u32> = (0..n_items as u32).collect();
        let key = |&item: &u32| std::cmp::Reverse((lately[item as usize], std::cmp::Reverse(item)));
        by_positives.select_nth_unstable_by_key(popular, key);
        by_positives.truncate(popular);
        let mut items = by_positives;
        items.extend((popular..most).map(|_| rng.random_range(0..n_items as u32)));
        items.extend(wanted);
        items.sort_unstable();
        items.dedup();
        Self::Some(items)
    }

    /// Column of an item; `None` where it does not compete.
    pub(crate) fn column(&self, item: u32) -> Option<i64> {
        match self {
            Self::All(n_items) => ((item as usize) < *n_items).then_some(i64::from(item)),
            Self::Some(items) => items.binary_search(&item).ok().map(|column| column as i64),
        }
    }

    /// Some values of each item, `width` of them, for the columns.
    pub(crate) fn pick<'a>(&self, values: &'a [f32], width: usize) -> std::borrow::Cow<'a, [f32]> {
        match self {
            Self::All(_) => values.into(),
            Self::Some(items) => {
                let row = |&item: &u32| &values[item as usize * width..(item as usize + 1) * width];
                items.iter().flat_map(row).copied().collect()
            }
        }
    }

    /// Item rows of the columns.
    pub(crate) fn items(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::All(n_items) => Box::new(0..*n_items as u32),
            Self::Some(items) => Box::new(items.iter().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn of_a_large_catalogue_the_popular_and_the_wanted_compete() {
        let lately: Vec<u32> = (0..100).collect();
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let some = Candidates::at_most(20, 10, &lately, [3, 4].into_iter(), &mut rng);
        for item in (90..100).chain([3, 4]) {
            let column = some.column(item).unwrap_or_else(|| panic!("{item} is missing"));
            assert_eq!(some.items().nth(column as usize), Some(item));
        }
        assert!(some.items().count() <= 22);
        let all = Candidates::at_most(100, 10, &lately, [].into_iter(), &mut rng);
        assert_eq!((all.column(99), all.column(100), all.items().count()), (Some(99), None, 100));
    }
}
