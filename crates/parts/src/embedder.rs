//! What a checkpoint holds, whatever it is made of: users and items become vectors.

use std::path::Path;

use dayvec_core::{ItemTable, ModelSpec, Sequences};
use dayvec_model::Model;
use tch::Device;

use crate::alignment::{Alignment, Shared};
use crate::by_item::ByItem;
use crate::error::PartsError;
use crate::item_counts::ItemCounts;
use crate::parts::Parts;

/// A trained model that encodes.
#[derive(Debug)]
pub struct Embedder {
    spec: ModelSpec,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tower(Box<Model>),
    Parts(Box<Parts>),
}

impl Embedder {
    /// The paper's form: the tower alone.
    #[must_use]
    pub fn tower(model: Model) -> Self {
        Self { spec: model.spec().clone(), kind: Kind::Tower(Box::new(model)) }
    }

    /// Parts of a model that `spec` describes.
    #[must_use]
    pub fn parts(spec: ModelSpec, parts: Parts) -> Self {
        let spec = ModelSpec { parts: Some(parts.spec()), ..spec };
        Self { spec, kind: Kind::Parts(Box::new(parts)) }
    }

    /// The model of a checkpoint.
    ///
    /// # Errors
    /// When the file is missing, damaged or of another model, or `items` is not the table that `spec` describes.
    pub fn load(
        spec: &ModelSpec,
        items: &ItemTable,
        weights: &Path,
        device: Device,
    ) -> Result<Self, PartsError> {
        match spec.parts {
            None => Ok(Self::tower(Model::load(spec, items, weights, device)?)),
            Some(parts) => {
                dayvec_model::check_items(spec, items)?;
                Ok(Self::parts(spec.clone(), Parts::load(parts, items.len(), weights, device)?))
            }
        }
    }

    /// Write the weights.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PartsError> {
        match &self.kind {
            Kind::Tower(model) => Ok(model.save(path)?),
            Kind::Parts(parts) => parts.save(path),
        }
    }

    /// What the model is.
    #[must_use]
    pub const fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Name the model, once it is known what it was trained with.
    pub fn rename(&mut self, model_id: &str, tower_pair_id: &str) {
        model_id.clone_into(&mut self.spec.model_id);
        tower_pair_id.clone_into(&mut self.spec.tower_pair_id);
    }

    /// Turn the space of parts onto that of an older model with parts as wide, by the users and items of `shared` (in the order
    /// of [`Alignment::of`]). `None`, and nothing turned, where one of the two has other parts, or none.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn align_with(
        &mut self,
        older: &Self,
        users: Shared<'_>,
        items: Shared<'_>,
    ) -> Result<Option<(f64, f64)>, PartsError> {
        let (Kind::Parts(parts), Some(spec)) = (&mut self.kind, older.spec.parts) else { return Ok(None) };
        if !parts.spec().is_as_wide_as(&spec) {
            return Ok(None);
        }
        let alignment = Alignment::of(spec, users, items)?;
        let cosines = (alignment.before, alignment.after);
        parts.align(alignment);
        Ok(Some(cosines))
    }

    /// Number of weights.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        match &self.kind {
            Kind::Tower(model) => model.n_parameters(),
            Kind::Parts(parts) => parts.n_parameters(),
        }
    }

    /// Whether item embeddings are made of statistics of the day.
    #[must_use]
    pub const fn reads_item_counts(&self) -> bool {
        matches!(self.kind, Kind::Parts(_))
    }

    /// User embeddings at their newest action: `[n, D]`, row-major, in the order of `users`. `sequences` must be resolved
    /// against the model's item table.
    ///
    /// # Errors
    /// When a user has no action, or libtorch fails.
    pub fn encode_users(&self, sequences: &Sequences, users: &[usize]) -> Result<Vec<f32>, PartsError> {
        match &self.kind {
            Kind::Tower(model) => Ok(model.encode_users(sequences, users)?),
            Kind::Parts(parts) => {
                if let Some(&user) = users.iter().find(|&&user| sequences.range(user).is_empty()) {
                    let id = sequences.users.get(user).to_owned();
                    return Err(dayvec_model::ModelError::NoActions(id).into());
                }
                parts.encode_users(sequences, users)
            }
        }
    }

    /// What the model reads of every item as of `until_s` (Unix seconds), from the actions of `sequences` before that: of
    /// some users, to be added to those of the others. Empty for a model that reads nothing.
    #[must_use]
    pub fn item_counts(&self, sequences: &Sequences, until_s: i64) -> ItemCounts {
        match &self.kind {
            Kind::Tower(_) => self.no_item_counts(until_s),
            Kind::Parts(parts) => ItemCounts::of(&ByItem::of(sequences), until_s, parts.spec().history_len),
        }
    }

    /// [`Self::item_counts`] of no user.
    #[must_use]
    pub fn no_item_counts(&self, until_s: i64) -> ItemCounts {
        let n_items = if self.reads_item_counts() { self.spec.n_items } else { 0 };
        ItemCounts::none(n_items, until_s)
    }

    /// Item embeddings of every item as of the day of `counts`: `[n_items, D]`, row-major.
    ///
    /// # Errors
    /// When libtorch does.
    pub fn encode_items(&self, counts: &ItemCounts) -> Result<Vec<f32>, PartsError> {
        match &self.kind {
            Kind::Tower(model) => Ok(model.encode_items()?),
            Kind::Parts(parts) => parts.encode_items(counts),
        }
    }
}
