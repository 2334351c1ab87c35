//! Two convolutions and a head: `n` items in, `m` hidden, `d` out, all weights from a seed.

use rand::RngExt as _;
use rand_pcg::Pcg64;
use tch::{Device, Kind, TchError, Tensor};

use crate::csr::Csr;
use crate::error::ItemsError;

/// Items of a block of the pass over the whole graph; a block's neighbours' neighbours are computed with it.
const BLOCK: usize = 1 << 12;
/// Keeps the norm of a row of zeros from dividing by zero.
const LEAST_NORM: f64 = 1e-12;

/// Weights, in the order q W of the first convolution, of the second one, and of the head, each with its bias.
#[derive(Debug)]
pub(crate) struct Network {
    weights: Vec<Tensor>,
}

/// The inputs of one convolution: the rows of its outputs, then those of their other neighbours.
pub(crate) struct Frontier {
    pub(crate) inputs: Vec<u32>,
    n_outputs: i64,
    neighbours: Tensor, // places in `inputs`, output by output
    starts: Tensor,     // [n_outputs + 1]
    shares: Tensor,     // of each neighbour
}

impl Frontier {
    /// `place` has one entry an item, all `u32::MAX`, and has so again afterwards.
    pub(crate) fn of(outputs: &[u32], graph: &Csr, place: &mut [u32]) -> Result<Self, TchError> {
        let mut inputs = outputs.to_vec();
        for (at, &item) in outputs.iter().enumerate() {
            place[item as usize] = at as u32;
        }
        let (mut neighbours, mut starts, mut shares) = (Vec::new(), vec![0_i64], Vec::new());
        for &item in outputs {
            for (neighbour, share) in graph.row(item as usize) {
                let at = &mut place[neighbour as usize];
                if *at == u32::MAX {
                    *at = inputs.len() as u32;
                    inputs.push(neighbour);
                }
                neighbours.push(i64::from(*at));
                shares.push(share);
            }
            starts.push(neighbours.len() as i64);
        }
        inputs.iter().for_each(|&item| place[item as usize] = u32::MAX);
        Ok(Self {
            inputs,
            n_outputs: outputs.len() as i64,
            neighbours: Tensor::f_from_slice(&neighbours)?,
            starts: Tensor::f_from_slice(&starts)?,
            shares: Tensor::f_from_slice(&shares)?,
        })
    }
}

impl Network {
    /// `(inputs, hidden, outputs)` are the widths.
    pub(crate) fn new((d_in, m, d): (usize, usize, usize), seed: u64) -> Result<Self, TchError> {
        let mut rng = Pcg64::new(u128::from(seed), 0x5069_6e53_6167_6521);
        let shapes = [(d_in, m), (d_in + m, m), (m, m), (2 * m, m), (m, m), (m, d)];
        let mut weights = Vec::with_capacity(2 * shapes.len());
        for (rows, columns) in shapes {
            let bound = (6.0 / rows as f32).sqrt(); // He's, for ReLU
            let values: Vec<f32> = (0..rows * columns).map(|_| rng.random_range(-bound..bound)).collect();
            weights.push(Tensor::f_from_slice(&values)?.f_view([rows as i64, columns as i64])?);
            weights.push(Tensor::f_zeros([columns as i64], (Kind::Float, Device::Cpu))?);
        }
        let weights = weights.iter().map(|weight| weight.f_set_requires_grad(true));
        Ok(Self { weights: weights.collect::<Result<_, _>>()? })
    }

    pub(crate) fn weights(&mut self) -> &mut [Tensor] {
        &mut self.weights
    }

    fn linear(&self, x: &Tensor, at: usize) -> Result<Tensor, TchError> {
        x.f_matmul(&self.weights[2 * at])?.f_add(&self.weights[2 * at + 1])
    }

    /// z = ReLU(W [h ‖ Σ share·ReLU(Q h_neighbour + q)] + w), rows of norm 1: `[n_outputs, m]`.
    fn convolve(&self, h: &Tensor, frontier: &Frontier, layer: usize) -> Result<Tensor, TchError> {
        let messages = self.linear(h, 2 * layer)?.f_relu()?; // [n_inputs, m]
        let (pooled, ..) = Tensor::f_embedding_bag(
            &messages,
            &frontier.neighbours,
            &frontier.starts,
            false,
            0,
            false,
            Some(&frontier.shares),
            true,
        )?; // [n_outputs, m]
        let own = h.f_narrow(0, 0, frontier.n_outputs)?;
        unit(&self.linear(&Tensor::f_cat(&[own, pooled], 1)?, 2 * layer + 1)?.f_relu()?)
    }

    /// Unit vectors of `items`, `[items.len(), d]`, from the rows of `input` that they need.
    pub(crate) fn forward(
        &self,
        input: &Tensor,
        graph: &Csr,
        items: &[u32],
        place: &mut [u32],
    ) -> Result<Tensor, TchError> {
        let outer = Frontier::of(items, graph, place)?;
        let inner = Frontier::of(&outer.inputs, graph, place)?;
        let rows: Vec<i64> = inner.inputs.iter().map(|&item| i64::from(item)).collect();
        let h = input.f_index_select(0, &Tensor::f_from_slice(&rows)?)?; // [n_inputs, d + 1]
        let h = self.convolve(&h, &inner, 0)?;
        let h = self.convolve(&h, &outer, 1)?; // [items.len(), m]
        unit(&self.linear(&self.linear(&h, 4)?.f_relu()?, 5)?)
    }

    /// [`Self::forward`] of all of `items`, block by block, without gradients.
    pub(crate) fn whole_graph(
        &self,
        input: &Tensor,
        graph: &Csr,
        items: &[u32],
        mut take: impl FnMut(&Tensor) -> Result<(), ItemsError>,
    ) -> Result<(), ItemsError> {
        let mut place = vec![u32::MAX; graph.n_rows()];
        for block in items.chunks(BLOCK) {
            let rows = tch::no_grad(|| self.forward(input, graph, block, &mut place));
            take(&rows.map_err(ItemsError::tensor("compute PinSage's features"))?)?;
        }
        Ok(())
    }
}

fn unit(x: &Tensor) -> Result<Tensor, TchError> {
    let squares = x.f_mul(x)?.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
    x.f_div(&squares.f_add_scalar(LEAST_NORM)?.f_sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svd::{floats_of, tensor_of};

    type Rows = Vec<Vec<f64>>;

    fn rows_of(tensor: &Tensor) -> Rows {
        let width = tensor.size()[1] as usize;
        let values = floats_of(&tensor.detach().contiguous()).unwrap();
        values.chunks(width).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
    }

    fn plain_linear(network: &Network, at: usize, x: &[f64], relu: bool) -> Vec<f64> {
        let weight = rows_of(&network.weights[2 * at]);
        let bias = rows_of(&network.weights[2 * at + 1].detach().unsqueeze(0)).remove(0);
        let sum =
            |column: usize| bias[column] + x.iter().zip(&weight).map(|(x, row)| x * row[column]).sum::<f64>();
        (0..bias.len()).map(sum).map(|y| if relu { y.max(0.0) } else { y }).collect()
    }

    fn plain_unit(x: Vec<f64>) -> Vec<f64> {
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-6);
        x.into_iter().map(|x| x / norm).collect()
    }

    /// Section 3 of the PinSage paper, one item at a time, over the whole graph.
    fn plain_forward(network: &Network, input: &Rows, graph: &Csr) -> Rows {
        let mut h = input.clone();
        for layer in 0..2 {
            let message = |row: &Vec<f64>| plain_linear(network, 2 * layer, row, true);
            let messages: Rows = h.iter().map(message).collect();
            let next = |item: usize| {
                let mut joined = h[item].clone();
                let mut pooled = vec![0.0; messages[0].len()];
                for (neighbour, share) in graph.row(item) {
                    let message = &messages[neighbour as usize];
                    pooled.iter_mut().zip(message).for_each(|(sum, x)| *sum += f64::from(share) * x);
                }
                joined.extend(pooled);
                plain_unit(plain_linear(network, 2 * layer + 1, &joined, true))
            };
            h = (0..h.len()).map(next).collect();
        }
        let head = |row: &Vec<f64>| {
            plain_unit(plain_linear(network, 5, &plain_linear(network, 4, row, true), false))
        };
        h.iter().map(head).collect()
    }

    fn check(got: &Rows, expected: &Rows) {
        assert_eq!(got.len(), expected.len());
        for (x, y) in got.iter().flatten().zip(expected.iter().flatten()) {
            assert!((x - y).abs() < 1e-5, "{x} is not {y}");
        }
    }

    #[test]
    fn a_part_and_the_whole_equal_the_definition() {
        let mut network = Network::new((5, 8, 3), 2).unwrap();
        // Biases start at zero; others would hide a forgotten one.
        for (at, bias) in network.weights().iter_mut().enumerate().filter(|(at, _)| at % 2 == 1) {
            let _ = tch::no_grad(|| bias.fill_(0.05 * at as f64));
        }
        let input: Vec<f32> = (0..7 * 5).map(|at| (at as f32 * 1.7).sin()).collect();
        let graph = Csr::from_rows(
            7,
            [
                vec![(1, 0.75), (2, 0.25)],
                vec![(0, 1.0)],
                vec![(3, 0.5), (0, 0.5)],
                vec![(2, 1.0)],
                vec![],
                vec![(6, 0.2), (4, 0.8)],
                vec![(5, 1.0)],
            ],
        );
        let input = tensor_of(&input, 5).unwrap();
        let expected = plain_forward(&network, &rows_of(&input), &graph);
        let mut place = vec![u32::MAX; 7];
        for items in [vec![4], vec![2, 5], vec![6, 0, 1]] {
            let got = network.forward(&input, &graph, &items, &mut place).unwrap();
            let expected = items.iter().map(|&item| expected[item as usize].clone()).collect();
            check(&rows_of(&got), &expected);
            assert!(place.iter().all(|&at| at == u32::MAX));
        }
        let mut got = Rows::new();
        let take = |rows: &Tensor| {
            got.extend(rows_of(rows));
            Ok(())
        };
        network.whole_graph(&input, &graph, &[0, 1, 2, 3, 4, 5, 6], take).unwrap();
        check(&got, &expected);
    }
}
