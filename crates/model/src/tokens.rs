//! Sequences become padded token groups: the one path by which training and the daily run feed the user tower.

use std::ops::Range;

use dayvec_core::{ModelSpec, SECONDS_PER_DAY, Sequences};
use tch::{Device, Tensor};

/// A group is closed once padding would fill more than this share of it.
const LARGEST_PADDING: f64 = 0.1;

/// The part of a user's actions that is one input sequence: a range of the columns, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputRange {
    /// Range in the columns of [`Sequences`]; not empty, at most M long.
    pub(crate) actions: Range<usize>,
}

impl InputRange {
    /// The input sequence that ends with the action at column `newest` of `user`: at most M actions, none older than
    /// the look-back before that newest one. It does not depend on the day of the run.
    pub(crate) fn ending_at(sequences: &Sequences, spec: &ModelSpec, user: usize, newest: usize) -> Self {
        let end = sequences.range(user).end.min(newest + spec.max_len);
        let timestamps = &sequences.actions.timestamp;
        let oldest = timestamps[newest] - i64::from(spec.look_back_days) * SECONDS_PER_DAY;
        let kept = timestamps[newest..end].partition_point(|&timestamp| timestamp >= oldest);
        Self { actions: newest..newest + kept.max(1) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.actions.end - self.actions.start
    }
}

/// Split inputs into groups of like length: `(inputs of the group)` as indices into `inputs`, longest first.
///
/// A group holds at most `max_tokens` (padding included) and at most a tenth of padding once it is of a useful size.
pub(crate) fn group_by_length(inputs: &[InputRange], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    order.sort_by_key(|&idx| std::cmp::Reverse(inputs[idx].len()));
    let useful = (max_tokens / 8).max(1);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let (mut longest, mut tokens) = (0, 0);
    for idx in order {
        let len = inputs[idx].len();
        let padded = groups.last().map_or(0, |group: &Vec<usize>| (group.len() + 1) * longest);
        let padding = 1.0 - (tokens + len) as f64 / padded.max(1) as f64;
        let close = padded > max_tokens || (padding > LARGEST_PADDING && padded > useful);
        match groups.last_mut() {
            Some(group) if !close => group.push(idx),
            _ => {
                groups.push(vec![idx]);
                (longest, tokens) = (len, 0);
            }
        }
        tokens += len;
    }
    groups
}

/// Sequences of like length, padded after the newest action; every column is `[B, T]`, row-major.
#[derive(Debug, Clone, Default)]
pub struct TokenGroup {
    /// Users in the group (B).
    pub n_users: usize,
    /// Length of the longest sequence (T).
    pub n_steps: usize,
    /// Actions of each user, `[B]`.
    pub length: Vec<i64>,
    /// Row of the item in the item table.
    pub item: Vec<i64>,
    /// Row of the action type.
    pub action_type: Vec<i64>,
    /// 0 for none, else 1 + row of the surface; empty when the model has no surface.
    pub surface: Vec<i64>,
    /// `log(1 + seconds)`, 0 for unknown; empty when the model has no duration.
    pub log_duration: Vec<f32>,
    /// Unix seconds; 0 in padding.
    pub timestamp: Vec<i64>,
    /// Seconds from this action to the newest of the sequence; 0 in padding.
    pub since_latest: Vec<i64>,
    /// Seconds from the previous (older) action of the sequence; 0 for the oldest and in padding.
    pub gap: Vec<i64>,
    /// Position by recency: 0 for the newest action; 0 in padding.
    pub position: Vec<i64>,
}

impl TokenGroup {
    /// The inputs of `members`, oldest action first.
    pub(crate) fn new(
        sequences: &Sequences,
        spec: &ModelSpec,
        inputs: &[InputRange],
        members: &[usize],
    ) -> Self {
        let n_steps = members.iter().map(|&idx| inputs[idx].len()).max().unwrap_or(0);
        let n_cells = members.len() * n_steps;
        let with_surface = !spec.surfaces.is_empty();
        let mut group = Self {
            n_users: members.len(),
            n_steps,
            length: Vec::with_capacity(members.len()),
            item: vec![0; n_cells],
            action_type: vec![0; n_cells],
            surface: if with_surface { vec![0; n_cells] } else { Vec::new() },
            log_duration: if spec.duration { vec![0.0; n_cells] } else { Vec::new() },
            timestamp: vec![0; n_cells],
            since_latest: vec![0; n_cells],
            gap: vec![0; n_cells],
            position: vec![0; n_cells],
        };
        for (row, &idx) in members.iter().enumerate() {
            group.fill(row * n_steps, sequences, &inputs[idx].actions);
            group.length.push(inputs[idx].len() as i64);
        }
        group
    }

    fn fill(&mut self, first_cell: usize, sequences: &Sequences, range: &Range<usize>) {
        let actions = &sequences.actions;
        let newest = actions.timestamp[range.start];
        let len = range.len();
        for (position, at) in range.clone().enumerate() {
            let cell = first_cell + len - 1 - position;
            self.item[cell] = i64::from(actions.item[at]);
            self.action_type[cell] = i64::from(actions.action_type[at]);
            self.timestamp[cell] = actions.timestamp[at];
            self.since_latest[cell] = newest - actions.timestamp[at];
            self.position[cell] = position as i64;
            if at + 1 < range.end {
                self.gap[cell] = actions.timestamp[at] - actions.timestamp[at + 1];
            }
            if !self.surface.is_empty() && !actions.surface.is_empty() {
                self.surface[cell] = i64::from(actions.surface[at]);
            }
            if !self.log_duration.is_empty() && !actions.duration_s.is_empty() {
                let lasted = actions.duration_s[at];
                self.log_duration[cell] = if lasted > 0.0 { lasted.ln_1p() } else { 0.0 };
            }
        }
    }

    /// Real actions in the group, without padding.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.length.iter().sum::<i64>() as usize
    }
}

/// A [`TokenGroup`] on the device; integer columns are `[B * T]`.
pub(crate) struct TokenTensors {
    pub(crate) n_users: i64,
    pub(crate) n_steps: i64,
    pub(crate) item: Tensor,
    pub(crate) action_type: Tensor,
    pub(crate) surface: Option<Tensor>,
    pub(crate) log_duration: Option<Tensor>,
    pub(crate) timestamp: Tensor,
    pub(crate) since_latest: Tensor,
    pub(crate) gap: Tensor,
    pub(crate) position: Tensor,
}

impl TokenTensors {
    pub(crate) fn new(group: &TokenGroup, device: Device) -> Self {
        let column = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        Self {
            n_users: group.n_users as i64,
            n_steps: group.n_steps as i64,
            item: column(&group.item),
            action_type: column(&group.action_type),
            surface: (!group.surface.is_empty()).then(|| column(&group.surface)),
            log_duration: (!group.log_duration.is_empty())
                .then(|| Tensor::from_slice(&group.log_duration).to_device(device)),
            timestamp: column(&group.timestamp),
            since_latest: column(&group.since_latest),
            gap: column(&group.gap),
            position: column(&group.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(lengths: &[usize]) -> Vec<InputRange> {
        lengths.iter().map(|&len| InputRange { actions: 0..len }).collect()
    }

    #[test]
    fn groups_cover_everyone_once_with_little_padding() {
        let lengths: Vec<usize> = (0..500).map(|i| 1 + (i * 7919) % 128).collect();
        let inputs = inputs(&lengths);
        let groups = group_by_length(&inputs, 4096);
        let mut seen: Vec<usize> = groups.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        let padded: usize =
            groups.iter().map(|g| g.len() * g.iter().map(|&i| lengths[i]).max().unwrap()).sum();
        let real: usize = lengths.iter().sum();
        assert!(padded as f64 <= 1.12 * real as f64, "{padded} cells for {real} actions");
        assert!(groups.iter().all(|g| g.len() * lengths[g[0]] <= 4096));
    }
}
