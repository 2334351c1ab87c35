//! Build item features from a log of purchases and show the nearest neighbours of its most frequent items.
//!
//! `neighbours EVENTS ITEMS TEXT_COLUMN [UNTIL_DAY]`: Parquet or CSV events with the default column names, an item
//! file with the column `item_id`, and the first day that is left out (for the whole log: leave it off).
#![expect(clippy::print_stdout, reason = "its output is what the example is for")]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use dayvec_core::{ColumnNames, Day, EventSchema, ItemTable, PositiveRule, Sequences, TimeUnit};
use dayvec_items::{BuildOptions, TextColumns, build_items, items_version, read_item_text};
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder, event_files};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: neighbours EVENTS ITEMS TEXT_COLUMN [UNTIL_DAY]";
    let [events, items, column, until @ ..] = words.as_slice() else { anyhow::bail!(usage) };
    let until_s = match until.first() {
        Some(day) => day.parse::<Day>()?.start_s(),
        None => i64::MAX,
    };
    let sequences = read(Path::new(events), until_s)?;
    let columns =
        TextColumns { text: vec![column.clone()], title: Some(column.clone()), ..TextColumns::default() };
    let text = read_item_text(Path::new(items), &columns)?;
    let start = Instant::now();
    let table = build_items(&sequences, Some(&text), &BuildOptions::default())?;
    println!(
        "{} actions, {} items, built in {:.1} s: {}",
        sequences.n_actions(),
        table.len(),
        start.elapsed().as_secs_f64(),
        items_version(&table)
    );
    show(&sequences, &table);
    Ok(())
}

fn read(events: &Path, until_s: i64) -> Result<Sequences> {
    let schema = EventSchema {
        columns: ColumnNames::default(),
        time_unit: TimeUnit::Seconds,
        actions: vec!["purchase".into(), "return".into()],
        positives: vec![PositiveRule { action: "purchase".into(), longer_than_s: None, surfaces: None }],
    };
    let options = ReadOptions { from_s: 0, until_s, max_bad_share: 1.0, quarantine: None };
    let mut builder = SequenceBuilder::new(&schema, options)?;
    builder.push_files(&event_files(events, None)?)?;
    let (sequences, report) =
        builder.finish(Keep { newest: None, look_back_days: None }).context("read events")?;
    println!("{report}");
    Ok(sequences)
}

fn show(sequences: &Sequences, table: &ItemTable) {
    let mut counts = vec![0_u32; sequences.items.ids().len()];
    sequences.actions.item.iter().for_each(|&item| counts[item as usize] += 1);
    let mut frequent: Vec<usize> = (0..counts.len()).collect();
    frequent.sort_by_key(|&item| std::cmp::Reverse(counts[item]));
    let label = |item: u32| table.interests.as_ref().map_or("", |labels| labels.get(item as usize));
    for &item in frequent.iter().take(8) {
        let Some(item) = table.ids.find(sequences.items.ids().get(item)) else { continue };
        let cosine = |other: u32| -> f32 {
            table.feature(item).iter().zip(table.feature(other)).map(|(x, y)| x * y).sum()
        };
        let mut others: Vec<(f32, u32)> =
            (0..table.len() as u32).map(|other| (cosine(other), other)).collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0));
        println!("{} [{}]", table.title(item), label(item));
        for &(cosine, other) in others.iter().filter(|(_, other)| *other != item).take(5) {
            println!("    {cosine:.3} {} [{}]", table.title(other), label(other));
        }
    }
}
