//! What the user tower may and may not depend on.

use dayvec_core::{Actions, HistoryBag, Sequences};
use dayvec_model::Model;
use tch::Device;

use crate::fixture;

fn model(with_options: bool) -> Model {
    let mut spec = fixture::spec();
    if with_options {
        spec.item_id_dim = 4;
        spec.history_bag = Some(HistoryBag { half_life_days: 20.0 });
    }
    Model::new(&spec, &fixture::items(1), Device::Cpu, 3).unwrap()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-6)
}

#[test]
fn embeddings_have_unit_norm() {
    for with_options in [false, true] {
        let model = model(with_options);
        let sequences = fixture::sequences(40, 9);
        let all: Vec<usize> = (0..40).collect();
        let users = model.encode_users(&sequences, &all).unwrap();
        let items = model.encode_items().unwrap();
        for row in users.chunks(model.spec().dim).chain(items.chunks(model.spec().dim)) {
            let norm: f32 = row.iter().map(|x| x * x).sum();
            assert!((norm - 1.0).abs() < 1e-5, "{norm}");
        }
    }
}

#[test]
fn a_user_alone_equals_the_user_in_a_batch() {
    for with_options in [false, true] {
        let model = model(with_options);
        let sequences = fixture::sequences(40, 9);
        let all: Vec<usize> = (0..40).collect();
        let together = model.encode_users(&sequences, &all).unwrap();
        for (user, embedding) in together.chunks(model.spec().dim).enumerate() {
            assert!(close(&model.encode_users(&sequences, &[user]).unwrap(), embedding), "user {user}");
        }
    }
}

/// The sequences without the newest action of every user.
fn without_newest(sequences: &Sequences) -> Sequences {
    let mut kept = Vec::new();
    let mut offsets = vec![0];
    for user in 0..sequences.n_users() {
        kept.extend(sequences.range(user).skip(1));
        offsets.push(kept.len());
    }
    let actions: Actions = sequences.actions.gather(&kept);
    Sequences { offsets, actions, ..sequences.clone() }
}

#[test]
fn nothing_beyond_max_len_or_the_look_back_matters() {
    let model = model(false);
    let mut sequences = fixture::sequences(40, 9);
    let user = (0..40).find(|&user| sequences.range(user).len() > 20).unwrap();
    let before = model.encode_users(&sequences, &[user]).unwrap();
    let beyond = sequences.range(user).start + model.spec().max_len;
    sequences.actions.item[beyond] = (sequences.actions.item[beyond] + 1) % fixture::N_ITEMS as u32;
    assert_eq!(model.encode_users(&sequences, &[user]).unwrap(), before);
    let second = sequences.range(user).start + 1;
    sequences.actions.item[second] = (sequences.actions.item[second] + 1) % fixture::N_ITEMS as u32;
    assert_ne!(model.encode_users(&sequences, &[user]).unwrap(), before);
    let end = sequences.range(user).end;
    for at in second..end {
        sequences.actions.timestamp[at] -= 400 * 86_400;
    }
    let alone = model.encode_users(&sequences, &[user]).unwrap();
    sequences.actions.item[second] = (sequences.actions.item[second] + 1) % fixture::N_ITEMS as u32;
    assert_eq!(model.encode_users(&sequences, &[user]).unwrap(), alone);
}

#[test]
fn the_newest_action_matters() {
    let model = model(false);
    let sequences = fixture::sequences(40, 9);
    let older = without_newest(&sequences);
    let user = (0..40).find(|&user| sequences.range(user).len() > 3).unwrap();
    assert_ne!(
        model.encode_users(&sequences, &[user]).unwrap(),
        model.encode_users(&older, &[user]).unwrap()
    );
}
