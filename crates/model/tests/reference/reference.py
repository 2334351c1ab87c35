"""Forward pass, logQ correction and loss of dayvec's model in NumPy, float64, one user and one position at a time.

Written from the paper's specification, not from the Rust code, and as plainly as possible: no batching, no padding,
no folding of phases, no skipped work. The test in src/reference_tests.rs compares the two.

    python reference.py CASE.json model.safetensors     prints {"embeddings": ..., "loss": ..., ...}
"""

import json
import math
import struct
import sys

import numpy as np

HOUR, DAY = 3600.0, 86400.0
ABSOLUTE_PERIODS = [0.25 * HOUR, 0.5 * HOUR, 0.75 * HOUR, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, 7 * DAY,
                    28 * DAY, 365 * DAY]
RELATIVE_PERIODS = np.geomspace(1.0, 28 * DAY, 32)
LOG_SCALE = 0.1  # dayvec shrinks the log features; the paper does not say


def read_safetensors(path):
    with open(path, "rb") as file:
        (header_len,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_len))
        data = file.read()
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            arrays[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"]).astype(np.float64)
    return arrays


def gelu(x):
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def unit(x):
    return x / np.linalg.norm(x)


def layer_norm(x, w, name):
    centred = x - x.mean()
    return centred / np.sqrt((centred**2).mean() + 1e-5) * w[name + ".gain"] + w[name + ".bias"]


def linear(x, w, name):
    return w[name + ".weight"] @ x + w[name + ".bias"]


def encode_time(seconds, periods, w, name):
    """Time2vec with fixed periods, learned phases and a log term; its product with the input layer's rows."""
    out = np.zeros(w[name + ".log.weight"].shape[1])
    for i, period in enumerate(periods):
        angle = 2 * math.pi * (float(seconds) / period)
        out += math.cos(angle + w[name + ".cos.phase"][i]) * w[name + ".cos.weight"][i]
        out += math.sin(angle + w[name + ".sin.phase"][i]) * w[name + ".sin.weight"][i]
    return out + LOG_SCALE * math.log(1.0 + seconds) * w[name + ".log.weight"][0]


def describe(item, case, w):
    content = np.array(case["item_features"][item]) * math.sqrt(len(case["item_features"][item]))
    table = w.get("item.id.table")
    return content if table is None else np.concatenate([content, table[item]])


def item_embedding(item, case, w):
    return unit(linear(gelu(linear(describe(item, case, w), w, "item.in")), w, "item.out"))


def input_row(actions, i, case, w):
    """Row i of V0 = A W_in + PE; actions are newest first."""
    action = actions[i]
    row = describe(action["item"], case, w) @ w["user.in.item.weight"]
    row = row + w["user.action.table"][action["action_type"]] @ w["user.in.action.weight"]
    if action["surface"] > 0:
        row = row + w["user.surface.table"][action["surface"] - 1] @ w["user.in.surface.weight"]
    if action["duration_s"] is not None:
        row = row + math.log(1.0 + action["duration_s"]) * w["user.in.duration.weight"][0]
    gap = action["timestamp"] - actions[i + 1]["timestamp"] if i + 1 < len(actions) else 0
    row = row + encode_time(action["timestamp"], ABSOLUTE_PERIODS, w, "user.in.timestamp")
    row = row + encode_time(actions[0]["timestamp"] - action["timestamp"], RELATIVE_PERIODS, w, "user.in.since_latest")
    row = row + encode_time(gap, RELATIVE_PERIODS, w, "user.in.gap")
    return row + w["user.in.bias"] + w["user.position.table"][i]


def block(v, w, name, n_heads):
    hidden = len(v[0])
    width = hidden // n_heads
    qkv = [linear(layer_norm(row, w, name + ".attention.norm"), w, name + ".attention.qkv") for row in v]
    out = []
    for i in range(len(v)):
        mixed = []
        for head in range(n_heads):
            part = slice(head * width, (head + 1) * width)
            query = qkv[i][:hidden][part]
            keys = [qkv[j][hidden:2 * hidden][part] for j in range(i, len(v))]  # itself and older
            values = [qkv[j][2 * hidden:][part] for j in range(i, len(v))]
            scores = np.array([query @ key for key in keys]) / math.sqrt(width)
            weights = np.exp(scores - scores.max())
            mixed.append((weights / weights.sum()) @ np.array(values))
        u = v[i] + linear(np.concatenate(mixed), w, name + ".attention.out")
        out.append(u + linear(gelu(linear(layer_norm(u, w, name + ".mlp.norm"), w, name + ".mlp.in")), w, name + ".mlp.out"))
    return out


def embed(actions, case, w):
    """Embeddings at every position of one sequence, newest first."""
    v = [input_row(actions, i, case, w) for i in range(len(actions))]
    for layer in range(case["n_layers"]):
        v = block(v, w, f"user.block{layer}", case["n_heads"])
    out = []
    for i, row in enumerate(v):
        head = unit(linear(gelu(linear(layer_norm(row, w, "user.head.norm"), w, "user.head.in")), w, "user.head.out"))
        if "user.history.gate" in w:
            rate = math.exp(w["user.history.log_rate"][0])
            bag = 0.0
            for action in actions[i:]:
                age_days = (actions[i]["timestamp"] - action["timestamp"]) / DAY
                weight = math.exp(w["user.history.type"][action["action_type"]] - rate * age_days)
                bag = bag + weight * item_embedding(action["item"], case, w)
            head = unit(head + w["user.history.gate"][0] * unit(bag))
        out.append(head)
    return out


def columns(case):
    """How many columns of the pool are in-batch, and how many random."""
    n_in_batch = sum(entry["user"] is not None for entry in case["pool"])
    return n_in_batch, len(case["pool"]) - n_in_batch


def label_share(item, case):
    drawn = [label for _, label in case["drawn"]]
    return drawn.count(item) / len(drawn)


def column_log_q(item, case):
    """log of the expected number of times an item is in the pool, or of the chance that it is there at all: as one of the
    labels drawn so far, or at random."""
    (n_in_batch, n_random), share, n_items = columns(case), label_share(item, case), case["n_eligible"]
    kind = case["correction"]["negatives"]
    if kind == "off":
        return 0.0
    if kind == "linear":
        return math.log(n_in_batch * share + n_random / n_items)
    assert kind == "exact", kind
    absent = 1.0
    for _ in range(n_in_batch):
        absent *= 1 - share
    for _ in range(n_random):
        absent *= 1 - 1 / n_items
    return math.log(1 - absent)


def pair_log_q(pair, case):
    """log Q of a positive."""
    kind, item = case["correction"]["positives"], pair["item"]
    if kind == "off":
        return 0.0
    if kind == "marginal":
        return column_log_q(item, case)
    if kind == "refined":  # Q of the positive is 1, that of a negative Q(n) / (1 - Q(p)): the same for all columns
        n_in_batch, n_random = columns(case)
        one_draw = (n_in_batch * label_share(item, case) + n_random / case["n_eligible"]) / (n_in_batch + n_random)
        return math.log(1 - one_draw)
    assert kind == "conditional", kind
    of_user = [label for user, label in case["drawn"] if user == case["users"][pair["user"]]]
    return math.log(of_user.count(item) / len(of_user))


def log_q(case):
    """log Q of every pair, and of every column of the pool."""
    return [pair_log_q(pair, case) for pair in case["pairs"]], [column_log_q(e["item"], case) for e in case["pool"]]


def pair_weights(case):
    """Every user weighs the same; within SASRec's, the newest position may weigh as much as all others together."""
    weights = []
    for pair in case["pairs"]:
        of_user = [other for other in case["pairs"] if other["user"] == pair["user"]]
        weight = lambda it: max(len(of_user) - 1, 1) if case["newest_is_half"] and it["position"] == 0 else 1
        weights.append(weight(pair) / sum(map(weight, of_user)))
    return [weight / len({pair["user"] for pair in case["pairs"]}) for weight in weights]


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def loss(case, embeddings, w, log_scale):
    scale = math.exp(log_scale)
    pair_q, pool_q = log_q(case)
    pool = [(entry, q, item_embedding(entry["item"], case, w)) for entry, q in zip(case["pool"], pool_q)]
    total = 0.0
    for pair, q, weight in zip(case["pairs"], pair_q, pair_weights(case)):
        u = embeddings[pair["user"]][pair["position"]]
        positive = scale * (u @ item_embedding(pair["item"], case, w))
        negatives = [
            (scale * (u @ vector), column_q)
            for entry, column_q, vector in pool
            if entry["item"] != pair["item"] and entry["user"] != pair["user"]
        ]
        if case["loss"] == "binary_cross_entropy":
            cost = softplus(-positive) + sum(softplus(logit) for logit, _ in negatives) / len(negatives)
        else:
            others = sum(math.exp(logit - column_q) for logit, column_q in negatives)
            cost = -math.log(math.exp(positive - q) / (math.exp(positive - q) + others))
        total += weight * cost
    return total


def refined_slope(case, embeddings, w):
    """Slope in the log of the scale by the published form of the refined correction: no positive in the denominator,
    weight 1 - P(positive), which is no function to differentiate."""
    scale = math.exp(w["log_inverse_temperature"][0])
    pair_q, pool_q = log_q(case)
    pool = [(entry, q, item_embedding(entry["item"], case, w)) for entry, q in zip(case["pool"], pool_q)]
    total = 0.0
    for pair, log_not_p, weight in zip(case["pairs"], pair_q, pair_weights(case)):
        u = embeddings[pair["user"]][pair["position"]]
        positive = scale * (u @ item_embedding(pair["item"], case, w))
        logits = np.array([
            (scale * (u @ vector), column_q - log_not_p)  # Q'(n) = Q(n) / (1 - Q(p))
            for entry, column_q, vector in pool
            if entry["item"] != pair["item"] and entry["user"] != pair["user"]
        ])
        terms = np.exp(logits[:, 0] - logits[:, 1])
        chance = math.exp(positive) / (math.exp(positive) + terms.sum())
        # d/d log(scale) of (log Σ terms - positive)
        total += weight * (1 - chance) * ((terms * logits[:, 0]).sum() / terms.sum() - positive)
    return total


def main():
    with open(sys.argv[1]) as file:
        case = json.load(file)
    w = read_safetensors(sys.argv[2])
    embeddings = [embed(actions, case, w) for actions in case["sequences"]]
    log_scale = w["log_inverse_temperature"][0]
    items = [item_embedding(item, case, w) for item in range(len(case["item_features"]))]
    json.dump({
        "embeddings": [[row.tolist() for row in rows] for rows in embeddings],
        "items": [row.tolist() for row in items],
        "loss": loss(case, embeddings, w, log_scale),
        "slope": (loss(case, embeddings, w, log_scale + 1e-5) - loss(case, embeddings, w, log_scale - 1e-5)) / 2e-5,
        "refined_slope": refined_slope(case, embeddings, w),
        "pair_log_q": log_q(case)[0],
        "pool_log_q": log_q(case)[1],
    }, sys.stdout)


main()
