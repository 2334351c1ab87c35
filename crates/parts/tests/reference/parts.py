"""Statistics, bases and losses of dayvec's parts in NumPy and SciPy, float64, one user and one item at a time.

Written from the definitions in docs/parts.md, not from the Rust code. The test in tests/it/reference.rs compares the two.

    python parts.py CASE.json     prints {"pairs": ..., "users": ..., "items": ..., ...}
"""

import json
import math
import sys

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

DAY = 86400


def seen(user, row):
    """The newest actions of a user before a time, newest first."""
    return [a for a in user if a["t"] < row["until"]][: row["history_len"]]


def decayed(positives, now, half_life):
    return sum(0.5 ** ((now - a["t"]) / DAY / half_life) for a in positives)


def pair(actions, now):
    positives = [a for a in actions if a["positive"]]
    times = sorted(a["t"] for a in actions)
    days = len({t // DAY for t in times})
    age, span = (now - times[-1]) / DAY, (times[-1] - times[0]) / DAY
    gap = span / (days - 1) if days > 1 else 0.0
    overdue = math.log((age + 1) / (gap + 1)) if days > 1 else 0.0
    d7, d21, d60, d180 = (decayed(positives, now, h) for h in (7, 21, 60, 180))
    logs = [math.log(1 + x) for x in (d7, d21, d60, d180, len(positives))]
    return logs + [
        math.log(1 + age) / 3,
        math.log(1 + len(actions) - len(positives)),
        math.log(1 + days),
        math.log(1 + span) / 3,
        math.log(1 + gap) / 3,
        min(3.0, max(-3.0, overdue)),
        1.0 if days == 1 else 0.0,
        min(d21, 20) / 3,
        min(d60, 20) / 3,
        min(d180, 20) / 3,
    ]


def histories(case):
    pairs, users = [], []
    for row in case["rows"]:
        actions = seen(case["users"][row["user"]], row)
        if not actions:
            users.append([0.0] * 7)
            continue
        now = actions[0]["t"]
        items = sorted({a["item"] for a in actions})
        for item in items:
            pairs.append([float(item)] + pair([a for a in actions if a["item"] == item], now))
        recent = sum(1 for a in actions if (now - a["t"]) / DAY < 28)
        tenure = (now - actions[-1]["t"]) / DAY
        days = len({a["t"] // DAY for a in actions})
        logs = [math.log(1 + x) for x in (len(actions), recent, len(items), tenure, days)]
        users.append(logs + [len(items) / len(actions), recent / len(actions)])
    return pairs, users


def item_statistics(case):
    until = case["items_until"]
    rows = []
    for item in range(case["n_items"]):
        positives, counts = [], []
        for user in case["users"]:
            actions = [a for a in seen(user, {"until": until, "history_len": 10**9}) if a["item"] == item]
            counts += actions
            positives.append(sorted(a["t"] for a in actions if a["positive"]))
        within = lambda t, days: until - t <= days * DAY
        n = [sum(within(t, days) for times in positives for t in times) for days in (1, 3, 7, 14, 28, 84, 365)]
        owners = [sum(any(within(t, days) for t in times) for times in positives) for days in (7, 28, 84)]
        repeats = [times for times in positives if len({t // DAY for t in times}) > 1]
        back = sum(within(times[-1], 84) for times in repeats)
        gaps = [math.log(1 + (times[-1] - times[0]) / DAY / (len({t // DAY for t in times}) - 1)) for times in repeats]
        first = (until - min(a["t"] for a in counts)) / DAY if counts else 0.0
        last = (until - max(a["t"] for a in counts)) / DAY if counts else 365.0
        log = lambda x: math.log(1 + x)
        rows.append(
            [log(x) for x in n]
            + [log(4 * n[2]) - log(n[4]), log(3 * n[4]) - log(n[5]), log(first)]
            + [log(x) for x in owners]
            + [log(last), 3 * back / owners[2] if owners[2] else 0.0, sum(gaps) / len(gaps) if gaps else 0.0]
        )
    return rows


def bases(case):
    """The product of both sides of each basis, which no choice of signs or of equal directions changes."""
    newest = max(a["t"] for user in case["users"] for a in user if a["positive"])
    counts = np.zeros((len(case["users"]), case["n_items"]))
    for row, user in enumerate(case["users"]):
        for a in user:
            if a["positive"]:
                counts[row, a["item"]] += 0.5 ** ((newest - a["t"]) / DAY / 180)
    counts = counts[counts.sum(axis=1) > 0]
    x = counts**0.75
    x /= np.sqrt(np.linalg.norm(x, axis=1, keepdims=True))
    v = np.linalg.svd(x, full_matrices=False)[2][: case["memory"]]
    binary = (counts > 0).astype(float)
    normalised = binary * (binary.sum(axis=1, keepdims=True) ** -0.25)
    n = (normalised**2).sum(axis=0)
    d = 1 / np.sqrt(n + 5)
    c = d[:, None] * (normalised.T @ normalised - np.diag(n)) * d[None, :]
    u, s, wt = np.linalg.svd(c)
    k = case["cooccurrence"]
    return (v.T @ v).tolist(), ((u[:, :k] * s[:k]) @ wt[:k]).tolist()


def smooth_recall(scores, top, labels):
    shares = []
    for row, column in labels:
        z = scores[row][top[row]]
        theta = brentq(lambda t: expit(z - t).sum() - 10.0, z.min() - 50, z.max() + 50, xtol=1e-14, rtol=1e-15)
        shares.append(expit(scores[row][column] - theta))
    return float(np.mean(shares))


def softmax(scores, labels):
    rows = sorted({row for row, _ in labels})
    of_row = lambda row: [scores[r][c] for r, c in labels if r == row]
    return float(np.mean([logsumexp(scores[row]) - np.mean(of_row(row)) for row in rows]))


def slopes(loss, scores):
    """By central differences."""
    gradient, step = np.zeros_like(scores), 1e-5
    for at in np.ndindex(scores.shape):
        up, down = scores.copy(), scores.copy()
        up[at] += step
        down[at] -= step
        gradient[at] = (loss(up) - loss(down)) / (2 * step)
    return gradient.tolist()


def main():
    with open(sys.argv[1]) as file:
        case = json.load(file)
    pairs, users = histories(case)
    memory, cooccurrence = bases(case)
    scores, top, labels = np.array(case["scores"]), np.array(case["top"]), case["labels"]
    recall = lambda z: smooth_recall(z, top, labels)
    cross_entropy = lambda z: softmax(z, labels)
    print(
        json.dumps(
            {
                "pairs": pairs,
                "users": users,
                "items": item_statistics(case),
                "memory": memory,
                "cooccurrence": cooccurrence,
                "smooth_recall": recall(scores),
                "smooth_recall_slopes": slopes(recall, scores),
                "softmax": cross_entropy(scores),
                "softmax_slopes": slopes(cross_entropy, scores),
            }
        )
    )


main()
