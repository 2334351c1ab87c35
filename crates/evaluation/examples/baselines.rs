//! The baselines of a log of purchases, over its last 14 whole days: `baselines EVENTS ITEMS.csv`, where the events have
//! the actions `purchase` (positive) and `return`, and the items `item_id` and `description`.

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use dayvec_core::{EventSchema, PositiveRule, Sequences};
use dayvec_evaluation::baselines::{self, BaselineInput, Limits, Which};
use dayvec_evaluation::{EvalOptions, Interests, Outcomes, TimeSplit, Truth, retrieve};
use dayvec_items::{BuildOptions, TextColumns, build_items, read_item_text};
use dayvec_report::Table;
use dayvec_sequences::split::is_held_out;
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder, event_files};

fn read(events: &Path) -> Result<Sequences, Box<dyn Error>> {
    let schema = EventSchema {
        columns: Default::default(),
        time_unit: Default::default(),
        actions: vec!["purchase".into(), "return".into()],
        positives: vec![PositiveRule { action: "purchase".into(), longer_than_s: None, surfaces: None }],
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
    let [events, items] = arguments.as_slice() else {
        return Err("usage: baselines EVENTS ITEMS.csv".into());
    };
    let log = read(Path::new(events))?;
    let split = TimeSplit::last_of(&log)?;
    let columns = TextColumns {
        item_id: "item_id".into(),
        text: vec!["description".into()],
        title: None,
        interest: None,
    };
    let history = split.history(&log);
    let text = read_item_text(Path::new(items), &columns)?;
    let table = build_items(&history, Some(&text), &BuildOptions::default())?;
    let (history, _) = history.resolve(&table.ids, &[]);
    let truth = Truth::build(&history, &split.future(&log))?;
    let options = EvalOptions { interests: Interests::of(&table), ..EvalOptions::default() };
    let mut outcomes: Vec<Outcomes> = Vec::new();
    let limits = Limits { ease_items: 14_000, memory_bytes: 4 << 30 };
    let input =
        BaselineInput { history: &history, items: &table, split, limits, pinnersage: Some(1.0), seed: 1 };
    let mut clock = Instant::now();
    let choices = baselines::each(&input, Which::All, &|| false, &mut |scorer| {
        let built = clock.elapsed();
        outcomes.push(retrieve(scorer, &history, &truth, &options)?);
        println!("{}: built and scored after {built:.1?} + {:.1?}", scorer.name(), clock.elapsed() - built);
        clock = Instant::now();
        Ok::<(), Box<dyn Error>>(())
    })?;
    let table = |title: &str, keep: &dyn Fn(usize) -> bool| Table {
        title: format!("{title}, {} and the {} days from it", split.cut_off, split.n_days),
        rows: outcomes.iter().map(|outcomes| outcomes.metrics(keep)).collect(),
    };
    println!("\n{}", table("all users", &|_| true));
    println!("\n{}", table("held-out users", &|user| is_held_out(history.users.get(user))));
    println!("\n{choices}");
    Ok(())
}
