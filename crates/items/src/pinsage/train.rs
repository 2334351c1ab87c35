//! Training on pairs of successive actions.

use dayvec_core::Sequences;
use rand::RngExt as _;
use rand_pcg::Pcg64;
use tch::{Kind, TchError, Tensor};

use super::network::Network;
use super::options::{PinSageLoss, PinSageOptions};
use super::walks::Neighbourhoods;
use crate::error::ItemsError;

/// Decays of Adam's moments, and what keeps its root from dividing by zero.
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// Pairs (query, positive) of items: a user acted on the positive right after the query.
pub(crate) struct Pairs<'a> {
    sequences: &'a Sequences,
    rows: &'a [u32],
}

impl<'a> Pairs<'a> {
    pub(crate) const fn new(sequences: &'a Sequences, rows: &'a [u32]) -> Self {
        Self { sequences, rows }
    }

    /// Whether no two successive actions of a user are on different items.
    pub(crate) fn is_empty(&self) -> bool {
        let n_users = self.sequences.n_users();
        (0..n_users).all(|user| {
            self.sequences.actions.item[self.sequences.range(user)].windows(2).all(|pair| pair[0] == pair[1])
        })
    }

    /// A pair drawn uniformly; there must be one.
    fn draw(&self, rng: &mut Pcg64) -> (u32, u32) {
        let items = &self.sequences.actions.item;
        loop {
            let newer = rng.random_range(0..items.len());
            let older = newer + 1; // newest first
            let starts_a_user = self.sequences.offsets.binary_search(&older).is_ok();
            if !starts_a_user && items[newer] != items[older] {
                return (self.rows[items[older] as usize], self.rows[items[newer] as usize]);
            }
        }
    }
}

/// The items of a step, and where its pairs and negatives are among them.
struct Batch {
    items: Vec<u32>, // distinct
    queries: Vec<i64>,
    positives: Vec<i64>,
    negatives: Vec<i64>,
    hard: Vec<i64>,         // [batch, n_hard]
    is_positive: Vec<bool>, // [batch, n_negatives]: the negative is the pair's own positive or query
}

/// Learn the weights.
pub(crate) fn train(
    network: &mut Network,
    (input, around): (&Tensor, &Neighbourhoods),
    pairs: &Pairs<'_>,
    (options, seed): (&PinSageOptions, u64),
) -> Result<(), ItemsError> {
    let mut rng = Pcg64::new(u128::from(seed), 0x6d61_7267_696e_2121);
    let mut place = vec![u32::MAX; around.n_baskets.len()];
    let mut adam = Adam::new(network).map_err(ItemsError::tensor("train PinSage"))?;
    let (mut sum, mut n_summed) = (0.0, 0);
    for step in 0..options.steps {
        let n_hard = step * (options.n_hard + 1) / options.steps;
        let batch = Batch::draw(around, pairs, (options, n_hard), &mut rng, &mut place);
        let mut update = || -> Result<f64, TchError> {
            let z = network.forward(input, &around.neighbours, &batch.items, &mut place)?; // [items, d]
            let loss = loss(&z, &batch, n_hard, options.loss)?;
            let gradients = Tensor::f_run_backward(&[&loss], network.weights(), false, false)?;
            adam.step(network, &gradients, rate(options, step))?;
            loss.f_double_value(&[])
        };
        sum += update().map_err(ItemsError::tensor("train PinSage"))?;
        n_summed += 1;
        if (step + 1) % 100 == 0 || step + 1 == options.steps {
            tracing::info!(
                step = step + 1,
                loss = sum / f64::from(n_summed),
                n_hard,
                "training item features"
            );
            (sum, n_summed) = (0.0, 0);
        }
    }
    Ok(())
}

fn rate(options: &PinSageOptions, step: usize) -> f64 {
    let done = (step + 1) as f64 / options.steps as f64;
    options.learning_rate * if done < 0.1 { done * 10.0 } else { 0.1_f64.powf((done - 0.1) / 0.9) }
}

impl Batch {
    /// `place` has one entry an item, all `u32::MAX`, and has so again afterwards.
    fn draw(
        around: &Neighbourhoods,
        pairs: &Pairs<'_>,
        (options, n_hard): (&PinSageOptions, usize),
        rng: &mut Pcg64,
        place: &mut [u32],
    ) -> Self {
        let n_items = place.len() as u32;
        let drawn: Vec<(u32, u32)> = (0..options.batch).map(|_| pairs.draw(rng)).collect();
        let random: Vec<u32> = (0..options.n_negatives).map(|_| rng.random_range(0..n_items)).collect();
        let mut hard = Vec::with_capacity(options.batch * n_hard);
        for &(query, positive) in &drawn {
            let candidates = &around.less_visited[query as usize];
            for _ in 0..n_hard {
                let candidate = candidates.get(rng.random_range(0..candidates.len().max(1)));
                // where the walks met too few items, and where the candidate is the positive, a random one
                let candidate = candidate.copied().filter(|&item| item != positive);
                hard.push(candidate.unwrap_or_else(|| rng.random_range(0..n_items)));
            }
        }
        let mut items = Vec::new();
        let mut at = |item: u32| {
            let place = &mut place[item as usize];
            if *place == u32::MAX {
                *place = items.len() as u32;
                items.push(item);
            }
            i64::from(*place)
        };
        let batch = Self {
            queries: drawn.iter().map(|&(query, _)| at(query)).collect(),
            positives: drawn.iter().map(|&(_, positive)| at(positive)).collect(),
            negatives: random.iter().map(|&item| at(item)).collect(),
            hard: hard.iter().map(|&item| at(item)).collect(),
            is_positive: drawn
                .iter()
                .flat_map(|&(query, positive)| {
                    random.iter().map(move |&item| item == positive || item == query)
                })
                .collect(),
            items: Vec::new(),
        };
        items.iter().for_each(|&item| place[item as usize] = u32::MAX);
        Self { items, ..batch }
    }
}

/// The loss of unit vectors `z`, mean over pairs.
fn loss(z: &Tensor, batch: &Batch, n_hard: usize, kind: PinSageLoss) -> Result<Tensor, TchError> {
    let rows = |places: &[i64]| z.f_index_select(0, &Tensor::f_from_slice(places)?);
    let (queries, positives) = (rows(&batch.queries)?, rows(&batch.positives)?); // [b, d]
    let b = batch.queries.len() as i64;
    let positive = queries.f_mul(&positives)?.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?; // [b, 1]
    let mask = Tensor::f_from_slice(&batch.is_positive)?.f_view([b, -1])?;
    let random = queries.f_matmul(&rows(&batch.negatives)?.f_tr()?)?; // [b, n_negatives]
    let mut negatives = vec![random.f_masked_fill(&mask, f64::NEG_INFINITY)?];
    if n_hard > 0 {
        let hard = rows(&batch.hard)?.f_view([b, n_hard as i64, -1])?; // [b, h, d]
        negatives.push(hard.f_bmm(&queries.f_unsqueeze(2)?)?.f_squeeze_dim(2)?); // [b, h]
    }
    let negatives = Tensor::f_cat(&negatives, 1)?;
    match kind {
        PinSageLoss::MaxMargin { margin } => {
            negatives.f_sub(&positive)?.f_add_scalar(margin)?.f_relu()?.f_mean(Kind::Float)
        }
        PinSageLoss::SampledSoftmax { temperature } => {
            let logits = Tensor::f_cat(&[&positive, &negatives], 1)?.f_div_scalar(temperature)?;
            let target = logits.f_log_softmax(1, Kind::Float)?.f_select(1, 0)?; // [b]
            target.f_mean(Kind::Float)?.f_neg()
        }
    }
}

struct Adam {
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
    n_steps: i32,
}

impl Adam {
    fn new(network: &mut Network) -> Result<Self, TchError> {
        let zeros = |weights: &[Tensor]| {
            weights.iter().map(|weight| weight.f_detach()?.f_zeros_like()).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { means: zeros(network.weights())?, squares: zeros(network.weights())?, n_steps: 0 })
    }

    fn step(&mut self, network: &mut Network, gradients: &[Tensor], rate: f64) -> Result<(), TchError> {
        let _no_grad = tch::no_grad_guard();
        self.n_steps += 1;
        let corrections = (1.0 - BETAS.0.powi(self.n_steps), 1.0 - BETAS.1.powi(self.n_steps));
        for (at, weight) in network.weights().iter_mut().enumerate() {
            let gradient = &gradients[at];
            let _ = self.means[at].f_lerp_(gradient, 1.0 - BETAS.0)?;
            let _ = self.squares[at].f_lerp_(&gradient.f_mul(gradient)?, 1.0 - BETAS.1)?;
            let root = self.squares[at].f_div_scalar(corrections.1)?.f_sqrt()?.f_add_scalar(EPSILON)?;
            let change = self.means[at].f_div(&root)?.f_mul_scalar(rate / corrections.0)?;
            let _ = weight.f_sub_(&change)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svd::tensor_of;

    /// Two pairs over four items, two random negatives, of which one is the first pair's positive, one hard negative each.
    fn batch() -> Batch {
        Batch {
            items: vec![0, 1, 2, 3],
            queries: vec![0, 1],
            positives: vec![2, 3],
            negatives: vec![2, 1],
            hard: vec![3, 0],
            is_positive: vec![true, false, false, true],
        }
    }

    const Z: [[f32; 2]; 4] = [[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]];

    fn cosine(a: usize, b: usize) -> f64 {
        Z[a].iter().zip(Z[b]).map(|(x, y)| f64::from(*x) * f64::from(y)).sum()
    }

    fn loss_of(n_hard: usize, kind: PinSageLoss) -> f64 {
        let batch = Batch { hard: if n_hard == 0 { vec![] } else { batch().hard }, ..batch() };
        loss(&tensor_of(Z.as_flattened(), 2).unwrap(), &batch, n_hard, kind).unwrap().double_value(&[])
    }

    #[test]
    fn both_losses_equal_their_definitions() {
        // (query, positive, its negatives): the masked ones are left out.
        let pairs = [(0, 2, [1, 3]), (1, 3, [2, 0])];
        let margin = 0.5;
        let term = |q: usize, i: usize, n: usize| (cosine(q, n) - cosine(q, i) + margin).max(0.0);
        let sum: f64 =
            pairs.iter().map(|&(q, i, [random, hard])| term(q, i, random) + term(q, i, hard)).sum();
        assert!(
            (loss_of(1, PinSageLoss::MaxMargin { margin }) - sum / 6.0).abs() < 1e-6,
            "three columns a pair"
        );
        let temperature = 0.2;
        let entropy = |q: usize, i: usize, negatives: &[usize]| {
            let score = |item: usize| (cosine(q, item) / temperature).exp();
            -(score(i) / (score(i) + negatives.iter().map(|&n| score(n)).sum::<f64>())).ln()
        };
        let kind = PinSageLoss::SampledSoftmax { temperature };
        let with_hard = pairs.iter().map(|(q, i, negatives)| entropy(*q, *i, negatives)).sum::<f64>() / 2.0;
        assert!((loss_of(1, kind) - with_hard).abs() < 1e-5);
        let without =
            pairs.iter().map(|(q, i, negatives)| entropy(*q, *i, &negatives[..1])).sum::<f64>() / 2.0;
        assert!((loss_of(0, kind) - without).abs() < 1e-5);
    }

    #[test]
    fn adam_equals_its_definition() {
        let mut network = Network::new((2, 2, 2), 1).unwrap();
        let mut adam = Adam::new(&mut network).unwrap();
        let mut expected = network.weights()[0].double_value(&[0, 0]);
        let (mut mean, mut square) = (0.0, 0.0);
        for (step, gradient) in [(1, 0.5), (2, -2.0), (3, 0.1)] {
            let gradients: Vec<Tensor> =
                network.weights().iter().map(|weight| weight.detach().full_like(gradient)).collect();
            adam.step(&mut network, &gradients, 0.01).unwrap();
            mean = 0.9 * mean + 0.1 * gradient;
            square = 0.999 * square + 0.001 * gradient * gradient;
            let root = (square / (1.0 - 0.999_f64.powi(step))).sqrt() + 1e-8;
            expected -= 0.01 * mean / (1.0 - 0.9_f64.powi(step)) / root;
        }
        assert!((network.weights()[0].double_value(&[0, 0]) - expected).abs() < 1e-5);
    }

    #[test]
    fn the_rate_rises_then_falls_to_a_tenth() {
        let options = PinSageOptions { steps: 100, learning_rate: 1.0, ..PinSageOptions::default() };
        assert!((rate(&options, 0) - 0.1).abs() < 1e-9);
        assert!((rate(&options, 9) - 1.0).abs() < 1e-9);
        assert!((rate(&options, 99) - 0.1).abs() < 1e-9);
    }
}
