//! The test users, and their relevant items.

use dayvec_core::Sequences;

use crate::EvaluationError;

/// The users of an evaluation with their relevant items: distinct positives of the future.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Rows in the history of the users with positives on both sides of the cut-off, ascending.
    pub users: Vec<usize>,
    /// Distinct relevant items of each of `users`, as item rows of the history, ascending; all of the catalogue. Empty
    /// for a user whose relevant items are all outside it.
    pub relevant: Vec<Vec<u32>>,
    /// Whether an item is of the catalogue: met in any event of the history. One entry an item row.
    pub eligible: Vec<bool>,
    /// For each of `users`, the number of distinct items left out because they are not of the catalogue.
    pub n_outside: Vec<u32>,
}

impl Truth {
    /// The truth about `history` in `future`, two parts of one log (see [`crate::TimeSplit`]).
    ///
    /// Users and items are matched by id, so `history` may be resolved to an item table and `future` be left as read:
    /// then the future's items that the table lacks are counted as outside the catalogue, too.
    ///
    /// # Errors
    /// When no user has positives on both sides.
    pub fn build(history: &Sequences, future: &Sequences) -> Result<Self, EvaluationError> {
        Self::of_positives(history, future, &|_| true)
    }

    /// The truth of one task: of the future, only positives of this action type (a row of the schema's `actions`) are
    /// relevant.
    ///
    /// # Errors
    /// When no user has such positives in the future, and some positive in the history.
    pub fn of_task(
        history: &Sequences,
        future: &Sequences,
        action_type: u8,
    ) -> Result<Self, EvaluationError> {
        Self::of_positives(history, future, &|at| future.actions.action_type[at] == action_type)
    }

    /// The truth of the positives at those places of the future for which `counts` holds.
    fn of_positives(
        history: &Sequences,
        future: &Sequences,
        counts: &dyn Fn(usize) -> bool,
    ) -> Result<Self, EvaluationError> {
        let mut eligible = vec![false; history.items.ids().len()];
        for &item in &history.actions.item {
            eligible[item as usize] = true;
        }
        let item_rows: Vec<Option<u32>> = future
            .items
            .ids()
            .iter()
            .map(|id| history.items.find(id).filter(|&row| eligible[row as usize]))
            .collect();
        let mut truth = Self { users: Vec::new(), relevant: Vec::new(), eligible, n_outside: Vec::new() };
        for (user, in_future) in matched_users(history, future) {
            let mut items = positives(future, in_future, counts);
            if items.is_empty() || !history.range(user).any(|at| history.actions.positive[at]) {
                continue;
            }
            items.sort_unstable();
            items.dedup();
            let n_distinct = items.len();
            let mut relevant: Vec<u32> = items.iter().filter_map(|&item| item_rows[item as usize]).collect();
            relevant.sort_unstable();
            truth.n_outside.push((n_distinct - relevant.len()) as u32);
            truth.users.push(user);
            truth.relevant.push(relevant);
        }
        if truth.users.is_empty() { Err(EvaluationError::NoUsers) } else { Ok(truth) }
    }

    /// At most `n_users` of the users, evenly spread over their rows.
    #[must_use]
    pub fn thinned(mut self, n_users: usize) -> Self {
        let step = self.users.len().div_ceil(n_users.max(1)).max(1);
        fn each<T>(values: Vec<T>, step: usize) -> Vec<T> {
            values.into_iter().step_by(step).collect()
        }
        self.users = each(self.users, step);
        self.relevant = each(self.relevant, step);
        self.n_outside = each(self.n_outside, step);
        self
    }

    /// Number of items of the catalogue.
    #[must_use]
    pub fn n_eligible(&self) -> usize {
        self.eligible.iter().filter(|&&eligible| eligible).count()
    }
}

/// Items of a user's positive actions for whose places `counts` holds, repeats included.
fn positives(sequences: &Sequences, user: usize, counts: &dyn Fn(usize) -> bool) -> Vec<u32> {
    let actions = &sequences.actions;
    let is_relevant = |&at: &usize| actions.positive[at] && counts(at);
    sequences.range(user).filter(is_relevant).map(|at| actions.item[at]).collect()
}

/// (row in history, row in future) of the users of both, ascending by the first.
fn matched_users(history: &Sequences, future: &Sequences) -> Vec<(usize, usize)> {
    if history.users == future.users {
        return (0..history.n_users()).map(|user| (user, user)).collect();
    }
    let rows = dayvec_core::IdInterner::from(future.users.clone());
    let find = |(user, id)| rows.find(id).map(|row| (user, row as usize));
    history.users.iter().enumerate().filter_map(find).collect()
}
