//! Where the daily run keeps its own state: the newest actions of every user as of a day, whatever model reads them.
//!
//! ```text
//! sequences/<key>/day=YYYY-MM-DD/<id>/bucket=NNNN.parquet    a pure function of what `id` digests
//! sequences/<key>/whole/day=YYYY-MM-DD/NNNN.json             names an id whose buckets are all there
//! ```
//!
//! `key` digests what makes states exchangeable: the event schema, the number of buckets, the depth. `id` digests what
//! went in: the state that the run started from and the events that it added; a manifest has it as `input_digest`.

use dayvec_core::{Day, ModelSpec};

/// Folder of the daily states.
pub const SEQUENCES: &str = "sequences";

/// The states that one run can start from: those of one event schema, number of buckets and depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyStates {
    folder: String,
}

/// One state: the actions of every user up to the end of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyState {
    folder: String,
    day: Day,
    id: String,
}

impl DailyStates {
    /// The states that a model reads: as deep as its longest input.
    #[must_use]
    pub fn of_model(spec: &ModelSpec, n_buckets: u32) -> Self {
        let described = serde_json::to_string(&(&spec.events, n_buckets, spec.history_len()));
        let described = described.expect("a schema is plain data");
        let key = &blake3::hash(described.as_bytes()).to_hex()[..16];
        Self { folder: format!("{SEQUENCES}/{key}") }
    }

    /// The state of a day and an id.
    #[must_use]
    pub fn state(&self, day: Day, id: impl Into<String>) -> DailyState {
        let id = id.into();
        DailyState { folder: format!("{}/day={day}/{id}", self.folder), day, id }
    }

    /// Folder of the completion marks of a day, or of every day.
    #[must_use]
    pub fn marks(&self, day: Option<Day>) -> String {
        let marks = format!("{}/whole", self.folder);
        day.map_or_else(|| marks.clone(), |day| format!("{marks}/day={day}"))
    }

    /// Key of a completion mark; several of a day are numbered from 0.
    #[must_use]
    pub fn mark(&self, day: Day, number: usize) -> String {
        format!("{}/{number:04}.json", self.marks(Some(day)))
    }

    /// Day of a completion mark; `None` for any other key.
    #[must_use]
    pub fn day_of_mark(&self, key: &str) -> Option<Day> {
        let (day, _) = key.strip_prefix(&self.marks(None))?.strip_prefix("/day=")?.split_once('/')?;
        day.parse().ok()
    }
}

impl DailyState {
    /// The day whose events it ends with.
    #[must_use]
    pub const fn day(&self) -> Day {
        self.day
    }

    /// Digest of what went in.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Key of the users of a bucket.
    #[must_use]
    pub fn part(&self, bucket: u32) -> String {
        format!("{}/bucket={bucket:04}.parquet", self.folder)
    }
}

#[cfg(test)]
mod tests {
    use dayvec_core::{ColumnNames, EventSchema, MODEL_FORMAT_VERSION, Objective, TimeUnit};

    use super::*;

    fn states(n_buckets: u32) -> DailyStates {
        let events = EventSchema {
            columns: ColumnNames::default(),
            time_unit: TimeUnit::Seconds,
            actions: vec!["buy".into()],
            positives: Vec::new(),
        };
        let spec = ModelSpec {
            format_version: MODEL_FORMAT_VERSION,
            model_id: "m".into(),
            tower_pair_id: "m".into(),
            events,
            surfaces: Vec::new(),
            duration: false,
            max_len: 128,
            look_back_days: 365,
            items_version: "i".into(),
            item_dim: 2,
            n_items: 3,
            n_layers: 1,
            hidden_dim: 4,
            n_heads: 1,
            dim: 2,
            item_hidden_dim: 4,
            action_dim: 1,
            surface_dim: 1,
            item_id_dim: 0,
            history_bag: None,
            left_out: Vec::new(),
            objective: Objective::named("next_action"),
            parts: None,
        };
        DailyStates::of_model(&spec, n_buckets)
    }

    #[test]
    fn keys_are_as_documented() {
        let (states, day) = (states(16), "2011-12-09".parse().unwrap());
        let key = states.folder.strip_prefix("sequences/").unwrap();
        assert!(key.len() == 16 && key.bytes().all(|digit| digit.is_ascii_hexdigit()), "{key}");
        let state = states.state(day, "77e0");
        assert_eq!((state.day(), state.id()), (day, "77e0"));
        assert_eq!(state.part(7), format!("sequences/{key}/day=2011-12-09/77e0/bucket=0007.parquet"));
        let mark = states.mark(day, 3);
        assert_eq!(mark, format!("sequences/{key}/whole/day=2011-12-09/0003.json"));
        assert!(mark.starts_with(&states.marks(Some(day))) && mark.starts_with(&states.marks(None)));
        assert_eq!(states.day_of_mark(&mark), Some(day));
    }

    #[test]
    fn a_mark_of_other_states_is_not_ours() {
        let other = states(8).mark("2011-12-09".parse().unwrap(), 0);
        assert_eq!(states(16).day_of_mark(&other), None);
        assert_eq!(states(16).day_of_mark("sequences/k/day=2011-12-09"), None);
    }
}
