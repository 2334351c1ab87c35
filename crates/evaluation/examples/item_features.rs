//! Item features by each method, and PinnerSage by its threshold, on 14 days of a log:
//! `item_features EVENTS CUT_OFF [ITEMS.csv]`, where the positives are the actions
//! `purchase` and `save`, and the items have `item_id` and `description`. It reads a log of a shop, and one of `dayvec synth`.
//!
//! Settings are chosen on days before the test days: for Online Retail II the cut-off is 2011-11-11.

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]

use std::error::Error;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use dayvec_core::{Day, EventSchema, PositiveRule, Sequences};
use dayvec_evaluation::baselines::DecayedFeatures;
use dayvec_evaluation::pinnersage::{PinnerSage, TOP_CLUSTERS};
use dayvec_evaluation::{EvalOptions, Interests, Scorer, TimeSplit, Truth, evaluate};
use dayvec_items::{
    BuildOptions, ItemText, Method, PinSageLoss, PinSageOptions, TextColumns, build_items, read_item_text,
};
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder, event_files};

/// Days of the test.
const N_DAYS: i32 = 14;
/// Half-life of the bag of features.
const HALF_LIFE_DAYS: f64 = 40.0;
/// Seeds of each method: the spectral features hardly depend on theirs.
const SEEDS: [u64; 3] = [0, 1, 2];
/// α of PinnerSage.
const THRESHOLDS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

fn read(events: &Path) -> Result<Sequences, Box<dyn Error>> {
    let schema = EventSchema {
        columns: Default::default(),
        time_unit: Default::default(),
        actions: ["view", "click", "save", "purchase", "hide", "return"].map(String::from).into(),
        positives: ["save", "purchase"]
            .map(|action| PositiveRule { action: action.into(), longer_than_s: None, surfaces: None })
            .into(),
    };
    let options =
        ReadOptions { from_s: 0, until_s: i64::from(u32::MAX), max_bad_share: 0.0, quarantine: None };
    let mut builder = SequenceBuilder::new(&schema, options)?;
    builder.push_files(&event_files(events, None)?)?;
    let (log, report) = builder.finish(Keep { newest: None, look_back_days: None })?;
    println!("{report}");
    Ok(log)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (events, cut_off, text) = match arguments.as_slice() {
        [events, cut_off] => (events, cut_off, None),
        [events, cut_off, items] => {
            let text = vec!["description".into()];
            let columns = TextColumns { text, ..TextColumns::default() };
            (events, cut_off, Some(read_item_text(Path::new(items), &columns)?))
        }
        _ => return Err("usage: item_features EVENTS CUT_OFF [ITEMS.csv]".into()),
    };
    let log = read(Path::new(events))?;
    let split = TimeSplit { cut_off: cut_off.parse::<Day>()?, n_days: N_DAYS };
    println!("features; scorer; recall@10 of all items; of unseen ones; listed; entropy@50; p90 coverage@10");
    let margin = PinSageLoss::MaxMargin { margin: 0.1 };
    for (name, method) in [
        ("spectral", Method::Spectral {}),
        ("pinsage", Method::PinSage(PinSageOptions::default())),
        (
            "pinsage, max-margin",
            Method::PinSage(PinSageOptions { loss: margin, ..PinSageOptions::default() }),
        ),
    ] {
        for seed in SEEDS {
            let options = BuildOptions { method: method.clone(), seed, ..BuildOptions::default() };
            measure(&log, split, text.as_ref(), (&format!("{name}, seed {seed}"), &options))?;
        }
    }
    Ok(())
}

/// Build features with `options`, and print a line for each scorer over them.
fn measure(
    log: &Sequences,
    split: TimeSplit,
    text: Option<&ItemText>,
    (name, options): (&str, &BuildOptions),
) -> Result<(), Box<dyn Error>> {
    let clock = Instant::now();
    let history = split.history(log);
    let table = build_items(&history, text, options)?;
    println!("{name}: built in {:.1?}", clock.elapsed());
    let (history, _) = history.resolve(&table.ids, &[]);
    let truth = Truth::build(&history, &split.future(log))?;
    let evaluation = EvalOptions { interests: Interests::of(&table), ..EvalOptions::default() };
    let row = |scorer: &dyn Scorer, note: &str| -> Result<(), Box<dyn Error>> {
        let row = evaluate(scorer, &history, &truth, &evaluation)?;
        let (all, unseen) = (&row.seen_allowed, &row.seen_filtered);
        println!(
            "{name}; {}{note}; {:.4}; {:.4}; {:.4}; {:.3}; {:.4}",
            row.scorer,
            all.recall.micro.value,
            unseen.recall.micro.value,
            all.recall.micro_listed,
            all.interest_entropy.map_or(f64::NAN, |entropy| entropy.nats),
            all.coverage.p90
        );
        Ok(())
    };
    row(&DecayedFeatures::new(&history, &table, HALF_LIFE_DAYS)?, "")?;
    if options.seed != SEEDS[0] {
        return Ok(());
    }
    for threshold in THRESHOLDS {
        let clock = Instant::now();
        let users = Rc::new(PinnerSage::new(&history, &table, threshold)?);
        let clusters =
            format!(", α {threshold}, {:.1} clusters in {:.1?}", users.mean_clusters(), clock.elapsed());
        for n_clusters in TOP_CLUSTERS {
            row(&users.top(n_clusters), &clusters)?;
        }
    }
    Ok(())
}
