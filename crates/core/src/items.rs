//! The item features that both towers read.

use crate::{IdColumn, IdInterner};

/// Items by row, with their content features (the paper's PinSage embedding; section 1.2 of its inputs).
#[derive(Debug, Clone, Default)]
pub struct ItemTable {
    /// Item ids; row `i` of every other column belongs to id `i`.
    pub ids: IdInterner,
    /// Width of a feature vector.
    pub dim: usize,
    /// Content features, row-major `[n_items, dim]`, all finite.
    pub features: Vec<f32>,
    /// Interest label of each item, for Interest Entropy@50; empty text where an item has none.
    pub interests: Option<IdColumn>,
    /// Title of each item, for display; empty text where an item has none.
    pub titles: Option<IdColumn>,
}

impl ItemTable {
    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.ids().len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features of one item, `[dim]`.
    #[must_use]
    pub fn feature(&self, item: u32) -> &[f32] {
        let start = item as usize * self.dim;
        &self.features[start..start + self.dim]
    }

    /// Title of an item, or its id where it has none.
    #[must_use]
    pub fn title(&self, item: u32) -> &str {
        match self.titles.as_ref().map(|titles| titles.get(item as usize)) {
            Some(title) if !title.is_empty() => title,
            _ => self.ids.ids().get(item as usize),
        }
    }
}
