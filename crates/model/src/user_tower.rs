//! User tower: a pre-norm causal transformer over a user's actions, with the embedding head at every position (the
//! paper, section 3.1 of its model). The head, and the queries and feed-forward of the last block, are computed only
//! at the requested positions: sampled ones in training, the newest one when serving.

use dayvec_core::{InputFeature, ModelSpec};
use tch::Tensor;

use crate::features::{ABSOLUTE_PERIODS_S, N_RELATIVE_PERIODS, TimeEncoding, fixed_features};
use crate::history::HistoryResidual;
use crate::item_tower::normalise;
use crate::parameters::{Init, ParameterList, WeightId, Weights};
use crate::tokens::TokenTensors;

#[derive(Debug)]
struct Norm {
    gain: WeightId,
    bias: WeightId,
    width: i64,
}

impl Norm {
    fn new(list: &mut ParameterList, name: &str, width: usize) -> Self {
        Self {
            gain: list.free(format!("{name}.gain"), &[width], Init::Constant(1.0)),
            bias: list.free(format!("{name}.bias"), &[width], Init::Constant(0.0)),
            width: width as i64,
        }
    }

    fn forward(&self, w: &Weights, x: &Tensor) -> Tensor {
        x.layer_norm([self.width], Some(&w[self.gain]), Some(&w[self.bias]), 1e-5, true)
    }
}

#[derive(Debug)]
struct Linear {
    weight: WeightId,
    bias: WeightId,
}

impl Linear {
    fn new(list: &mut ParameterList, name: &str, from: usize, to: usize) -> Self {
        Self {
            weight: list.weight(format!("{name}.weight"), &[to, from], Init::FanIn(from)),
            bias: list.free(format!("{name}.bias"), &[to], Init::Constant(0.0)),
        }
    }

    fn forward(&self, w: &Weights, x: &Tensor) -> Tensor {
        x.linear(&w[self.weight], Some(&w[self.bias]))
    }

    /// Only the outputs `first..first + count`.
    fn part(&self, w: &Weights, x: &Tensor, first: i64, count: i64) -> Tensor {
        x.linear(&w[self.weight].narrow(0, first, count), Some(w[self.bias].narrow(0, first, count)))
    }
}

#[derive(Debug)]
struct Block {
    attention_norm: Norm,
    /// Queries, keys and values, in this order.
    qkv: Linear,
    attention_out: Linear,
    mlp_norm: Norm,
    mlp_in: Linear,
    mlp_out: Linear,
    n_heads: i64,
    hidden: i64,
}

impl Block {
    fn new(list: &mut ParameterList, name: &str, spec: &ModelSpec) -> Self {
        let hidden = spec.hidden_dim;
        Self {
            attention_norm: Norm::new(list, &format!("{name}.attention.norm"), hidden),
            qkv: Linear::new(list, &format!("{name}.attention.qkv"), hidden, 3 * hidden),
            attention_out: Linear::new(list, &format!("{name}.attention.out"), hidden, hidden),
            mlp_norm: Norm::new(list, &format!("{name}.mlp.norm"), hidden),
            mlp_in: Linear::new(list, &format!("{name}.mlp.in"), hidden, 4 * hidden),
            mlp_out: Linear::new(list, &format!("{name}.mlp.out"), 4 * hidden, hidden),
            n_heads: spec.n_heads as i64,
            hidden: hidden as i64,
        }
    }

    /// Every position: `[B, T, H]` → `[B, T, H]`.
    fn forward(&self, w: &Weights, v: &Tensor) -> Tensor {
        let qkv = self.qkv.forward(w, &self.attention_norm.forward(w, v)).chunk(3, -1);
        let mixed = self.attend(&qkv[0], &qkv[1], &qkv[2], None);
        let u = v + w.drop(self.attention_out.forward(w, &mixed));
        self.feed_forward(w, &u)
    }

    /// Only the positions of `queries`, `[B, S]`: `[B, T, H]` → `[B, S, H]`.
    fn forward_at(&self, w: &Weights, v: &Tensor, queries: &Tensor, visible: &Tensor) -> Tensor {
        let x = self.attention_norm.forward(w, v);
        let kv = self.qkv.part(w, &x, self.hidden, 2 * self.hidden).chunk(2, -1);
        let (b, s) = (queries.size()[0], queries.size()[1]);
        let at = queries.unsqueeze(-1).expand([b, s, self.hidden], true);
        let q = self.qkv.part(w, &x.gather(1, &at, false), 0, self.hidden); // [B, S, H]
        let mixed = self.attend(&q, &kv[0], &kv[1], Some(&visible.unsqueeze(1)));
        let u = v.gather(1, &at, false) + w.drop(self.attention_out.forward(w, &mixed));
        self.feed_forward(w, &u)
    }

    /// Multi-head attention, causal unless a mask `[B, 1, S, T]` says what each query sees.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, visible: Option<&Tensor>) -> Tensor {
        let heads = |x: &Tensor| {
            let size = x.size();
            x.view([size[0], size[1], self.n_heads, -1]).transpose(1, 2) // [B, heads, T, H / heads]
        };
        let causal = visible.is_none();
        let mixed = Tensor::scaled_dot_product_attention(
            &heads(q),
            &heads(k),
            &heads(v),
            visible,
            0.0,
            causal,
            None,
            false,
        );
        mixed.transpose(1, 2).reshape(q.size()) // [B, S, H]
    }

    fn feed_forward(&self, w: &Weights, u: &Tensor) -> Tensor {
        let inner = self.mlp_in.forward(w, &self.mlp_norm.forward(w, u)).gelu("none");
        u + w.drop(self.mlp_out.forward(w, &inner))
    }
}

/// What the user tower reads.
pub(crate) struct UserInput<'a> {
    /// The actions.
    pub(crate) tokens: &'a TokenTensors,
    /// Their items as both towers read them, `[B * T, F + F_id]`.
    pub(crate) described: &'a Tensor,
    /// Their item embeddings, `[B, T, D]`, where [`UserTower::reads_item_vectors`].
    pub(crate) vectors: Option<Tensor>,
}

/// The user tower.
#[derive(Debug)]
pub(crate) struct UserTower {
    item_rows: WeightId,
    action_table: WeightId,
    action_rows: WeightId,
    surface: Option<(WeightId, WeightId)>,
    duration_row: Option<WeightId>,
    times: [TimeEncoding; 3],
    in_bias: WeightId,
    positions: WeightId,
    blocks: Vec<Block>,
    head_norm: Norm,
    head_in: Linear,
    head_out: Linear,
    history: Option<HistoryResidual>,
    left_out: Vec<InputFeature>,
}

impl UserTower {
    pub(crate) fn new(list: &mut ParameterList, spec: &ModelSpec) -> Self {
        let hidden = spec.hidden_dim;
        let item_width = spec.item_dim + spec.item_id_dim;
        let n_times = 2 * (ABSOLUTE_PERIODS_S.len() + 2 * N_RELATIVE_PERIODS) + 3;
        let fan_in = item_width + spec.action_dim + spec.surface_dim + 1 + n_times;
        let mut rows = |name: &str, from: usize| list.weight(name, &[from, hidden], Init::FanIn(fan_in));
        let item_rows = rows("user.in.item.weight", item_width);
        let action_rows = rows("user.in.action.weight", spec.action_dim);
        let duration_row = spec.duration.then(|| rows("user.in.duration.weight", 1));
        let action_table = list.weight(
            "user.action.table",
            &[spec.events.actions.len(), spec.action_dim],
            Init::UniformStd(1.0),
        );
        let surface = (!spec.surfaces.is_empty()).then(|| {
            let table = [spec.surfaces.len(), spec.surface_dim];
            (
                list.weight("user.surface.table", &table, Init::UniformStd(1.0)),
                list.weight("user.in.surface.weight", &[spec.surface_dim, hidden], Init::FanIn(fan_in)),
            )
        });
        let mut time = |name: &str, n| TimeEncoding::new(list, &format!("user.in.{name}"), n, hidden, fan_in);
        let times = [
            time("timestamp", ABSOLUTE_PERIODS_S.len()),
            time("since_latest", N_RELATIVE_PERIODS),
            time("gap", N_RELATIVE_PERIODS),
        ];
        Self {
            item_rows,
            action_table,
            action_rows,
            surface,
            duration_row,
            times,
            in_bias: list.free("user.in.bias", &[hidden], Init::Constant(0.0)),
            positions: list.weight("user.position.table", &[spec.max_len, hidden], Init::UniformStd(0.02)),
            blocks: (0..spec.n_layers).map(|l| Block::new(list, &format!("user.block{l}"), spec)).collect(),
            head_norm: Norm::new(list, "user.head.norm", hidden),
            head_in: Linear::new(list, "user.head.in", hidden, 4 * hidden),
            head_out: Linear::new(list, "user.head.out", 4 * hidden, spec.dim),
            left_out: spec.left_out.clone(),
            history: spec.history_bag.map(|bag| HistoryResidual::new(list, spec, bag)),
        }
    }

    /// Whether [`Self::forward`] needs the item embeddings of the tokens.
    pub(crate) const fn reads_item_vectors(&self) -> bool {
        self.history.is_some()
    }

    /// User embeddings at `queries` (time steps, `[B, S]` i64): `[B, S, D]`, unit norm.
    ///
    /// Dropout, where `w` has it, falls on the input and on what each block adds.
    pub(crate) fn forward(&self, w: &Weights, input: &UserInput<'_>, queries: &Tensor) -> Tensor {
        let UserInput { tokens, described, vectors } = input;
        let mut v = self.input(w, tokens, described); // [B, T, H]
        let steps = Tensor::arange(tokens.n_steps, (tch::Kind::Int64, v.device()));
        let visible = steps.view([1, 1, -1]).le_tensor(&queries.unsqueeze(-1)); // [B, S, T]
        let (last, before) = self.blocks.split_last().expect("a spec has at least one block");
        for block in before {
            v = block.forward(w, &v);
        }
        let v = last.forward_at(w, &v, queries, &visible); // [B, S, H]
        let inner = self.head_in.forward(w, &self.head_norm.forward(w, &v)).gelu("none"); // [B, S, 4 H]
        let head = normalise(&self.head_out.forward(w, &inner)); // [B, S, D]
        match (&self.history, vectors) {
            (Some(history), Some(vectors)) => {
                normalise(&(head + history.forward(w, tokens, &visible, vectors)))
            }
            _ => head,
        }
    }

    /// `V0 = A W_in + PE`, `[B, T, H]`; `A` is never laid out: each feature meets its own rows of `W_in`.
    fn input(&self, w: &Weights, tokens: &TokenTensors, described: &Tensor) -> Tensor {
        let fixed = tch::no_grad(|| {
            fixed_features(&tokens.timestamp, &tokens.since_latest, &tokens.gap, tokens.log_duration.as_ref())
        });
        let reads = |feature| !self.left_out.contains(&feature);
        let or_zeros = |feature, rows: Tensor| if reads(feature) { rows } else { rows.zeros_like() };
        let times = [InputFeature::Timestamp, InputFeature::SinceLatest, InputFeature::Gap];
        let time_rows =
            self.times.iter().zip(times).map(|(time, feature)| or_zeros(feature, time.fold_phases(w)));
        let duration_row =
            self.duration_row.map(|row| or_zeros(InputFeature::Duration, w[row].shallow_clone()));
        let fixed_rows: Vec<Tensor> = duration_row.into_iter().chain(time_rows).collect();
        let actions = or_zeros(InputFeature::Action, w[self.action_table].mm(&w[self.action_rows]));
        let actions = actions + &w[self.in_bias]; // [n_actions, H]
        let item_rows = or_zeros(InputFeature::Item, w[self.item_rows].shallow_clone());
        let mut x = described.mm(&item_rows)
            + fixed.mm(&Tensor::cat(&fixed_rows, 0))
            + actions.index_select(0, &tokens.action_type)
            + or_zeros(InputFeature::Position, w[self.positions].shallow_clone())
                .index_select(0, &tokens.position); // [B T, H]
        if let (Some((table, rows)), Some(surface)) = (self.surface, &tokens.surface)
            && reads(InputFeature::Surface)
        {
            let none = Tensor::zeros([1, w[rows].size()[1]], (x.kind(), x.device()));
            x += Tensor::cat(&[none, w[table].mm(&w[rows])], 0).index_select(0, surface);
        }
        w.drop(x).view([tokens.n_users, tokens.n_steps, -1])
    }
}
