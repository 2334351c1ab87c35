//! The sentences at the top of the overview: whether anyone has to do anything.

use super::Overview;
use crate::pages::parts::Mark;
use crate::words::span;

/// A daily run that is later than this is late: a day, three hours for late events, and half a day to notice.
const LATE_S: i64 = 39 * 3600;

pub(super) fn of(overview: &Overview, now_s: i64) -> Vec<Mark> {
    let mut verdicts = vec![replicas(overview)];
    match &overview.bucket {
        Err(outage) => verdicts.push(Mark::bad(format!("The bucket cannot be read: {outage}"))),
        Ok(_) => verdicts.extend(runs(overview, now_s)),
    }
    match &overview.runs {
        Some(Err(_)) => verdicts.push(Mark::bad("The trainer does not answer.")),
        Some(Ok(runs)) => {
            if let Some(run) =
                runs.iter().find(|run| run.ended.is_some()).filter(|run| run.mark.level == "bad")
            {
                verdicts.push(Mark::bad(format!("Training run {} failed.", run.number)));
            }
        }
        None => {}
    }
    if let Some(Err(_)) = &overview.daily {
        verdicts.push(Mark::bad("The schedule of daily runs does not answer."));
    }
    for disk in overview.disks.iter().filter(|disk| disk.mark.level == "bad") {
        verdicts
            .push(Mark::bad(format!("The disk of {} is nearly full: {} are free.", disk.program, disk.free)));
    }
    // What asks for someone comes first.
    verdicts
        .sort_by_key(|verdict| ["bad", "warn"].iter().position(|level| *level == verdict.level).unwrap_or(2));
    verdicts
}

fn replicas(overview: &Overview) -> Mark {
    let rows = &overview.replicas;
    let n = rows.len();
    if n == 0 {
        return Mark::off("No lookup replica is configured.");
    }
    let down: Vec<&str> =
        rows.iter().filter(|row| row.served.is_none()).map(|row| row.name.as_str()).collect();
    match down[..] {
        [] => {}
        [one] => return Mark::bad(format!("The lookup replica {one} does not serve.")),
        _ => {
            return Mark::bad(format!(
                "{} of {n} lookup replicas do not serve: {}.",
                down.len(),
                down.join(", ")
            ));
        }
    }
    let mut served: Vec<&str> =
        rows.iter().filter_map(|row| row.served.as_ref()).map(|served| served.snapshot_id.as_str()).collect();
    served.sort_unstable();
    served.dedup();
    if let [one, _, ..] = served[..] {
        return Mark::warn(format!(
            "The {n} lookup replicas serve {} different snapshots, {one} among them.",
            served.len()
        ));
    }
    let troubled = rows.iter().filter(|row| row.mark.level != "ok").count();
    match (troubled, n) {
        (0, _) if overview.bucket.is_err() => {
            Mark::ok(format!("{n} of {n} lookup replicas serve on, {} each.", served[0]))
        }
        (0, 1) => Mark::ok("The lookup replica serves the newest announced snapshot."),
        (0, _) => Mark::ok(format!("All {n} lookup replicas serve the newest announced snapshot.")),
        _ => Mark::warn(format!("{troubled} of {n} lookup replicas are behind or could not refresh.")),
    }
}

fn runs(overview: &Overview, now_s: i64) -> Vec<Mark> {
    let Ok(bucket) = &overview.bucket else { return Vec::new() };
    let Some(current) = bucket.current() else {
        return vec![Mark::warn("Nothing is announced yet; `inference run` makes a first snapshot.")];
    };
    let day = current.facts.as_ref().map_or("", |facts| facts.day.as_str());
    let ago = span((now_s - current.at_s) as f64);
    let mut verdicts = vec![match &current.facts {
        Err(outage) => Mark::bad(format!("The newest announced snapshot cannot be read: {outage}")),
        Ok(_) if now_s - current.at_s > LATE_S => {
            Mark::warn(format!("The newest snapshot is of {day}, and was announced {ago} ago."))
        }
        Ok(_) => Mark::ok(format!("The snapshot of {day} was announced {ago} ago.")),
    }];
    // Only later days matter: what came after an unannounced run has made up for it.
    let newer = bucket.unannounced.iter().flatten().find(|facts| facts.day.as_str() > day);
    verdicts.extend(newer.map(|facts| {
        let failed: Vec<&str> = facts.gates.failed().collect();
        let why = if failed.is_empty() { String::new() } else { format!(": {}", failed.join("; ")) };
        Mark::bad(format!("The run for {} is whole, but was not announced{why}.", facts.day))
    }));
    verdicts
}
