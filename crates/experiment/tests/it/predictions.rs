//! What another program gets, and what its predictions are worth.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use dayvec_experiment::{
    Config, PredictionsReport, RawConfig, SplitProtocol, evaluate_predictions, write_split, write_top_items,
};
use dayvec_runtime::exit;
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder};

use crate::shop::{Shop, store, trained};

/// Every item of the shop, and more.
const ALL: usize = 100;

fn raw(shop: &Shop, protocol: SplitProtocol) -> RawConfig {
    let mut raw = shop.raw();
    raw.split.protocol = protocol;
    raw
}

fn config(shop: &Shop) -> Config {
    Config::try_from(raw(shop, SplitProtocol::LeaveOneOut)).unwrap()
}

fn scored(config: &Config, checkpoint: Option<&str>, file: &Path) -> anyhow::Result<PredictionsReport> {
    evaluate_predictions(config, &store(config), checkpoint, &[file.to_owned()])
}

fn write(shop: &Shop, name: &str, text: &str) -> PathBuf {
    let path = shop.path(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_models_own_lists_score_as_the_model_does() {
    for protocol in [SplitProtocol::LeaveOneOut, SplitProtocol::Time] {
        let shop = Shop::new();
        let config = Config::try_from(raw(&shop, protocol)).unwrap();
        let model = trained(&config);
        let lists = shop.path("peer.parquet");
        write_top_items(&config, &shop.store(), &model.model_id, ALL, &lists).unwrap();

        let beside = scored(&config, Some(&model.model_id), &lists).unwrap();
        let names = |report: &PredictionsReport| -> Vec<String> {
            report.all_users.rows.iter().map(|row| row.scorer.clone()).collect()
        };
        assert_eq!(names(&beside), ["model", "peer"]);
        for table in std::iter::once(&beside.all_users).chain(&beside.held_out) {
            let mut peer = table.rows[1].clone();
            peer.scorer = "model".to_owned();
            assert_eq!(peer, table.rows[0], "{protocol:?}");
        }
        assert_eq!(beside.all_users.rows[0], model.evaluation.all_users.rows[0]);
        assert_eq!(beside.held_out.is_some(), protocol == SplitProtocol::Time);

        let alone = scored(&config, None, &lists).unwrap();
        assert_eq!(names(&alone), ["peer"]);
        let [with_model, without] = [&beside, &alone].map(|report| &report.all_users);
        assert_eq!(without.rows[0].seen_allowed.recall, with_model.rows[1].seen_allowed.recall);
        assert_eq!((alone.data_hash, alone.candidates_hash), (beside.data_hash, beside.candidates_hash));
        assert_eq!(alone.files[0].to_string(), "peer: lists of 60 of 60 test users");
    }
}

#[test]
fn what_is_left_out_of_predictions_is_counted_and_named() {
    let shop = Shop::new();
    let config = config(&shop);
    let mut lists = String::from("user_id,item_id,rank\nstranger,i1,1\n");
    for (rank, item) in (1..).zip(["i0", "i1", "nothing", "i2"]) {
        lists += &format!("u3,{item},{rank}\n");
    }
    let report = scored(&config, None, &write(&shop, "peer.csv", &lists)).unwrap();
    let file = &report.files[0];
    assert_eq!((file.unknown_users.n, file.unknown_items.first.as_slice()), (1, &["nothing".to_owned()][..]));
    assert_eq!((file.without_list.n, file.short_lists, file.k), (59, 60, 10));
    let text = report.to_string();
    for part in [
        "peer: lists of 1 of 60 test users",
        "peer: 1 (`stranger`) users with a list are not in the log",
        "peer: 1 (`nothing`) items are not in the log",
        "peer: 60 test users have fewer than 10 candidates in their list: too short for recall@10",
    ] {
        assert!(text.contains(part), "{part} is missing from {text}");
    }
}

#[test]
fn predictions_about_another_log_and_damaged_ones_are_bad_data() {
    let shop = Shop::new();
    let config = config(&shop);
    for (text, expected) in [
        (
            "user_id,item_id,rank\n3,i1,1\n",
            "none of the predictions' users is tested: ids of the log look like `u",
        ),
        (
            "user_id,item_id,rank\nu3,1,1\n",
            "none of the predictions' items is tested: ids of the log look like `i",
        ),
        ("user_id,item_id,rank\nu3,i1,1\nu3,i1,2\n", "item `i1` is in the rows 0 and 1"),
    ] {
        let error = scored(&config, None, &write(&shop, "peer.csv", text)).unwrap_err();
        assert_eq!(exit::code(&error), 65, "{error:#}");
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
}

/// A user's items as the log's files have them, newest first.
fn sequences(config: &Config, file: &Path) -> HashMap<String, Vec<String>> {
    let options = ReadOptions { from_s: i64::MIN, until_s: i64::MAX, max_bad_share: 0.0, quarantine: None };
    let mut builder = SequenceBuilder::new(config.schema(), options).unwrap();
    builder.push_files(&[file.to_owned()]).unwrap();
    let (log, _) = builder.finish(Keep { newest: None, look_back_days: None }).unwrap();
    let item = |at: usize| log.items.ids().get(log.actions.item[at] as usize).to_owned();
    let of = |user: usize| (log.users.get(user).to_owned(), log.range(user).map(item).collect());
    (0..log.n_users()).map(of).collect()
}

#[test]
fn a_split_on_disk_is_a_log_without_what_is_tested() {
    let shop = Shop::new();
    // Of one time, in the order of the log: the last one is tested.
    let start = 1_704_067_200;
    let rows: String =
        (0..40).map(|event| format!("u{},i{},purchase,{start}\n", event % 4, event * 7 % 40)).collect();
    shop.write_log(&format!("user_id,item_id,action,timestamp\n{rows}u9,i1,view,{start}\n"));
    let config = config(&shop);
    let about = write_split(&config, &store(&config), &shop.path("split")).unwrap();
    assert_eq!((about.users, about.test_users, about.events), (5, 4, 37));

    let whole = sequences(&config, &shop.path("events.csv"));
    let left = sequences(&config, &shop.path("split/history.parquet"));
    assert_eq!(left["u9"], ["i1"]);
    for user in ["u0", "u1", "u2", "u3"] {
        assert_eq!(left[user], whole[user][1..], "{user}");
    }
    let items: std::collections::BTreeSet<&String> = left.values().flatten().collect();
    assert_eq!(about.candidates, items.len());
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("split/split.json")).unwrap()).unwrap();
    assert_eq!(json["protocol"], "leave_one_out");
    assert_eq!(json["data_hash"], about.data_hash.as_str());
}
