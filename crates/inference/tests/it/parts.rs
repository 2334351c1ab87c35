//! Days with a model of parts: users by their own actions alone, items by the day.

use std::collections::BTreeMap;

use dayvec_core::PartsSpec;
use dayvec_inference::config::ModelChoice;
use dayvec_inference::{DailyRequest, Outcome};

use crate::shop::{Row, Rows, Shop, day, is_active};

const PARTS: PartsSpec = PartsSpec { memory: 6, cooccurrence: 4, trend: 3, history_len: 12 };
const DAYS: i32 = 15;

/// A shop of fifteen days whose newest model has parts.
fn shop() -> Shop {
    static ONE_THREAD: std::sync::Once = std::sync::Once::new();
    ONE_THREAD.call_once(|| tch::set_num_threads(1));
    let shop = Shop::new();
    for n in 4..DAYS {
        shop.write_day(n);
    }
    shop.add_parts("parts", PARTS);
    shop
}

fn request(n: i32) -> DailyRequest {
    DailyRequest { model: Some(ModelChoice::Id("parts".into())), ..DailyRequest::new(day(n)) }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn user_bits(rows: &Rows) -> BTreeMap<&str, Vec<u32>> {
    rows.iter().map(|(id, row): (&String, &Row)| (id.as_str(), bits(&row.values))).collect()
}

#[test]
fn fourteen_days_give_the_table_of_one_full_run() {
    let (daily, whole) = (shop(), shop());
    let mut before = Rows::new();
    for n in 0..DAYS {
        assert_eq!(daily.run_with(request(n)).unwrap().outcome, Outcome::Announced);
        let rows = daily.rows();
        for (id, row) in &before {
            let user: usize = id[1..].parse().unwrap();
            assert_eq!(rows[id] == *row, !is_active(user, n), "{id} on day {n}");
        }
        before = rows;
    }
    assert_eq!(whole.run_with(request(DAYS - 1)).unwrap().carried, 0);
    assert_eq!(user_bits(&daily.rows()), user_bits(&whole.rows()));
    assert_eq!(daily.item_rows(), whole.item_rows());
}

#[test]
fn item_embeddings_are_of_the_day() {
    let shop = shop();
    shop.run_with(request(0)).unwrap();
    let first = shop.item_rows();
    shop.run_with(request(1)).unwrap();
    let second = shop.item_rows();
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    assert_ne!(first, second);
}

#[test]
fn workers_make_the_item_table_of_one() {
    let (mut alone, mut shared) = (shop(), shop());
    alone.config.wave_users = 15;
    shared.config.wave_users = 15;
    for n in 0..2 {
        alone.run_with(request(n)).unwrap();
        for share in ["1/3", "0/3", "2/3"] {
            let request = DailyRequest { share: share.parse().unwrap(), ..request(n) };
            shared.run_with(request).unwrap();
        }
        assert_eq!(alone.item_rows(), shared.item_rows(), "day {n}");
        assert_eq!(alone.rows(), shared.rows(), "day {n}");
    }
}
