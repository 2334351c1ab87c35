//! What the model says when it is asked directly: no state, no carrying, no snapshot, no lookup.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dayvec_core::{Day, ItemTable, Sequences, bucket_of};
use dayvec_model::{Model, load_spec};
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder, event_files};
use tch::Device;

use crate::world::World;

/// A checkpoint, loaded.
pub(crate) struct Direct {
    pub(crate) model: Model,
    pub(crate) items: ItemTable,
    log: PathBuf,
}

impl Direct {
    pub(crate) fn open(world: &World) -> Self {
        let copy = world.path("copy");
        for prefix in ["checkpoints", "items"] {
            world.runtime.block_on(world.bucket.fetch_dir(prefix, &copy.join(prefix))).unwrap();
        }
        let checkpoint = only_folder(&copy.join("checkpoints"));
        let spec = load_spec(&checkpoint.join("spec.yaml")).unwrap();
        let items =
            dayvec_items::read_items(&only_folder(&copy.join("items")).join("items.parquet")).unwrap();
        let model = Model::load(&spec, &items, &checkpoint.join("model.safetensors"), Device::Cpu).unwrap();
        Self { model, items, log: world.log() }
    }

    /// Sequences of the events of some days, read from the log itself.
    pub(crate) fn sequences(&self, from_s: i64, to: Day) -> Sequences {
        let spec = self.model.spec();
        let options = ReadOptions { from_s, until_s: to.end_s(), max_bad_share: 0.0, quarantine: None };
        let mut builder = SequenceBuilder::new(&spec.events, options).unwrap();
        builder.push_files(&event_files(&self.log, None).unwrap()).unwrap();
        let keep = Keep { newest: Some(spec.max_len), look_back_days: None };
        builder.finish(keep).unwrap().0
    }

    /// Embeddings as of the end of `day` of the users that `wanted` names, by id. They go through the model in one call,
    /// bucket after bucket, as in a run: the same batches, so the same bits.
    pub(crate) fn encode(
        &self,
        day: Day,
        n_buckets: u32,
        wanted: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, Vec<f32>> {
        let spec = self.model.spec();
        let (sequences, _) = self.sequences(0, day).resolve(&self.items.ids, &spec.surfaces);
        let id = |user: usize| sequences.users.get(user);
        let mut users: Vec<usize> = (0..sequences.n_users())
            .filter(|&user| wanted(id(user)) && !sequences.range(user).is_empty())
            .collect();
        users.sort_by_key(|&user| bucket_of(id(user), n_buckets));
        let values = self.model.encode_users(&sequences, &users).unwrap();
        users
            .iter()
            .zip(values.chunks_exact(spec.dim))
            .map(|(&user, row)| (id(user).to_owned(), row.to_vec()))
            .collect()
    }
}

fn only_folder(parent: &Path) -> PathBuf {
    let folders: Vec<_> = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.into_iter().next().unwrap()
}
