//! What is shown of an experiment beside its records: everything that [`crate::ExperimentPage::render`] needs, as plain
//! data. Texts may hold anything; they are made harmless when they are rendered.

use crate::{AblationTable, FreshnessReport, Interval, Report};

/// An experiment as a page: its records, and what was measured for the page.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentPage {
    /// How the page was made.
    pub made: Made,
    /// The model beside baselines.
    pub report: Report,
    /// Why `report` lacks the slow baselines; `None` where it has them.
    pub baselines_missing: Option<Missing>,
    /// The loss and other scalars by training step.
    pub curves: Result<Vec<TrainingCurve>, Missing>,
    /// What the curves leave out; empty where they are all there.
    pub curves_note: String,
    /// Recall of groups of users and items.
    pub groups: RecallByGroup,
    /// Recall by the age of embeddings.
    pub freshness: Result<FreshnessReport, Missing>,
    /// Tables of ablations.
    pub ablations: Result<Vec<AblationTable>, Missing>,
    /// Matrices that were begun and are not finished.
    pub unfinished: Vec<Missing>,
    /// Users and items in the plane.
    pub map: EmbeddingMap,
    /// Some users with what they did and what the model finds for them.
    pub users: Vec<ExampleUser>,
}

/// How a page was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// The command line.
    pub command: String,
    /// Folder or URL of the checkpoint.
    pub checkpoint: String,
    /// URL of the log.
    pub log: String,
    /// Digest of the log up to the end of the test days.
    pub log_hash: String,
    /// Version of dayvec.
    pub version: String,
    /// The commit that the program was built from.
    pub commit: String,
    /// Seed of the training; absent where the checkpoint does not say.
    pub seed: Option<u64>,
    /// Moment in UTC, RFC 3339.
    pub date: String,
}

/// Figures that do not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is missing, and where it was looked for.
    pub what: String,
    /// The command that makes it.
    pub command: String,
}

/// A number that changes with the steps of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCurve {
    /// What it is, at the beginning of a sentence: `Loss`.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// (step, value).
    pub points: Vec<(u64, f64)>,
}

/// Recall by how much a user has done, and by how popular an item is; seen items allowed, over pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct RecallByGroup {
    /// List length.
    pub k: usize,
    /// Name of the baseline beside the model.
    pub baseline: String,
    /// Groups of about equally many test users, the least active first.
    pub by_activity: Vec<Group>,
    /// Groups of equally many items of the catalogue, the least popular first.
    pub by_popularity: Vec<Group>,
}

/// Some of the pairs of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The range of the quantity that it is grouped by, both ends included.
    pub range: (u64, u64),
    /// Test users of the group, or of an item group those with a pair in it.
    pub n_users: usize,
    /// Distinct (user, relevant item) pairs.
    pub n_pairs: usize,
    /// Recall of the model.
    pub model: Interval,
    /// Recall of the baseline.
    pub baseline: Interval,
}

/// Embeddings projected onto the two directions in which they differ most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbeddingMap {
    /// Width of an embedding.
    pub dim: usize,
    /// Share of the variance along each direction.
    pub variance: [f64; 2],
    /// How users and items were chosen.
    pub sample: String,
    /// Users.
    pub users: Vec<MapPoint>,
    /// Items.
    pub items: Vec<MapPoint>,
    /// Mean cosine of two items of the same interest, and of any two; absent without interests.
    pub cosines: Option<(f64, f64)>,
}

/// A place on the map.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MapPoint {
    /// Along the first direction; embeddings have length 1.
    pub x: f64,
    /// Along the second.
    pub y: f64,
    /// Id of a user, title of an item.
    pub name: String,
    /// Interest of an item; empty for none.
    pub interest: String,
}

/// A test user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExampleUser {
    /// The id.
    pub user_id: String,
    /// Why this one.
    pub why: String,
    /// Whether the training has not seen the user.
    pub is_held_out: bool,
    /// Actions before the cut-off.
    pub n_actions: usize,
    /// The newest of them, newest first.
    pub actions: Vec<ShownAction>,
    /// Nearest items, nearest first.
    pub neighbours: Vec<NearItem>,
    /// Distinct relevant items of the test.
    pub n_relevant: usize,
}

/// An action of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShownAction {
    /// Moment in UTC, RFC 3339.
    pub time: String,
    /// The action.
    pub action: String,
    /// Title of the item, or its id.
    pub item: String,
}

/// An item that is near to a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NearItem {
    /// Title of the item, or its id.
    pub item: String,
    /// Inner product of two unit vectors.
    pub score: f32,
    /// Whether the user acted upon it before the cut-off.
    pub is_seen: bool,
    /// Whether it is relevant: the user turned to it in the test.
    pub is_relevant: bool,
}
