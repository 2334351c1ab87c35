"""Baselines and metrics again, in NumPy: reads a log and the scores of dayvec's baselines, prints what NumPy gets.

Input (stdin): `split CUT_OFF N_DAYS N_USERS N_ITEMS`, a line `event USER ITEM DAY POSITIVE` an event, oldest first, and a
line `scores NAME PARAMETER` a baseline, followed by one line of scores a user.
Output: for each baseline `NAME|micro|macro|listed|NDCG|unseen micro|largest difference of a score`, then the recalls of the
trials of popularity. A day's events are an hour after its start.
"""

import sys

import numpy as np

K = 10


def recalls(scores, relevant, seen, catalogue):
    """Recall@10 without luck (an equal score counts as a higher one), its macro mean, that of real lists, and NDCG@10."""
    hits, listed, pairs, shares, gains = 0, 0, 0, [], []
    for user, items in relevant.items():
        candidates = [item for item in range(scores.shape[1]) if catalogue[item] and item not in seen(user)]
        items = [item for item in items if item in candidates]
        if not items:
            continue
        score = {item: scores[user, item] for item in candidates}
        found = [p for p in items if score[p] > -np.inf and sum(score[q] >= score[p] for q in candidates if q != p) < K]
        ranked = sorted((q for q in candidates if score[q] > -np.inf), key=lambda q: (-score[q], q))[:K]
        hits, listed, pairs = hits + len(found), listed + len(set(ranked) & set(items)), pairs + len(items)
        shares.append(len(found) / len(items))
        rank = lambda p: 1 + sum(score[q] >= score[p] for q in candidates if q != p)
        best = sum(1 / np.log2(1 + r) for r in range(1, min(K, len(items)) + 1))
        gains.append(sum(1 / np.log2(1 + rank(p)) for p in found) / best)
    return hits / pairs, float(np.mean(shares)), listed / pairs, float(np.mean(gains))


def truth(events, cut_off, n_days):
    """Catalogue, relevant items of the users with positives on both sides, seen items."""
    before = [e for e in events if e[2] < cut_off]
    catalogue = np.zeros(n_items, bool)
    catalogue[[e[1] for e in before]] = True
    buyers = {e[0] for e in before if e[3]}
    relevant = {}
    for user, item, day, positive in events:
        if cut_off <= day < cut_off + n_days and positive and user in buyers:
            relevant.setdefault(user, set())
            if catalogue[item]:
                relevant[user].add(item)
    return catalogue, relevant, lambda user: {e[1] for e in before if e[0] == user}


def popularity(events, cut_off, n_days):
    counts = np.zeros(n_items)
    np.add.at(counts, [e[1] for e in events if e[3] and cut_off - n_days <= e[2] < cut_off], 1)
    return counts


def weights(events, cut_off, age, half_life):
    """Users × items, decayed counts; the age counts to the cut-off, or to the user's newest purchase."""
    matrix = np.zeros((n_users, n_items))
    bought = [e for e in events if e[3] and e[2] < cut_off]
    newest = {user: day for user, _, day, _ in bought}
    for user, item, day, _ in bought:
        until = cut_off - 1 / 24 if age == "cut-off" else newest[user]
        matrix[user, item] += 0.5 ** ((until - day) / half_life)
    return matrix


def baseline(name, parameter, events, cut_off):
    counts = weights(events, cut_off, "newest", np.inf)
    if name.startswith("popularity"):
        return np.tile(popularity(events, cut_off, parameter), (n_users, 1))
    if name.startswith("own"):
        own = np.log1p(3 * weights(events, cut_off, "cut-off", 80))
        return own + parameter * np.log1p(popularity(events, cut_off, 28))
    if name.startswith("decayed bag"):
        _, _, vt = np.linalg.svd(np.log1p(counts), full_matrices=False)
        v = vt[: int(name.rsplit(" ", 1)[1])].T
        scores = weights(events, cut_off, "newest", parameter) @ v @ v.T
        return np.where(counts.any(axis=0), scores, -np.inf)
    if name == "EASE":
        x = (counts > 0).astype(float)
        kept = x.any(axis=0)
        p = np.linalg.inv(x[:, kept].T @ x[:, kept] + parameter * np.eye(kept.sum()))
        b = -p / np.diag(p)
        np.fill_diagonal(b, 0)
        scores = np.full((n_users, n_items), -np.inf)
        scores[:, kept] = x[:, kept] @ b
        return scores
    if name.startswith("neighbours"):
        x = (counts > 0).astype(float)
        unit = x / np.maximum(np.sqrt(x.sum(axis=0)), 1e-30)
        cosines = unit.T @ unit
        scores = np.zeros((n_users, n_items))
        for user in range(n_users):
            last = []
            for _, item, _, positive in reversed([e for e in events if e[0] == user and e[2] < cut_off]):
                if positive and item not in last and len(last) < int(parameter):
                    last.append(item)
            scores[user] = cosines[last].sum(axis=0)
        return np.where(scores == 0, -np.inf, scores)
    return None


events, given = [], []
for line in sys.stdin:
    kind, rest = line.rstrip("\n").split(" ", 1)
    if kind == "split":
        cut_off, n_days, n_users, n_items = map(int, rest.split())
    elif kind == "event":
        user, item, day, positive = rest.split()
        events.append((int(user), int(item), int(day), positive == "true"))
    elif kind == "scores":
        name, parameter = rest.rsplit(" ", 1)
        given.append((name, float(parameter), []))
    else:
        given[-1][2].append([float(score) for score in rest.split()])

catalogue, relevant, seen = truth(events, cut_off, n_days)
for name, parameter, rows in given:
    scores = np.array(rows)
    own = baseline(name, parameter, events, cut_off)
    difference = 0.0
    if own is not None:
        finite = np.isfinite(own)
        difference = np.abs(scores[finite] - own[finite]).max() if (finite == np.isfinite(scores)).all() else np.inf
    allowed = recalls(scores, relevant, lambda _: (), catalogue)
    filtered = recalls(scores, relevant, seen, catalogue)
    print(name, *allowed, filtered[0], difference, sep="|")
catalogue, relevant, seen = truth(events, cut_off - n_days, n_days)
for width in [1, 3, 7, 14, 28, 90]:
    scores = np.tile(popularity(events, cut_off - n_days, width), (n_users, 1))
    print(recalls(scores, relevant, lambda _: (), catalogue)[0])
