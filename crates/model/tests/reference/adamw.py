"""AdamW with decoupled weight decay, clipping by the global norm, warm-up and cosine, in NumPy, float64.

Written from Loshchilov and Hutter (2019), algorithm 2, not from the Rust code. The test in src/reference_tests.rs
compares the two.

    python adamw.py CASE.json     prints {"weights": all weights after each step, end to end, "norms": ...}
"""

import json
import math
import sys

import numpy as np


def learning_rate(step, case):
    """A line up over the warm-up, then half a cosine down to 0."""
    warm_up = max(case["warm_up_share"] * case["steps"], 1.0)
    if step < warm_up:
        return case["learning_rate"] * (step + 1) / warm_up
    progress = (step - warm_up) / (case["steps"] - warm_up)
    return case["learning_rate"] * (1 + math.cos(math.pi * progress)) / 2


def main():
    with open(sys.argv[1]) as file:
        case = json.load(file)
    weights = np.array(case["weights"])
    decays = np.array(case["decays"], dtype=float)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    all_weights, norms = [], []
    for step, gradient in enumerate(case["gradients"]):
        gradient = np.array(gradient)
        norm = np.linalg.norm(gradient)
        gradient = gradient * min(1.0, case["clip_norm"] / norm)
        mean = case["beta1"] * mean + (1 - case["beta1"]) * gradient
        square = case["beta2"] * square + (1 - case["beta2"]) * gradient**2
        mean_hat = mean / (1 - case["beta1"] ** (step + 1))
        square_hat = square / (1 - case["beta2"] ** (step + 1))
        rate = learning_rate(step, case)
        weights = weights * (1 - rate * case["weight_decay"] * decays) - rate * mean_hat / (np.sqrt(square_hat) + 1e-8)
        all_weights.extend(weights.tolist())
        norms.append(norm)
    json.dump({"weights": all_weights, "norms": norms}, sys.stdout)


main()
