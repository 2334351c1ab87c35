//! The sentences at the top of the overview: what needs attention, and what does not.

use dayvec_proto::trainer::v1::RunState;

use super::bucket::BucketSection;
use super::sections::Sections;
use super::services::ReplicaState;
use crate::format::span;
use crate::pages::marks::Mark;

/// A daily run that is later than this is late: a day, three hours for late events, and half a day to notice.
const LATE_S: i64 = 39 * 3600;

/// The verdicts, worst first.
pub(super) fn of(sections: &Sections, now_s: i64) -> Vec<Mark> {
    let mut verdicts = vec![replicas(sections)];
    match &sections.bucket {
        Err(outage) => verdicts.push(Mark::bad(format!("The bucket cannot be read: {outage}"))),
        Ok(bucket) => {
            verdicts.extend(daily_runs(bucket, now_s));
            verdicts.extend(
                bucket.damaged.iter().map(|why| Mark::bad(format!("A record is passed over: {why}."))),
            );
        }
    }
    match &sections.training {
        Some(Err(_)) => verdicts.push(Mark::bad("The trainer does not respond.")),
        Some(Ok(runs)) => {
            let newest_ended = runs.iter().find(|run| run.ended.is_some());
            if let Some(run) = newest_ended.filter(|run| run.state == RunState::Failed) {
                verdicts.push(Mark::bad(format!("Training run {} failed.", run.number)));
            }
        }
        None => {}
    }
    if let Some(Err(_)) = &sections.daily {
        verdicts.push(Mark::bad("The schedule of daily runs does not respond."));
    }
    for disk in sections.disks.iter().filter(|disk| disk.is_low) {
        verdicts.push(Mark::bad(format!("The disk of {} is nearly full: {} free.", disk.program, disk.free)));
    }
    verdicts.sort_by_key(|verdict| verdict.level);
    verdicts
}

fn replicas(sections: &Sections) -> Mark {
    let rows = &sections.replicas;
    let n = rows.len();
    if n == 0 {
        return Mark::off("No lookup replica is configured.");
    }
    let down: Vec<&str> =
        rows.iter().filter(|row| row.served.is_none()).map(|row| row.name.as_str()).collect();
    match down[..] {
        [] => {}
        [one] => return Mark::bad(format!("The lookup replica {one} serves no snapshot.")),
        _ => {
            let (count, names) = (down.len(), down.join(", "));
            return Mark::bad(format!("{count} of {n} lookup replicas serve no snapshot: {names}."));
        }
    }
    let mut served: Vec<&str> =
        rows.iter().filter_map(|row| row.served.as_ref()).map(|served| served.snapshot_id.as_str()).collect();
    served.sort_unstable();
    served.dedup();
    if let [one, _, ..] = served[..] {
        let count = served.len();
        return Mark::warn(format!(
            "The {n} lookup replicas serve {count} different snapshots, among them {one}."
        ));
    }
    let is_troubled =
        |state: ReplicaState| matches!(state, ReplicaState::RefreshFailed | ReplicaState::Behind);
    match (rows.iter().filter(|row| is_troubled(row.state)).count(), n) {
        (0, _) if sections.bucket.is_err() => {
            Mark::ok(format!("{n} of {n} lookup replicas still serve {}.", served[0]))
        }
        (0, 1) => Mark::ok("The lookup replica serves the newest announced snapshot."),
        (0, _) => Mark::ok(format!("All {n} lookup replicas serve the newest announced snapshot.")),
        (troubled, _) => {
            Mark::warn(format!("{troubled} of {n} lookup replicas are behind or could not refresh."))
        }
    }
}

fn daily_runs(bucket: &BucketSection, now_s: i64) -> Vec<Mark> {
    let Some(current) = bucket.current() else {
        return vec![Mark::warn("No snapshot has been announced yet; `inference run` creates the first.")];
    };
    let ago = span((now_s - current.at_s) as f64);
    let mut verdicts = vec![match &current.facts {
        Err(outage) => Mark::bad(format!("The newest announced snapshot cannot be read: {outage}")),
        Ok(facts) if now_s - current.at_s > LATE_S => {
            Mark::warn(format!("The newest snapshot is for {}, and was announced {ago} ago.", facts.day))
        }
        Ok(facts) => Mark::ok(format!("The snapshot for {} was announced {ago} ago.", facts.day)),
    }];
    // Only later days matter: what was announced after an unannounced snapshot replaces it.
    let current_day = current.facts.as_ref().ok().map(|facts| facts.day);
    let newer = bucket.unannounced.iter().flatten().find(|facts| Some(facts.day) > current_day);
    verdicts.extend(newer.map(|facts| {
        let failed: Vec<&str> = facts.gates.failed().collect();
        let why = if failed.is_empty() { String::new() } else { format!(": {}", failed.join("; ")) };
        Mark::bad(format!("The snapshot for {} is complete, but was not announced{why}.", facts.day))
    }));
    verdicts
}
