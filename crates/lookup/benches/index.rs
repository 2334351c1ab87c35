//! Lookups in process, one core, a million users in random order: the mapped index beside a `HashMap`.
//!
//! `cargo bench -p dayvec-lookup --bench index --profile dev`; each get hashes the id, finds the row and reads all its
//! numbers. Time is the thread's own on a core, so that what else the machine does counts less; rounds alternate, and
//! the median counts.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use dayvec_core::{EmbeddingBlock, id_hash};
use dayvec_lookup::index::{Element, IndexBuilder, Shape};

const N_USERS: usize = 1_000_000;
const N_ROUNDS: usize = 7;

/// Numbers without a pattern, by splitmix64.
fn random(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Touch every number, as a reply that copies them would.
fn read_all(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(0, |sum, word| sum ^ u64::from_le_bytes(word.try_into().unwrap()))
}

/// Seconds that this thread has been on a core.
fn on_core_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Users/s of one pass over the queries.
fn round(queries: &[String], get: impl Fn(&str) -> u64) -> f64 {
    let start = on_core_s();
    let sum = queries.iter().fold(0, |sum, id| sum ^ get(id));
    black_box(sum);
    queries.len() as f64 / (on_core_s() - start)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    for dim in [64, 256] {
        let dir = tempfile::tempdir().unwrap();
        let mut ids: Vec<String> = (0..N_USERS as u64).map(|user| format!("{:x}", random(user))).collect();
        ids.sort_by_key(|id| id_hash(id));
        let shape = Shape { dim, element: Element::F32, n_users: N_USERS, n_items: 0 };
        let start = Instant::now();
        let mut builder = IndexBuilder::create(&dir.path().join("index"), shape).unwrap();
        let mut map: HashMap<String, Vec<f32>> = HashMap::with_capacity(N_USERS);
        for ids in ids.chunks(100_000) {
            let mut block = EmbeddingBlock::new(dim);
            for id in ids {
                let numbers: Vec<f32> =
                    (0..dim as u64).map(|at| random(at ^ id_hash(id)) as f32 / 1e19).collect();
                block.push(id, &numbers, 0, 0);
                map.insert(id.clone(), numbers);
            }
            builder.add_users(&block).unwrap();
        }
        let index = builder.finish(&[]).unwrap();
        let built = start.elapsed();
        let mut queries = ids;
        queries.sort_by_key(|id| random(id_hash(id)));

        let (mut of_index, mut of_map) = (Vec::new(), Vec::new());
        for _ in 0..N_ROUNDS {
            of_index.push(round(&queries, |id| read_all(index.user(id).unwrap().numbers)));
            of_map.push(round(&queries, |id| read_all(bytemuck::cast_slice(map.get(id).unwrap()))));
        }
        let (of_index, of_map) = (median(of_index), median(of_map));
        println!(
            "{N_USERS} users x {dim}: index {:.2} M users/s, HashMap {:.2} M users/s, ratio {:.2}; file {} MB, built in {:.1} s",
            of_index / 1e6,
            of_map / 1e6,
            of_index / of_map,
            index.len_bytes() / 1_000_000,
            built.as_secs_f64(),
        );
    }
}
