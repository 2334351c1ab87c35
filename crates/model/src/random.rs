//! Random draws as a function of their purpose, independent of the order in which they are made.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use xxhash_rust::xxh3::xxh3_64;

/// What a generator is for; two purposes share no draws.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of the users in an epoch.
    UserOrder,
    /// The inputs, pairs and in-batch negatives of a step.
    Batch,
    /// The random negatives of a step: the same under every objective.
    RandomNegatives,
    /// The dropout masks of a step in one of the processes that train a model together.
    Dropout { rank: u32 },
}

impl Purpose {
    fn code(self) -> u64 {
        match self {
            Self::UserOrder => 0,
            Self::Batch => 1,
            Self::Dropout { rank } => 2 + (u64::from(rank) << 32),
            Self::RandomNegatives => 3,
        }
    }
}

/// The generator of a seed, a purpose and a number: the epoch or the step.
pub(crate) fn generator(seed: u64, purpose: Purpose, number: u64) -> Pcg64Mcg {
    let key = [seed, purpose.code(), number].map(u64::to_le_bytes).concat();
    Pcg64Mcg::seed_from_u64(xxh3_64(&key))
}
