"""Train one of RecTools' sequential models on a split of dayvec's, and write its lists.

    rectools_peer.py MODEL SPLIT OUT.parquet [--seed N] [--epochs N] ...

MODEL is sasrec or hstu. Width, depth, heads and length are dayvec's of dayvec.yaml; everything else that is not an argument here
is RecTools' default: the loss is its full softmax, the optimiser Adam at 0.001, the similarity the inner product (SASRec) or
the cosine (HSTU).
"""

import argparse
import json
import time
import warnings

import pandas as pd
import pytorch_lightning
import torch
from rectools.dataset import Dataset
from rectools.models import HSTUModel, SASRecModel
from rectools.models.nn.transformers.lightning import TransformerLightningModule

from exchange import Split

MODELS = {"sasrec": SASRecModel, "hstu": HSTUModel}


class ByPosition(TransformerLightningModule):
    """RecTools' softmax loss with a row a position and padding left out: the same number, in two thirds of a CPU's time."""

    @classmethod
    def _calc_softmax_loss(cls, logits, y, w):
        real = y != 0
        losses = torch.nn.functional.cross_entropy(logits[real], y[real], reduction="none") * w[real]
        return losses.sum() / real.sum()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("split", help="the folder that `trainer split` wrote")
    parser.add_argument("out", nargs="+", help="where the lists go, Parquet: a file for each of --epochs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, nargs="+", default=[30], help="lists are written after each of these")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if len(given.out) != len(given.epochs) or sorted(set(given.epochs)) != given.epochs:
        parser.error("--epochs: as many as files, ascending")
    return given


def model_of(given):
    """The model, untrained."""
    settings = {"loss": "softmax", "lr": 0.001}
    return MODELS[given.model](
        n_factors=given.width,
        n_blocks=given.blocks,
        n_heads=given.heads,
        session_max_len=given.length,
        dropout_rate=given.dropout,
        batch_size=given.batch,
        deterministic=True,
        recommend_torch_device="cpu",
        lightning_module_type=ByPosition,
        **settings,
    )


def lists_of(model, dataset, split, interactions):
    """The best items of every tested user whom the model knows, seen items included."""
    asked = split.tested[pd.Series(split.tested).isin(interactions.user_id)]
    context = None
    if model.require_recommend_context:
        # HSTU reads when it is asked. The time of the tested event is the future; that of the newest known one is not.
        newest = interactions.groupby("user_id").datetime.max().reindex(asked)
        context = newest.rename_axis("user_id").reset_index()
    return model.recommend(
        users=asked,
        dataset=dataset,
        k=split.list_length(),
        filter_viewed=False,
        on_unsupported_targets="warn",
        context=context,
    )


def main():
    given = arguments()
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    pytorch_lightning.seed_everything(given.seed, workers=True)
    split = Split(given.split)
    interactions = split.interactions()
    dataset = Dataset.construct(interactions)
    model = model_of(given)
    began, done = time.monotonic(), 0
    for epochs, out in zip(given.epochs, given.out):
        model.fit_partial(dataset, min_epochs=epochs - done, max_epochs=epochs - done)
        done = epochs
        seconds = round(time.monotonic() - began, 1)
        split.write(lists_of(model, dataset, split, interactions), out)
        print(json.dumps({"model": given.model, "seed": given.seed, "epochs": epochs, "seconds": seconds, "out": out}), flush=True)


if __name__ == "__main__":
    main()
