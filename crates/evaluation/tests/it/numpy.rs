//! Every baseline and the recalls of the table against NumPy, on a log where most scores have ties.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use dayvec_core::{Actions, Day, IdInterner, ItemTable, SECONDS_PER_DAY, Sequences};
use dayvec_evaluation::baselines::{BaselineInput, Limits, Which, each};
use dayvec_evaluation::{EvalOptions, EvaluationError, Scorer, TimeSplit, Truth, retrieve};
use dayvec_report::{Choices, ScorerMetrics};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const N_USERS: usize = 40;
const N_ITEMS: u32 = 60;
const N_DAYS: i64 = 120;
const SPLIT: (i32, i32) = (106, 14);

/// (user, item, day, positive), oldest first; at most one event a user and day, popular items first.
fn events() -> Vec<(usize, u32, i64, bool)> {
    let mut rng = Pcg64::seed_from_u64(11);
    let mut events = Vec::new();
    for day in 0..N_DAYS {
        for user in 0..N_USERS {
            if rng.random_range(0..4) == 0 {
                let item = (f64::from(N_ITEMS) * rng.random::<f64>().powi(2)) as u32;
                events.push((user, item, day, rng.random_range(0..5) > 0));
            }
        }
    }
    events
}

fn log(events: &[(usize, u32, i64, bool)]) -> Sequences {
    let mut items = IdInterner::default();
    (0..N_ITEMS).for_each(|item| {
        items.intern(&format!("i{item}"));
    });
    let users = (0..N_USERS).map(|user| format!("u{user}")).collect::<Vec<_>>();
    let mut log = Sequences { offsets: vec![0], actions: Actions::default(), items, ..Sequences::default() };
    for user in 0..N_USERS {
        for &(_, item, day, positive) in events.iter().rev().filter(|event| event.0 == user) {
            log.actions.item.push(item);
            log.actions.action_type.push(0);
            log.actions.timestamp.push(day * SECONDS_PER_DAY + 3600);
            log.actions.positive.push(positive);
            log.actions.event_key.push(log.actions.event_key.len() as u64);
        }
        log.offsets.push(log.actions.item.len());
    }
    log.users = users.iter().map(String::as_str).collect();
    log
}

/// The table, the scores of every row, and what was chosen.
fn table(log: &Sequences) -> (Vec<ScorerMetrics>, Vec<Vec<Vec<f32>>>, Choices) {
    let split = TimeSplit { cut_off: Day::of_timestamp(0).plus(SPLIT.0), n_days: SPLIT.1 };
    let history = split.history(log);
    let features = (0..N_ITEMS * 2).map(|at| (at as f32).sin()).collect();
    let items = ItemTable { ids: log.items.clone(), dim: 2, features, ..ItemTable::default() };
    let truth = Truth::build(&history, &split.future(log)).unwrap();
    let limits = Limits { ease_items: 1000, memory_bytes: 1 << 26 };
    let input = BaselineInput { history: &history, items: &items, split, limits, pinnersage: None, seed: 1 };
    let options = EvalOptions { n_resamples: 10, ..EvalOptions::default() };
    let (mut rows, mut scores) = (Vec::new(), Vec::new());
    let users: Vec<usize> = (0..N_USERS).collect();
    let choices = each(&input, Which::All, &|| false, &mut |scorer: &dyn Scorer| {
        rows.push(retrieve(scorer, &history, &truth, &options)?.metrics(&|_| true));
        scores.push(Vec::try_from(scorer.scores(&users)?).unwrap());
        Ok::<(), EvaluationError>(())
    });
    (rows, scores, choices.unwrap())
}

/// The parameter that a row was made with.
fn parameter(name: &str, choices: &Choices) -> f64 {
    let chosen = choices.made.iter().find(|choice| choice.scorer == name).map(|choice| choice.value);
    let number = || name.split(' ').find_map(|word| word.parse().ok());
    chosen.or_else(number).unwrap_or(0.0)
}

#[test]
fn numpy_gets_the_same_table() {
    let events = events();
    let (rows, scores, choices) = table(&log(&events));
    let mut text = format!("split {} {} {N_USERS} {N_ITEMS}\n", SPLIT.0, SPLIT.1);
    for (user, item, day, positive) in &events {
        writeln!(text, "event {user} {item} {day} {positive}").unwrap();
    }
    for (row, scores) in rows.iter().zip(&scores) {
        writeln!(text, "scores {} {}", row.scorer, parameter(&row.scorer, &choices)).unwrap();
        for user in scores {
            let user: Vec<String> = user.iter().map(ToString::to_string).collect();
            writeln!(text, "row {}", user.join(" ")).unwrap();
        }
    }
    let python = std::env::var("DAYVEC_TEST_PYTHON")
        .expect("DAYVEC_TEST_PYTHON names a Python with NumPy; scripts/test.sh sets it up");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/table.py");
    let mut numpy =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    numpy.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = numpy.wait_with_output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut lines = printed.lines();
    let mut n_with_ties = 0;
    for row in &rows {
        let line = lines.next().unwrap();
        let (name, figures) = line.split_once('|').unwrap();
        let figures: Vec<f64> = figures.split('|').map(|figure| figure.parse().unwrap()).collect();
        let recall = &row.seen_allowed.recall;
        let got = [
            recall.micro.value,
            recall.macro_.value,
            recall.micro_listed,
            row.seen_allowed.ndcg.value,
            row.seen_filtered.recall.micro.value,
        ];
        assert_eq!(name, row.scorer);
        for (got, expected) in got.iter().zip(&figures) {
            assert!((got - expected).abs() < 1e-12, "{line}: {got:?}");
        }
        assert!(figures[5] < 1e-4, "{line}: a score differs");
        n_with_ties += usize::from(recall.micro_listed > recall.micro.value);
    }
    assert!(n_with_ties >= 3, "the log has too few ties to say anything: {printed}");
    for (trial, line) in choices.made[0].tried.iter().zip(lines) {
        assert!((trial.recall - line.parse::<f64>().unwrap()).abs() < 1e-12, "{trial:?}: {line}");
    }
}
