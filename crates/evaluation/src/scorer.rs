//! What can be evaluated: anything that scores the catalogue for a block of users.

use tch::{Device, Kind, Tensor};

use crate::EvaluationError;

/// Scores every item for a user, from the history alone.
pub trait Scorer {
    /// Name in the table.
    fn name(&self) -> &str;

    /// Scores of all items of the history for `users` (rows of the history), f32 `[b, n]`; higher is better, minus
    /// infinity is "not retrieved".
    ///
    /// # Errors
    /// When the scorer does not know a user, or a tensor operation fails.
    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError>;

    /// Most vectors of a user. Of more than one, [`Self::scores`] gives what they retrieve together, and
    /// [`Self::scores_by_vector`] each one's own scores.
    fn max_vectors(&self) -> usize {
        1
    }

    /// The number of vectors of each of `users`, and their scores, user by user: `[sum of these, n]`.
    ///
    /// # Errors
    /// As [`Self::scores`].
    fn scores_by_vector(&self, users: &[usize]) -> Result<(Vec<usize>, Tensor), EvaluationError> {
        Ok((vec![1; users.len()], self.scores(users)?))
    }
}

/// User embeddings × item embeddings, by inner product: the model under evaluation.
#[derive(Debug)]
pub struct Embeddings {
    name: String,
    row_of_user: Vec<Option<u32>>,
    users: Tensor, // [n_users, d]
    items: Tensor, // [d, n]
}

/// A row-major matrix of `dim` floats a row, and what it belongs to.
fn matrix(what: &str, values: &[f32], rows: usize, dim: usize) -> Result<Tensor, EvaluationError> {
    if values.len() != rows * dim {
        return Err(EvaluationError::Size { what: what.to_owned(), got: values.len(), rows, dim });
    }
    Ok(Tensor::f_from_slice(values)?.f_reshape([rows as i64, dim as i64])?)
}

impl Embeddings {
    /// `user_values` is `[users.len(), d]`, row-major, in the order of `users` (rows of the history, any subset that
    /// holds the users to evaluate); `item_values` is `[n, d]`, where `n_items` = n is the number of items of the history.
    ///
    /// # Errors
    /// When the sizes do not fit each other.
    pub fn new(
        name: &str,
        users: &[usize],
        user_values: &[f32],
        n_items: usize,
        item_values: &[f32],
    ) -> Result<Self, EvaluationError> {
        let dim = item_values.len() / n_items.max(1);
        let items = matrix(&format!("{name}: item embeddings"), item_values, n_items, dim)?;
        let user_matrix = matrix(&format!("{name}: user embeddings"), user_values, users.len(), dim)?;
        let device = Device::cuda_if_available();
        Ok(Self {
            name: name.to_owned(),
            row_of_user: rows_of(users),
            users: user_matrix,
            items: items.f_transpose(0, 1)?.f_to_device(device)?,
        })
    }

    /// The same item embeddings with other users: `user_values` is `[users.len(), d]`, as in [`Self::new`].
    ///
    /// # Errors
    /// When the sizes do not fit each other.
    pub fn with_users(&self, users: &[usize], user_values: &[f32]) -> Result<Self, EvaluationError> {
        let dim = self.items.size()[0] as usize;
        Ok(Self {
            name: self.name.clone(),
            row_of_user: rows_of(users),
            users: matrix(&format!("{}: user embeddings", self.name), user_values, users.len(), dim)?,
            items: self.items.shallow_clone(),
        })
    }
}

/// The place of each user row in `users`.
fn rows_of(users: &[usize]) -> Vec<Option<u32>> {
    let mut row_of_user = vec![None; users.iter().max().map_or(0, |last| last + 1)];
    for (row, &user) in users.iter().enumerate() {
        row_of_user[user] = Some(row as u32);
    }
    row_of_user
}

impl Scorer for Embeddings {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let row = |&user: &usize| {
            let row = self.row_of_user.get(user).copied().flatten().map(i64::from);
            row.ok_or_else(|| EvaluationError::UnknownUser { scorer: self.name.clone(), user })
        };
        let rows = users.iter().map(row).collect::<Result<Vec<i64>, _>>()?;
        let block = self.users.f_index_select(0, &Tensor::f_from_slice(&rows)?)?; // [b, d]
        let block = block.f_to_device(self.items.device())?.f_to_kind(Kind::Float)?;
        Ok(block.f_matmul(&self.items)?) // [b, n]
    }
}
