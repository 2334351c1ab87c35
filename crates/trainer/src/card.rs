//! The model card: what a checkpoint is, what it was made from, how good it is, for someone who meets it later.

use std::fmt::Write;

use dayvec_core::ModelSpec;
use dayvec_evaluation::{Interval, Table};

use crate::report::Report;

/// The card as Markdown.
pub(crate) fn card(report: &Report, spec: &ModelSpec, config_yaml: &str) -> String {
    let mut card = format!("# {}\n\n", report.model_id);
    let mut line = |text: String| {
        card.push_str(&text);
        card.push('\n');
    };
    line(format!(
        "PinnerFormer user and item embeddings of {} numbers, unit norm; tower pair `{}`, item features `{}`.",
        spec.dim, report.tower_pair_id, report.items_version
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
    line("A fifth of the users, chosen by a hash of their id, was never trained on.".to_owned());
    if let Some(training) = &report.training {
        line("\n## Training\n".to_owned());
        line(format!(
            "{} parameters, {} steps in {:.0} s over {} users with {} actions; {:.0} tokens/s; final loss {}.",
            training.parameters,
            training.steps,
            training.seconds,
            training.users,
            training.actions,
            training.tokens_per_s,
            training.loss.map_or_else(|| "unknown".to_owned(), |loss| format!("{loss:.4}"))
        ));
    }
    line("\n## Results\n".to_owned());
    line(format!(
        "Protocol: users with positive actions on both sides of {}, relevant are their distinct positive items of the \
         {} days from then on, candidates are all items met before.",
        report.cut_off, report.test_days
    ));
    line(
        "Recall@10 is over distinct (user, item) pairs, with a bootstrap 95 % interval over users."
            .to_owned(),
    );
    line("`unseen` leaves out what the user had acted on before.".to_owned());
    for table in std::iter::once(&report.evaluation.all_users).chain(&report.evaluation.held_out) {
        line(format!("\n### {}\n\n{}", table.title, markdown(table)));
    }
    line(format!("## Spec\n\n```yaml\n{}```\n", dayvec_runtime::config::to_yaml(spec)));
    line(format!("## Configuration\n\n```yaml\n{config_yaml}```"));
    card
}

fn markdown(table: &Table) -> String {
    let interval =
        |interval: &Interval| format!("{:.4} [{:.4}, {:.4}]", interval.value, interval.low, interval.high);
    let mut text = String::from(
        "| scorer | recall@10 | macro | unseen recall@10 | entropy@50 | P90 coverage@10 |\n|---|---|---|---|---|---|\n",
    );
    for row in &table.rows {
        let (allowed, filtered) = (&row.seen_allowed, &row.seen_filtered);
        let entropy =
            allowed.interest_entropy_at_50.map_or_else(|| "–".to_owned(), |nats| format!("{nats:.3}"));
        let _a_string_takes_all = writeln!(
            text,
            "| {} | {} | {:.4} | {} | {entropy} | {:.4} |",
            row.scorer,
            interval(&allowed.recall_at_10.micro),
            allowed.recall_at_10.macro_.value,
            interval(&filtered.recall_at_10.micro),
            allowed.p90_coverage_at_10
        );
    }
    if let Some(row) = table.rows.first() {
        let _a_string_takes_all = writeln!(
            text,
            "\n{} users, {} pairs, a catalogue of {} items; {} pairs outside it are left out.",
            row.n_users, row.seen_allowed.n_pairs, row.n_items, row.n_pairs_outside
        );
    }
    text
}
