"""The protocols of freshness by their definitions: one label after the other, no blocks, no shared states."""

import json
import sys

import numpy as np

DAY = 86_400
K = 10

given = json.load(sys.stdin)
events = [tuple(event) for event in given["events"]]  # (user, item, Unix seconds, positive)
items = np.array(given["items"], dtype=np.float64)  # [n, d]
cut_off, n_days, delay = given["cut_off"], given["n_days"], given["delay_days"]
start, end = cut_off * DAY, (cut_off + n_days) * DAY
max_age = given["max_age_days"]

catalogue = {item for _, item, time, _ in events if time < start}
labels = {}
for user, item, time, positive in sorted(events, key=lambda event: event[2]):
    if positive and start <= time < end:
        labels.setdefault((user, item), time)
had_positive = {user for user, _, time, positive in events if positive and time < start}
labels = {key: time for key, time in labels.items() if key[0] in had_positive}
n_outside = sum(item not in catalogue for _, item in labels)
labels = {key: time for key, time in labels.items() if key[1] in catalogue}


def protocols():
    midnight = lambda time: time // DAY * DAY
    yield "once", lambda time: start, lambda time: start
    yield "daily", lambda time: midnight(time) - delay * DAY, lambda time: midnight(time) - delay * DAY
    yield "realtime", lambda time: time, midnight
    for age in range(max_age + 1):
        yield f"users {age}", lambda time, age=age: midnight(time) - age * DAY, midnight
    for age in range(max_age + 1):
        yield f"items {age}", midnight, lambda time, age=age: midnight(time) - age * DAY


oldest = {}
for user, _, time, _ in events:
    oldest[user] = min(oldest.get(user, time), time)
kept = {
    key: time
    for key, time in labels.items()
    if all(oldest[key[0]] < users_until(time) for _, users_until, _ in protocols())
}


def score(user, users_until, items_until):
    """The mean of the vectors of the user's newest three actions, plus the count of each item in the week before."""
    past = [(time, at) for at, (who, _, time, _) in enumerate(events) if who == user and time < users_until]
    newest = [events[at][1] for _, at in sorted(past, reverse=True)[:3]]
    counts = np.zeros(len(items))
    for _, item, time, _ in events:
        counts[item] += items_until - 7 * DAY <= time < items_until
    return items @ items[newest].mean(axis=0) + 0.01 * counts


result = {"n_outside": n_outside, "n_too_young": len(labels) - len(kept), "n_labels": len(kept)}
eligible = np.array([item in catalogue for item in range(len(items))])
for name, users_until, items_until in protocols():
    hits, unseen_hits, unseen = 0, 0, 0
    for (user, item), time in kept.items():
        scores = np.where(eligible, score(user, users_until(time), items_until(time)), -np.inf)
        hits += (scores >= scores[item]).sum() <= K
        seen = {what for who, what, when, _ in events if who == user and when < start}
        if item not in seen:
            scores[list(seen)] = -np.inf
            unseen += 1
            unseen_hits += (scores >= scores[item]).sum() <= K
    result[name] = [hits / len(kept), unseen_hits / max(unseen, 1)]
json.dump(result, sys.stdout, default=float)
