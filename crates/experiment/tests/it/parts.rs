//! Models of parts: chosen before the test days, trained, stopped, loaded, measured.

use dayvec_experiment::{
    Config, Outcome, PartWidths, Report, TrainingProgress, evaluate, freshness, no_observer, train,
};
use tokio_util::sync::CancellationToken;

use crate::shop::{CUT_OFF, Shop, folder_of, log, store, trained};

const MEMORY: PartWidths = PartWidths { memory: 12, cooccurrence: 0, trend: 4 };
const COOCCURRENCE: PartWidths = PartWidths { memory: 0, cooccurrence: 12, trend: 4 };

fn config(shop: &Shop, candidates: &[PartWidths]) -> Config {
    let mut raw = shop.raw();
    raw.parts.candidates = Some(candidates.to_vec());
    raw.parts.softmax_steps = 10;
    raw.parts.recall_steps = 20;
    raw.parts.rows = 32;
    raw.run.threads = 1;
    Config::try_from(raw).unwrap()
}

fn weights(report: &Report) -> Vec<u8> {
    std::fs::read(folder_of(&report.checkpoint).join("model.safetensors")).unwrap()
}

#[test]
fn the_log_chooses_its_parts_before_the_test_days() {
    let shop = Shop::new();
    let config = config(&shop, &[MEMORY, COOCCURRENCE]);
    let report = trained(&config);
    let choice = report.parts.as_ref().unwrap();
    // Two candidates with the first weight of unseen items, and the better of them with the other.
    assert_eq!((choice.tried.len(), choice.from.plus(choice.n_days).to_string()), (3, CUT_OFF.to_owned()));
    let best = choice.tried.iter().map(|trial| trial.merit()).fold(0.0, f64::max);
    assert!((choice.chosen.merit() - best).abs() < 1e-12, "{choice}");
    // A fifth of the sixty is held out; the others count once, at however many cut-offs they are.
    let users = report.training.as_ref().unwrap().users;
    assert!((30..60).contains(&users), "{users} users");
    let recall = &report.recall_by_scorer.seen_allowed;
    let popularity = recall.iter().find(|(name, _)| name.starts_with("popularity")).unwrap().1;
    assert!(recall["model"] > 1.5 * popularity, "{recall:?}");
    let card = std::fs::read_to_string(folder_of(&report.checkpoint).join("card.md")).unwrap();
    assert!(card.contains("## Parts") && card.contains("| chosen |"), "{card}");

    // The checkpoint is the model: measured again, it has the same recall.
    let again = evaluate(&config, &store(&config), &report.model_id, &|| false).unwrap().unwrap();
    assert_eq!(again.recall_by_scorer.seen_allowed["model"], recall["model"]);
    let aged = freshness(&config, &store(&config), &report.model_id, (1, 3)).unwrap();
    assert!(aged.rows.iter().any(|row| row.scorer == "model"), "{aged:?}");
}

#[test]
fn later_events_change_no_part() {
    let shop = Shop::new();
    let report = trained(&config(&shop, &[MEMORY]));
    let other = Shop::new();
    let cut_off: i64 = CUT_OFF.parse::<dayvec_core::Day>().unwrap().start_s();
    // From the cut-off on everyone buys something else.
    let changed: Vec<String> = log()
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            match fields[3].parse::<i64>() {
                Ok(time) if time >= cut_off => format!("{},i0,purchase,{time}", fields[0]),
                _ => line.to_owned(),
            }
        })
        .collect();
    other.write_log(&changed.join("\n"));
    assert_eq!(weights(&report), weights(&trained(&config(&other, &[MEMORY]))));
}

#[test]
fn stopped_parts_are_trained_anew_to_the_same_weights() {
    let (shop, whole) = (Shop::new(), Shop::new());
    let stop = CancellationToken::new();
    let stop_at_5 = |progress: TrainingProgress| {
        if matches!(progress, TrainingProgress::Step(step) if step.step == 5) {
            stop.cancel();
        }
    };
    let settings = config(&shop, &[MEMORY, COOCCURRENCE]);
    let stopped = train(&settings, &store(&settings), false, &stop, &stop_at_5).unwrap();
    assert!(matches!(stopped, Outcome::Stopped(_)), "{stopped:?}");
    let outcome = train(&settings, &store(&settings), true, &CancellationToken::new(), &no_observer).unwrap();
    let Outcome::Trained(report) = outcome else { panic!("{outcome:?}") };
    assert_eq!(weights(&report), weights(&trained(&config(&whole, &[MEMORY, COOCCURRENCE]))));
    let again = train(&settings, &store(&settings), true, &CancellationToken::new(), &no_observer).unwrap();
    assert!(matches!(again, Outcome::AlreadyTrained(_)), "{again:?}");
}

#[test]
fn widths_out_of_range_are_refused() {
    let shop = Shop::new();
    for (widths, expected) in
        [(PartWidths::default(), "add up to 0"), (PartWidths { memory: 2000, ..MEMORY }, "2004")]
    {
        let mut raw = shop.raw();
        raw.parts.candidates = Some(vec![MEMORY, widths]);
        let faults = Config::try_from(raw).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.contains("candidates[1]") && fault.contains(expected)),
            "{faults:?}"
        );
    }
}
