//! A hand-made experiment with texts that try to break out of the page.

use dayvec_report::{
    AblationCell, AblationRow, AblationTable, AgedRecall, Choices, Coverage, EmbeddingMap, Evaluation,
    ExampleUser, ExperimentPage, FreshnessReport, Group, InterestEntropy, Interval, Made, MapPoint, NearItem,
    Recall, RecallByGroup, RecallByScorer, RelativeLoss, Report, Retrieval, ScorerMetrics, ShownAction,
    StageSeconds, Table, TrainingCurve, TrainingSummary,
};

/// What no page may hold unescaped.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{0}\u{202e}]]>-->";

pub(crate) fn interval(value: f64) -> Interval {
    Interval { value, low: value * 0.9, high: value * 1.1 }
}

fn retrieval(value: f64) -> Retrieval {
    Retrieval {
        recall: Recall { k: 10, micro: interval(value), macro_: interval(value), micro_listed: value },
        ndcg: interval(value * 3.0),
        interest_entropy: Some(InterestEntropy { k: 50, nats: 1.875 }),
        coverage: Coverage { k: 10, p90: 0.0625 },
        n_users: 832,
        n_pairs: 23_055,
    }
}

fn scorer(name: &str, value: f64) -> ScorerMetrics {
    ScorerMetrics {
        scorer: name.into(),
        n_users: 832,
        n_items: 4_623,
        n_pairs_outside: 12,
        seen_allowed: retrieval(value),
        seen_filtered: retrieval(value / 2.0),
    }
}

fn report() -> Report {
    let rows = vec![
        scorer("model", 0.0548),
        scorer("random", 0.0019),
        scorer("own items with a trend", 0.1044),
        scorer("PinnerSage, 5 clusters, oracle", 0.1582),
        scorer(HOSTILE, 0.02),
    ];
    let table = |title: &str, rows: &[ScorerMetrics]| Table { title: title.into(), rows: rows.to_vec() };
    let all_users = table("All users, 14 days from 2011-11-25", &rows);
    let training = TrainingSummary {
        steps: 300,
        seconds: 94.0,
        loss: Some(4.02),
        tokens_per_s: 29_000.0,
        users: 4_700,
        actions: 640_000,
        parameters: 612_345,
        curve: vec![(1, 7.1), (100, 5.0), (300, 4.02)],
    };
    Report {
        model_id: "small-a9a2c3f2ba14".into(),
        tower_pair_id: "0123456789abcdef".into(),
        items_version: "1".into(),
        checkpoint: "file:///bucket/checkpoints/small-a9a2c3f2ba14".into(),
        cut_off: "2011-11-25".parse().unwrap(),
        test_days: 14,
        leave_one_out: false,
        users: 5_825,
        actions: 780_123,
        actions_without_features: 3,
        recall_by_scorer: RecallByScorer::of(&all_users),
        evaluation: Evaluation {
            held_out: Some(table("Held-out users", &rows[..1])),
            all_users,
            by_task: Vec::new(),
            choices: Choices::default(),
        },
        events: serde_json::Value::Null,
        stray_days: Vec::new(),
        parts: None,
        alignment: None,
        training: Some(training),
        stages: StageSeconds::default(),
    }
}

fn freshness() -> FreshnessReport {
    let row = |scorer: &str, first: f64, slope: f64, changes: bool| {
        let ages: Vec<Interval> = (0..15)
            .map(|age| {
                let value = first + slope * f64::from(age);
                Interval { value, low: value - 0.0005, high: value + 0.0005 }
            })
            .collect();
        AgedRecall {
            scorer: scorer.into(),
            k: 10,
            once: interval(0.0546),
            daily: interval(0.0536),
            realtime: interval(0.056),
            once_unseen: interval(0.03),
            daily_unseen: interval(0.03),
            realtime_unseen: interval(0.03),
            change_from_realtime: RelativeLoss { daily: interval(-0.04), once: interval(-0.025) },
            by_item_age_days: changes.then(|| ages.clone()),
            by_user_age_days: ages,
        }
    };
    FreshnessReport {
        model_id: "small-a9a2c3f2ba14".into(),
        cut_off: "2011-11-25".parse().unwrap(),
        test_days: 14,
        delay_days: 1,
        n_users: 825,
        n_labels: 22_938,
        n_outside: 10,
        n_too_young: 7,
        rows: vec![row("model", 0.05, -0.0005, false), row("popularity of 7 days", 0.04, -0.001, true)],
    }
}

fn ablation() -> AblationTable {
    let row = |name: &str, values: &[f64], paper| AblationRow {
        name: name.into(),
        cells: vec![AblationCell::of(values, Some(paper)), AblationCell::of(&[], None)],
    };
    AblationTable {
        name: "objectives".into(),
        title: "Training objective".into(),
        source: "The paper, section 7.3".into(),
        columns: vec!["Recall@10".into(), HOSTILE.into()],
        rows: vec![row("next action", &[0.034, 0.035], 0.186), row(HOSTILE, &[0.054], 0.229)],
        seeds: vec![1, 2],
        n_trials: (3, 4),
        cut_off: "2011-11-25".parse().unwrap(),
        test_days: 14,
        n_users: 832,
        n_pairs: 23_055,
        version: "0.1.0".into(),
        data_hash: "c794f5a6164264b0".into(),
        candidates_hash: "2957bd9ab862d627".into(),
    }
}

fn group(range: (u64, u64), n_pairs: usize, model: f64) -> Group {
    Group { range, n_users: 100, n_pairs, model: interval(model), baseline: interval(0.03) }
}

fn map() -> EmbeddingMap {
    let point = |at: usize, name: &str| {
        let angle = at as f64;
        MapPoint {
            x: 0.6 * angle.sin(),
            y: 0.4 * (1.7 * angle).cos(),
            name: name.into(),
            interest: if at.is_multiple_of(3) { "lamps".into() } else { HOSTILE.into() },
        }
    };
    EmbeddingMap {
        dim: 64,
        variance: [0.14, 0.09],
        sample: "40 of 832 test users".into(),
        users: (0..40).map(|at| point(at + 7, HOSTILE)).collect(),
        items: (0..60).map(|at| point(at, HOSTILE)).collect(),
        cosines: Some((0.61, 0.12)),
    }
}

fn user() -> ExampleUser {
    let near =
        |item: &str, is_seen, is_relevant| NearItem { item: item.into(), score: 0.71, is_seen, is_relevant };
    let action = |item: &str| ShownAction {
        time: "2011-11-24 13:05".into(),
        action: "purchase".into(),
        item: item.into(),
    };
    ExampleUser {
        user_id: HOSTILE.into(),
        why: "Half of the test users had done less".into(),
        is_held_out: true,
        n_actions: 321,
        actions: vec![action(HOSTILE), action("WHITE HANGING HEART T-LIGHT HOLDER")],
        neighbours: vec![near(HOSTILE, true, true), near("JUMBO BAG RED RETROSPOT", false, false)],
        n_relevant: 31,
    }
}

/// An experiment that has everything.
pub(crate) fn experiment() -> ExperimentPage {
    let curve = |name: &str, points: &[(u64, f64)]| TrainingCurve {
        name: name.into(),
        unit: "nats".into(),
        points: points.to_vec(),
    };
    let tenths: Vec<Group> =
        (0..10).map(|at| group((at * 9, at * 9 + 9), 100 * at as usize, 0.006 * at as f64)).collect();
    ExperimentPage {
        made: Made {
            command: format!("trainer report --checkpoint 'small' '{HOSTILE}'"),
            checkpoint: "file:///bucket/checkpoints/small-a9a2c3f2ba14".into(),
            log: "file:///events".into(),
            log_hash: "c794f5a6164264b0".into(),
            version: "0.1.0".into(),
            commit: "75fa6d9".into(),
            seed: Some(1),
            date: "2026-01-02T03:04:05Z".into(),
        },
        report: report(),
        baselines_missing: None,
        curves: Ok(vec![
            curve("Loss", &[(1, 7.1), (100, 5.0), (300, 4.02)]),
            curve("Learning rate", &[(10, 0.0006), (20, 0.001), (300, 0.0)]),
        ]),
        curves_note: String::new(),
        groups: RecallByGroup {
            k: 10,
            baseline: "popularity".into(),
            by_activity: vec![
                group((1, 14), 900, 0.09),
                group((15, 80), 2_000, 0.06),
                group((81, 5_000), 9_000, 0.04),
            ],
            by_popularity: tenths,
        },
        freshness: Ok(freshness()),
        ablations: Ok(vec![ablation()]),
        unfinished: Vec::new(),
        map: map(),
        users: vec![user()],
    }
}
