//! Baselines that can be aged.

use dayvec_core::{Day, ItemTable, Sequences};

use super::aged::Aged;
use crate::baselines::{DecayedFeatures, HALF_LIFE_DAYS, OwnCounts, Popularity};
use crate::{EvaluationError, Scorer};

/// Windows of popularity, in days: a week, and that of the shipped objective.
const POPULARITY_DAYS: [u32; 2] = [7, 28];

/// A scorer made of states and of what happened before a moment.
type Build<'a> = Box<dyn Fn(&Sequences, i64) -> Result<Box<dyn Scorer>, EvaluationError> + 'a>;

/// The baselines that can be aged, over `log` and the features of its items.
#[must_use]
pub fn baselines<'a>(log: &'a Sequences, items: &'a ItemTable) -> Vec<Box<dyn Aged + 'a>> {
    let popularity = |n_days: u32| {
        aged(&format!("popularity of {n_days} days"), true, move |_, items_until_s| {
            let until = Day::of_timestamp(items_until_s);
            let before = log.within(until.plus(-(n_days as i32)).start_s(), items_until_s);
            // With what is left of the last day, which ends before midnight in real time.
            Ok(Box::new(Popularity::new(&before, until.plus(1), n_days + 1)))
        })
    };
    let mut baselines: Vec<Box<dyn Aged + 'a>> = POPULARITY_DAYS.map(popularity).into_iter().collect();
    baselines.push(aged("own items by decayed count", false, |states, _| {
        Ok(Box::new(OwnCounts::new(states, HALF_LIFE_DAYS)))
    }));
    baselines.push(aged("decayed mean of item features", false, |states, _| {
        Ok(Box::new(DecayedFeatures::new(states, items, HALF_LIFE_DAYS)?))
    }));
    baselines
}

fn aged<'a>(
    name: &str,
    items_change: bool,
    build: impl Fn(&Sequences, i64) -> Result<Box<dyn Scorer>, EvaluationError> + 'a,
) -> Box<dyn Aged + 'a> {
    Box::new(AgedBaseline { name: name.to_owned(), items_change, build: Box::new(build) })
}

struct AgedBaseline<'a> {
    name: String,
    items_change: bool,
    build: Build<'a>,
}

impl Aged for AgedBaseline<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn items_change(&self) -> bool {
        self.items_change
    }

    fn scorer(
        &self,
        states: &Sequences,
        items_until_s: i64,
    ) -> Result<Box<dyn Scorer + '_>, EvaluationError> {
        (self.build)(states, items_until_s)
    }
}
