//! The model card: what a checkpoint is, what it was made from, how good it is, for someone who meets it later.

use std::fmt::Write;

use dayvec_core::{ModelSpec, PartsSpec};
use dayvec_report::{
    AlignmentReport, Interval, PartsChoice, PartsTrial, Report, ScorerMetrics, Table, TrainingSummary,
};

/// The card as Markdown.
pub(crate) fn card(report: &Report, spec: &ModelSpec, config_yaml: &str) -> String {
    let mut card = format!("# {}\n\n", report.model_id);
    let mut line = |text: String| {
        card.push_str(&text);
        card.push('\n');
    };
    line(format!(
        "{}; tower pair `{}`, item features `{}`.",
        what(spec),
        report.tower_pair_id,
        report.items_version
    ));
    line(
        "They are made to be compared by inner product with each other, and only within this tower pair."
            .to_owned(),
    );
    line("\n## Data\n".to_owned());
    line(format!(
        "Trained on events before {}: {} users, {} actions, {} items with features.",
        report.cut_off, report.users, report.actions, spec.n_items
    ));
    line(format!("{} actions on items without features were left out.", report.actions_without_features));
    if let Some(stray) = stray_days(report) {
        line(stray);
    }
    line(left_out(report).to_owned());
    if let Some(training) = &report.training {
        line(format!("\n## Training\n\n{}", how_trained(training)));
    }
    if let Some(choice) = &report.parts {
        line(format!("\n## Parts\n\n{}", parts(choice)));
    }
    if let Some(alignment) = &report.alignment {
        line(turned(alignment));
    }
    line("\n## Results\n".to_owned());
    line(protocol(report));
    line(format!(
        "Recall@{} is over distinct (user, item) pairs, with a bootstrap 95 % interval over users; an equal score counts as \
         a higher one, so that no tie makes a hit.",
        report.recall_by_scorer.k
    ));
    line("`unseen` leaves out what the user had acted on before.".to_owned());
    for table in report.evaluation.tables() {
        line(format!("\n### {}\n\n{}", table.title, markdown(table)));
    }
    if !report.evaluation.choices.made.is_empty() {
        line(format!("{}\n", report.evaluation.choices));
    }
    line(format!("## Spec\n\n```yaml\n{}```\n", dayvec_runtime::config::to_yaml(spec)));
    line(format!("## Configuration\n\n```yaml\n{config_yaml}```"));
    card
}

/// What the embeddings are.
fn what(spec: &ModelSpec) -> String {
    let dim = spec.embedding_dim();
    let Some(PartsSpec { memory, cooccurrence, trend, .. }) = spec.parts else {
        return format!("PinnerFormer user and item embeddings of {dim} numbers, unit norm");
    };
    format!(
        "User and item embeddings of {dim} numbers: memory {memory}, co-occurrence {cooccurrence}, trend {trend}; their \
         norms carry meaning, and items are as of a day"
    )
}

/// A sentence on the training.
fn how_trained(training: &TrainingSummary) -> String {
    format!(
        "{} parameters, {} steps in {:.0} s over {} users with {} actions; {:.0} tokens/s; final loss {}.",
        training.parameters,
        training.steps,
        training.seconds,
        training.users,
        training.actions,
        training.tokens_per_s,
        training.loss.map_or_else(|| "unknown".to_owned(), |loss| format!("{loss:.4}"))
    )
}

/// A sentence on the space of the parts.
fn turned(alignment: &AlignmentReport) -> String {
    let AlignmentReport { model_id, before, after } = alignment;
    format!(
        "The space was turned onto that of {model_id}: the mean cosine of users' embeddings to its own is {after:.3}, and \
         was {before:.3} before; inner products are as they were."
    )
}

/// How the parts were chosen, as a table.
fn parts(choice: &PartsChoice) -> String {
    let mut text = format!(
        "Chosen on the {} days from {} over {} users, by the geometric mean of both recalls; the test days had no say.\n\n\
         | memory | co-occurrence | trend | weight of unseen items | recall@10 | unseen recall@10 | |\n\
         |---|---|---|---|---|---|---|\n",
        choice.n_days, choice.from, choice.n_users
    );
    for trial in &choice.tried {
        let PartsTrial { memory, cooccurrence, trend, unseen_weight, recall, unseen_recall } = trial;
        let mark = if *trial == choice.chosen { "chosen" } else { "" };
        let _a_string_takes_all = writeln!(
            text,
            "| {memory} | {cooccurrence} | {trend} | {unseen_weight} | {recall:.4} | {unseen_recall:.4} | {mark} |"
        );
    }
    text
}

/// A sentence on the days behind the end of the log.
fn stray_days(report: &Report) -> Option<String> {
    let (first, last) = (report.stray_days.first()?, report.stray_days.last()?);
    let rows: u64 = report.stray_days.iter().map(|day| day.rows).sum();
    Some(format!(
        "Behind the end of the log are {rows} rows on {} days, from {} to {}: stragglers or wrong clocks.",
        report.stray_days.len(),
        first.day,
        last.day
    ))
}

/// What training did not see.
const fn left_out(report: &Report) -> &'static str {
    if report.leave_one_out {
        "Every user's last positive action, and what came after it, was left out; it is a model for comparison, not for \
         serving."
    } else {
        "A fifth of the users, chosen by a hash of their id, was never trained on."
    }
}

/// Who is tested, and on what.
fn protocol(report: &Report) -> String {
    if report.leave_one_out {
        return "Protocol: users with two positive actions or more, relevant is the item of the last, candidates are all \
                items met before."
            .to_owned();
    }
    format!(
        "Protocol: users with positive actions on both sides of {}, relevant are their distinct positive items of the \
         {} days from then on, candidates are all items met before.",
        report.cut_off, report.test_days
    )
}

fn markdown(table: &Table) -> String {
    let Some(first) = table.rows.first() else { return String::new() };
    let (recall, coverage) = (&first.seen_allowed.recall, &first.seen_allowed.coverage);
    let entropy_k = first.seen_allowed.interest_entropy.map_or_else(String::new, |it| format!("@{}", it.k));
    let mut text = format!(
        "| scorer | recall@{k} | macro | unseen recall@{k} | entropy{entropy_k} | P90 coverage@{} |\n\
         |---|---|---|---|---|---|\n",
        coverage.k,
        k = recall.k,
    );
    for row in &table.rows {
        text.push_str(&markdown_row(row));
    }
    let _a_string_takes_all = writeln!(
        text,
        "\n{} users, {} pairs, a catalogue of {} items; {} pairs outside it are left out.",
        first.n_users, first.seen_allowed.n_pairs, first.n_items, first.n_pairs_outside
    );
    text
}

fn markdown_row(row: &ScorerMetrics) -> String {
    let interval =
        |interval: &Interval| format!("{:.4} [{:.4}, {:.4}]", interval.value, interval.low, interval.high);
    let (allowed, filtered) = (&row.seen_allowed, &row.seen_filtered);
    let entropy = allowed.interest_entropy.map_or_else(|| "–".to_owned(), |it| format!("{:.3}", it.nats));
    format!(
        "| {} | {} | {:.4} | {} | {entropy} | {:.4} |\n",
        row.scorer,
        interval(&allowed.recall.micro),
        allowed.recall.macro_.value,
        interval(&filtered.recall.micro),
        allowed.coverage.p90
    )
}
