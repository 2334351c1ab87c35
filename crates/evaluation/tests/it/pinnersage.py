"""PinnerSage by its definitions, with SciPy's Ward. Reads one JSON object on stdin, writes one on stdout."""

import json
import sys

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

DAY_S = 86_400


def clusters(points, ages_s, threshold, decay):
    """Heights, and (members, medoid, importance), the most important first."""
    if len(points) == 1:
        return [], [([0], 0, float(np.exp(-decay * ages_s[0] / DAY_S)))]
    distances = pdist(points)
    tree = linkage(distances, method="ward")
    labels = fcluster(tree, np.sqrt(threshold), criterion="distance")
    square = squareform(distances)
    found = []
    for first in sorted(np.flatnonzero(labels == label)[0] for label in set(labels)):
        members = [int(at) for at in np.flatnonzero(labels == labels[first])]
        # summed one by one, so that sums that are equal on paper are equal here
        spreads = [sum(float(square[a, b]) * float(square[a, b]) for b in members) for a in members]
        importance = sum(np.exp(-decay * ages_s[member] / DAY_S) for member in members)
        found.append((members, members[int(np.argmin(spreads))], float(importance)))
    return tree[:, 2].tolist(), sorted(found, key=lambda cluster: -cluster[2])


def merged(lists, k):
    result, rests = [], [list(one) for one in lists]
    while len(result) < k and any(rests):
        for rest in rests:
            while rest and rest[0] in result:
                rest.pop(0)
            if rest and len(result) < k:
                result.append(rest.pop(0))
    return result


def metrics(given, n_clusters, filtered):
    """Oracle recall, recall of the merged list, entropy, coverage."""
    items = np.array(given["items"], dtype=np.float64)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    hits = listed = pairs = 0
    entropies, counts = [], np.zeros(len(items), dtype=int)
    for user in given["users"]:  # actions newest first: (item, Unix seconds)
        history = user["history"]
        newest = history[0][1]
        used = [(item, at) for item, at in history if at > newest - given["look_back_days"] * DAY_S]
        points = items[[item for item, _ in used]]
        _, found = clusters(points, [newest - at for _, at in used], given["threshold"], given["decay"])
        medoids = [used[medoid][0] for _, medoid, _ in found[:n_clusters]]
        seen = {item for item, _ in history} if filtered else set()
        scores = items[medoids] @ items.T
        scores[:, sorted(seen)] = -np.inf
        relevant = sorted(set(user["future"]) - seen)
        for item in relevant:
            hits += any((row >= row[item]).sum() <= 10 and row[item] > -np.inf for row in scores)
        lists = [[int(i) for i in np.argsort(-row, kind="stable") if row[i] > -np.inf] for row in scores]
        retrieved = merged(lists, 50)
        listed += len(set(relevant) & set(retrieved[:10]))
        pairs += len(relevant)
        counts[retrieved[:10]] += 1
        shares = np.unique([given["interests"][item] for item in retrieved], return_counts=True)[1] / len(retrieved)
        entropies.append(-(shares * np.log(shares)).sum())
    counts = np.sort(counts)[::-1]
    covering = int(np.searchsorted(np.cumsum(counts), 0.9 * counts.sum() - 1e-9) + 1)
    return [hits / pairs, listed / pairs, float(np.mean(entropies)), covering / len(items)]


given = json.load(sys.stdin)
if "points" in given:
    heights, found = clusters(np.array(given["points"]), given["ages_s"], given["threshold"], given["decay"])
    json.dump({"heights": heights, "clusters": found}, sys.stdout)
else:
    rows = {f"{n} {kept}": metrics(given, n, kept == "unseen") for n in given["top"] for kept in ["all", "unseen"]}
    json.dump(rows, sys.stdout)
