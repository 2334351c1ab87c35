//! What an older position sees of newer actions: when the newest one was and how many there are, as in the paper, and
//! nothing else. (The newest position, the only one that is served, has no newer actions.)

use dayvec_core::{Actions, InputFeature, ModelSpec, Sequences};

use crate::Model;
use crate::fixture;
use crate::model::to_vec;
use crate::reference_tests::{N_USERS, specs, trained};

const N_ITEMS: u32 = fixture::N_ITEMS as u32;

/// Sequences with a user of 8 actions or more, all in the input, each a day or so older than the one before it.
fn sequences() -> (Sequences, usize) {
    let mut sequences = fixture::sequences(N_USERS, 11);
    let user = (0..N_USERS).find(|&user| (8..=16).contains(&sequences.range(user).len())).unwrap();
    for (position, at) in sequences.range(user).enumerate() {
        sequences.actions.timestamp[at] = 1_600_000_000 - 90_000 * position as i64;
    }
    (sequences, user)
}

fn models(sequences: &Sequences) -> Vec<Model> {
    specs().iter().map(|spec| trained(spec, sequences).into_model()).collect()
}

/// Embeddings by position, newest first.
fn embeddings(model: &Model, sequences: &Sequences, user: usize) -> Vec<Vec<f32>> {
    let rows = model.encode_positions(sequences, user).unwrap();
    rows.chunks(model.spec().dim).map(<[f32]>::to_vec).collect()
}

/// Set the weights whose names begin with `prefix` to zero.
fn silence(model: &mut Model, prefix: &str) {
    let mut values = to_vec(&model.parameters.flat).unwrap();
    let (mut first, mut found) = (0, false);
    for (name, shape) in model.parameters.layout() {
        let end = first + shape.iter().product::<i64>() as usize;
        if name.starts_with(prefix) {
            values[first..end].fill(0.0);
            found = true;
        }
        first = end;
    }
    assert!(found, "{prefix}");
    model.parameters.set(&values);
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

/// The same actions without the one at `position` of `user`.
fn without(sequences: &Sequences, user: usize, position: usize) -> Sequences {
    let removed = sequences.range(user).start + position;
    let kept: Vec<usize> = (0..sequences.n_actions()).filter(|&at| at != removed).collect();
    let offsets = sequences.offsets.iter().map(|&offset| offset - usize::from(offset > removed)).collect();
    Sequences { offsets, actions: sequences.actions.gather(&kept), ..sequences.clone() }
}

#[test]
fn what_a_newer_action_was_is_invisible() {
    let (sequences, user) = sequences();
    for model in models(&sequences) {
        let before = embeddings(&model, &sequences, user);
        for position in [0, 3] {
            let mut changed = sequences.clone();
            let at = changed.range(user).start + position;
            let actions = &mut changed.actions;
            actions.item[at] = (actions.item[at] + 7) % fixture::N_ITEMS as u32;
            actions.action_type[at] ^= 1;
            actions.surface[at] = (actions.surface[at] + 1) % 3;
            actions.duration_s[at] = 1_234.0;
            let after = embeddings(&model, &changed, user);
            assert_eq!(before[position + 1..], after[position + 1..], "older than {position}");
            for newer in 0..=position {
                assert_ne!(before[newer], after[newer], "position {newer} sees the action at {position}");
            }
        }
    }
}

#[test]
fn the_times_of_newer_actions_but_the_newest_are_invisible() {
    let (mut changed, user) = sequences();
    let models = models(&changed);
    let before: Vec<_> = models.iter().map(|model| embeddings(model, &changed, user)).collect();
    let at = changed.range(user).start + 2;
    changed.actions.timestamp[at] += 10_000; // still between its neighbours
    for (model, before) in models.iter().zip(before) {
        let after = embeddings(model, &changed, user);
        assert_eq!(before[3..], after[3..]);
        for newer in 0..=2 {
            assert_ne!(before[newer], after[newer], "position {newer} sees it");
        }
    }
}

#[test]
fn the_time_of_the_newest_action_is_visible_through_one_feature_alone() {
    let (sequences, user) = sequences();
    let mut later = sequences.clone();
    let newest = later.range(user).start;
    later.actions.timestamp[newest] += 10_000;
    for mut model in models(&sequences) {
        let rows = |model: &Model| (embeddings(model, &sequences, user), embeddings(model, &later, user));
        let (before, after) = rows(&model);
        for position in 1..before.len() {
            assert!(
                !close(&before[position], &after[position]),
                "position {position} sees when the newest was"
            );
        }
        silence(&mut model, "user.in.since_latest.");
        let (before, after) = rows(&model);
        assert_ne!(before[0], after[0], "its own time is still there");
        for position in 1..before.len() {
            assert!(close(&before[position], &after[position]), "position {position}");
        }
    }
}

#[test]
fn how_many_newer_actions_there_are_is_visible_through_the_position_table_alone() {
    let (sequences, user) = sequences();
    let fewer = without(&sequences, user, 1);
    for mut model in models(&sequences) {
        let rows = |model: &Model| (embeddings(model, &sequences, user), embeddings(model, &fewer, user));
        let (all, rest) = rows(&model);
        for position in 2..all.len() {
            assert!(!close(&all[position], &rest[position - 1]), "position {position} sees its rank");
        }
        silence(&mut model, "user.position.table");
        let (all, rest) = rows(&model);
        for position in 2..all.len() {
            assert!(close(&all[position], &rest[position - 1]), "position {position}");
        }
    }
}

#[test]
fn a_model_is_blind_to_the_features_that_are_left_out_and_to_no_other() {
    let (sequences, user) = sequences();
    let newest = sequences.range(user).start;
    let times = [InputFeature::Timestamp, InputFeature::SinceLatest, InputFeature::Gap];
    type Change = fn(&mut Actions, usize);
    let changes: [(&[InputFeature], Change); 6] = [
        (&[InputFeature::Item], |actions, at| actions.item[at] = (actions.item[at] + 7) % N_ITEMS),
        (&[InputFeature::Action], |actions, at| actions.action_type[at] ^= 1),
        (&[InputFeature::Surface], |actions, at| actions.surface[at] = (actions.surface[at] + 1) % 3),
        (&[InputFeature::Duration], |actions, at| actions.duration_s[at] = 1_234.0),
        (&[InputFeature::Timestamp], |actions, _| {
            actions.timestamp.iter_mut().for_each(|time| *time += 5_000)
        }),
        (&times, |actions, at| actions.timestamp[at] += 10_000),
    ];
    let [plain, _] = specs();
    for (left_out, change) in changes {
        let mut changed = sequences.clone();
        change(&mut changed.actions, newest);
        let blind = ModelSpec { left_out: left_out.to_vec(), ..plain.clone() };
        for (spec, sees) in [(&plain, true), (&blind, false)] {
            let model = trained(spec, &sequences).into_model();
            let is_same =
                close(&embeddings(&model, &sequences, user)[0], &embeddings(&model, &changed, user)[0]);
            assert_eq!(is_same, !sees, "{left_out:?}, left out: {}", !sees);
        }
    }
}
