//! The learned part of the parts: a few thousand weights that say how much of each block of the basis a pair of user and
//! item, a user, and an item of the day get.

use dayvec_core::PartsSpec;
use dayvec_model::{Init, ParameterList, WeightId, Weights};
use tch::{Kind, Tensor};

use crate::basis::Basis;
use crate::batch::UserInput;
use crate::history::{PAIR_STATISTICS, USER_STATISTICS};
use crate::item_counts::ITEM_STATISTICS;

/// Inner widths of the nets of a pair (for each block), of an item, of a user.
const PAIR_HIDDEN: usize = 16;
const ITEM_HIDDEN: usize = 16;
const USER_HIDDEN: usize = 32;
/// Inner width of both nets of the trend.
const TREND_HIDDEN: usize = 32;
/// Counts decayed with 60 and 180 days, among the statistics of a pair: what the memory starts from.
const FIRST_OF_MEMORY: [usize; 2] = [13, 14];
/// Logarithm of the bare count: what the co-occurrence starts from.
const FIRST_OF_COOCCURRENCE: [usize; 1] = [4];

/// One hidden layer of GELU; with a last layer of zeros, so that it starts as nothing.
#[derive(Debug)]
struct Net {
    hidden: WeightId,
    bias: WeightId,
    out: WeightId,
}

impl Net {
    fn new(list: &mut ParameterList, name: &str, [input, hidden, output]: [usize; 3]) -> Self {
        Self {
            hidden: list.weight(format!("{name}.hidden"), &[input, hidden], Init::FanIn(input)),
            bias: list.free(format!("{name}.bias"), &[hidden], Init::FanIn(input)),
            out: list.weight(format!("{name}.out"), &[hidden, output], Init::Constant(0.0)),
        }
    }

    fn forward(&self, w: &Weights, x: &Tensor) -> Tensor {
        (x.matmul(&w[self.hidden]) + &w[self.bias]).gelu("none").matmul(&w[self.out])
    }
}

/// A bag of the user's items in blocks of the basis: memory or co-occurrence.
#[derive(Debug)]
struct Bag {
    /// Widths of the blocks.
    blocks: Vec<i64>,
    /// Weight of a pair in each block: linear in its statistics, and a net.
    pair_linear: WeightId,
    pair_net: Net,
    /// Logarithm of the scale of a user's blocks.
    level: WeightId,
    user_net: Net,
    /// Logarithm of the scale of an item's blocks.
    item_net: Net,
}

impl Bag {
    fn new(list: &mut ParameterList, name: &str, blocks: Vec<i64>) -> Self {
        let n = blocks.len();
        Self {
            pair_linear: list.weight(
                format!("{name}.pair.linear"),
                &[PAIR_STATISTICS, n],
                Init::Constant(0.0),
            ),
            pair_net: Net::new(list, &format!("{name}.pair"), [PAIR_STATISTICS, PAIR_HIDDEN * n, n]),
            level: list.free(format!("{name}.level"), &[n], Init::Constant(0.0)),
            user_net: Net::new(list, &format!("{name}.user"), [USER_STATISTICS, USER_HIDDEN, n]),
            item_net: Net::new(list, &format!("{name}.item"), [ITEM_STATISTICS, ITEM_HIDDEN, n]),
            blocks,
        }
    }

    /// `[B, d]`: exp(level + net(f)) · Σ_j w(p_j) V_j, block by block.
    fn users(&self, w: &Weights, input: &UserInput, vectors: &Tensor) -> Tensor {
        let weights = input.pairs.matmul(&w[self.pair_linear]) + self.pair_net.forward(w, &input.pairs); // [P, blocks]
        let scales = (&w[self.level] + self.user_net.forward(w, &input.users)).exp(); // [B, blocks]
        let mut first = 0;
        let blocks: Vec<Tensor> = self
            .blocks
            .iter()
            .zip(0..)
            .map(|(&width, block)| {
                let vectors = vectors.narrow(1, first, width).contiguous();
                first += width;
                bag_sum(&vectors, input, &weights.select(1, block).contiguous()) * scales.narrow(1, block, 1)
            })
            .collect();
        Tensor::cat(&blocks, 1)
    }

    /// `[I, d]`: exp(net(d_i)) · V_i, block by block.
    fn items(&self, w: &Weights, statistics: &Tensor, vectors: &Tensor) -> Tensor {
        let scales = self.item_net.forward(w, statistics).exp(); // [I, blocks]
        let mut first = 0;
        let scaled: Vec<Tensor> = (0..)
            .zip(&self.blocks)
            .map(|(block, &width)| {
                first += width;
                vectors.narrow(1, first - width, width) * scales.narrow(1, block, 1)
            })
            .collect();
        Tensor::cat(&scaled, 1)
    }
}

/// For each row, the sum of the vectors of its pairs by their weights, `[B, d]`. The vectors are frozen; the public
/// `embedding_bag` has no gradient for the weights then.
fn bag_sum(vectors: &Tensor, input: &UserInput, weights: &Tensor) -> Tensor {
    if input.items.numel() == 0 {
        let (rows, width) = (input.users.size()[0], vectors.size()[1]);
        return Tensor::zeros([rows, width], (Kind::Float, vectors.device()));
    }
    let sum = 0;
    Tensor::internal_embedding_bag(
        vectors,
        &input.items,
        &input.starts,
        false,
        sum,
        false,
        Some(weights),
        false,
        -1,
    )
    .0
}

/// The trend: W d_i + net(d_i) against coefficients of the user.
#[derive(Debug)]
struct Trend {
    item_linear: WeightId,
    item_net: Net,
    user_bias: WeightId,
    user_net: Net,
}

impl Trend {
    fn new(list: &mut ParameterList, width: usize) -> Self {
        let even = (width as f32).sqrt().recip();
        Self {
            item_linear: list.weight("trend.item.linear", &[ITEM_STATISTICS, width], Init::UniformStd(0.1)),
            item_net: Net::new(list, "trend.item", [ITEM_STATISTICS, TREND_HIDDEN, width]),
            user_bias: list.free("trend.user.level", &[width], Init::Constant(even)),
            user_net: Net::new(list, "trend.user", [USER_STATISTICS, TREND_HIDDEN, width]),
        }
    }

    fn users(&self, w: &Weights, input: &UserInput) -> Tensor {
        &w[self.user_bias] + self.user_net.forward(w, &input.users)
    }

    fn items(&self, w: &Weights, statistics: &Tensor) -> Tensor {
        statistics.matmul(&w[self.item_linear]) + self.item_net.forward(w, statistics)
    }
}

/// The network of a list of parts.
#[derive(Debug)]
pub(crate) struct Network {
    memory: Option<Bag>,
    cooccurrence: Option<Bag>,
    trend: Option<Trend>,
}

impl Network {
    /// The network of a spec, with its weights added to `list`.
    pub(crate) fn new(list: &mut ParameterList, spec: PartsSpec) -> Self {
        let bag = |list: &mut ParameterList, name, blocks: Vec<i64>| {
            (!blocks.is_empty()).then(|| Bag::new(list, name, blocks))
        };
        Self {
            memory: bag(list, "memory", memory_blocks(spec.memory)),
            cooccurrence: bag(list, "cooccurrence", cooccurrence_blocks(spec.cooccurrence)),
            trend: (spec.trend > 0).then(|| Trend::new(list, spec.trend)),
        }
    }

    /// Users' vectors, `[B, D]`.
    pub(crate) fn users(&self, w: &Weights, input: &UserInput, basis: &Basis) -> Tensor {
        let parts = [
            self.memory.as_ref().map(|bag| bag.users(w, input, &basis.memory)),
            self.cooccurrence.as_ref().map(|bag| bag.users(w, input, &basis.source)),
            self.trend.as_ref().map(|trend| trend.users(w, input)),
        ];
        Tensor::cat(&parts.into_iter().flatten().collect::<Vec<_>>(), 1)
    }

    /// Items' vectors, `[I, D]`, from their statistics as the nets read them, `[I, ITEM_STATISTICS]`.
    pub(crate) fn items(&self, w: &Weights, statistics: &Tensor, basis: &Basis) -> Tensor {
        let parts = [
            self.memory.as_ref().map(|bag| bag.items(w, statistics, &basis.memory)),
            self.cooccurrence.as_ref().map(|bag| bag.items(w, statistics, &basis.target)),
            self.trend.as_ref().map(|trend| trend.items(w, statistics)),
        ];
        Tensor::cat(&parts.into_iter().flatten().collect::<Vec<_>>(), 1)
    }

    /// Let the bags start where a simple rule would: the memory with decayed counts, at a scale at which its scores tell
    /// items apart; the co-occurrence with bare counts.
    pub(crate) fn start(&self, w: &Weights) {
        let _no_grad = tch::no_grad_guard();
        let begin = |bag: &Bag, statistics: &[usize], weight: f64, level: f64| {
            for &statistic in statistics {
                let _ = w[bag.pair_linear].select(0, statistic as i64).fill_(weight);
            }
            let _ = w[bag.level].shallow_clone().fill_(level);
        };
        if let Some(bag) = &self.memory {
            begin(bag, &FIRST_OF_MEMORY, 0.5, 40.0_f64.ln());
        }
        if let Some(bag) = &self.cooccurrence {
            begin(bag, &FIRST_OF_COOCCURRENCE, 1.0, 0.0);
        }
    }

    /// Multiply the scale of the co-occurrence's blocks.
    pub(crate) fn scale_cooccurrence(&self, w: &Weights, factors: &[f64]) {
        let _no_grad = tch::no_grad_guard();
        let Some(bag) = &self.cooccurrence else { return };
        for (block, factor) in (0..).zip(factors) {
            let _ = w[bag.level].select(0, block).g_add_scalar_(factor.ln());
        }
    }

    /// Columns of each block of the co-occurrence in an embedding: (first, width).
    pub(crate) fn cooccurrence_columns(&self) -> Vec<(i64, i64)> {
        let mut first: i64 = self.memory.as_ref().map_or(0, |bag| bag.blocks.iter().sum());
        let widths = self.cooccurrence.as_ref().map_or(&[][..], |bag| &bag.blocks[..]);
        let place = |&width: &i64| {
            first += width;
            (first - width, width)
        };
        widths.iter().map(place).collect()
    }
}

/// Widths of the blocks of a memory: the leading directions hold what the shop is about, the last what tells its items
/// apart.
fn memory_blocks(width: usize) -> Vec<i64> {
    if width > 100 { cut(width, &[16, 64]) } else { cut(width, &[width * 12 / 56, width * 32 / 56]) }
}

/// Widths of the blocks of a co-occurrence.
fn cooccurrence_blocks(width: usize) -> Vec<i64> {
    if width > 48 { cut(width, &[32]) } else { cut(width, &[]) }
}

/// Cut `width` at `places`; no block is empty.
fn cut(width: usize, places: &[usize]) -> Vec<i64> {
    let mut first = 0;
    let mut blocks = Vec::new();
    for end in places.iter().copied().chain([width]) {
        if end > first {
            blocks.push((end - first) as i64);
            first = end;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_width() {
        assert_eq!(memory_blocks(248), [16, 48, 184]);
        assert_eq!(memory_blocks(56), [12, 20, 24]);
        assert_eq!(memory_blocks(2), [1, 1]);
        assert_eq!(memory_blocks(0), Vec::<i64>::new());
        assert_eq!(cooccurrence_blocks(128), [32, 96]);
        assert_eq!(cooccurrence_blocks(16), [16]);
    }
}
