//! User embeddings between the model and a snapshot.

use crate::IdColumn;

/// User embeddings in columns; each column has one entry (or `dim` floats) per user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbeddingBlock {
    /// User ids.
    pub ids: IdColumn,
    /// Width of an embedding (the paper's D).
    pub dim: usize,
    /// Embeddings, row-major `[n_users, dim]`.
    pub values: Vec<f32>,
    /// Unix seconds of the newest action in the user's sequence.
    pub last_action_at: Vec<i64>,
    /// Unix seconds up to which events had been read when the embedding was computed: the end of the day of
    /// the run that encoded it. A carried row keeps its own, so it never depends on a wall clock.
    pub computed_at: Vec<i64>,
}

impl EmbeddingBlock {
    /// An empty block of width `dim`.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        Self { dim, ..Self::default() }
    }

    /// Number of users.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Embedding of a row, `[dim]`.
    #[must_use]
    pub fn embedding(&self, row_idx: usize) -> &[f32] {
        &self.values[row_idx * self.dim..(row_idx + 1) * self.dim]
    }

    /// Append a user.
    pub fn push(&mut self, id: &str, embedding: &[f32], last_action_at: i64, computed_at: i64) {
        debug_assert_eq!(embedding.len(), self.dim);
        self.ids.push(id);
        self.values.extend_from_slice(embedding);
        self.last_action_at.push(last_action_at);
        self.computed_at.push(computed_at);
    }
}
