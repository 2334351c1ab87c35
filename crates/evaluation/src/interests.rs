//! How mixed the interests of a list are.

use dayvec_core::ItemTable;

use crate::rank::Ranked;

/// Interest label of each item row, for Interest Entropy@50.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interests(Vec<Option<u32>>);

impl Interests {
    /// The labels of a table, if it has any; an empty label is none.
    #[must_use]
    pub fn of(table: &ItemTable) -> Option<Self> {
        let labels = table.interests.as_ref()?;
        let mut rows = dayvec_core::IdInterner::default();
        Some(Self(labels.iter().map(|label| (!label.is_empty()).then(|| rows.intern(label))).collect()))
    }

    /// Entropy in nats of the labels of a list; `None` where none of its items has one.
    pub(crate) fn entropy(&self, list: &[Ranked]) -> Option<f64> {
        let label = |ranked: &Ranked| self.0.get(ranked.item as usize).copied().flatten();
        let mut labels: Vec<u32> = list.iter().filter_map(label).collect();
        labels.sort_unstable();
        let n = labels.len() as f64;
        let term = |same: &[u32]| -(same.len() as f64 / n) * (same.len() as f64 / n).ln();
        (!labels.is_empty()).then(|| labels.chunk_by(u32::eq).map(term).sum::<f64>().abs())
    }
}
