"""What a peer and dayvec hand each other: the split that `trainer split` wrote, and the lists that `trainer evaluate --predictions` scores.

Nothing here, and nothing that a peer gets from here, is of the tested events.
"""

import json
import pathlib

import numpy as np
import pandas as pd

DEEPEST = 50  # the longest list that dayvec's metrics look at (Interest Entropy@50)


class Split:
    """The history of a split: positives alone, each user's oldest first, and whom to predict for."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        history = pd.read_parquet(folder / "history.parquet")
        users = pd.read_parquet(folder / "users.parquet")
        self.about = json.loads((folder / "split.json").read_text())
        self.seen = history.groupby("user_id").item_id.nunique()
        self.tested = users.user_id[users.tested].to_numpy()
        trained = users.user_id[~users.held_out]
        self.history = history[history.positive & history.user_id.isin(trained)].reset_index(drop=True)

    def interactions(self):
        """RecTools' columns. A sort by `datetime`, stable or not, keeps the order of the file: equal seconds are a microsecond apart."""
        within_second = self.history.groupby(["user_id", "timestamp"]).cumcount().to_numpy()
        assert within_second.max(initial=0) < 1_000_000, "a second of one user has a million events"
        microseconds = self.history.timestamp.to_numpy() * 1_000_000 + within_second
        return pd.DataFrame(
            {
                "user_id": self.history.user_id,
                "item_id": self.history.item_id,
                "weight": 1.0,
                "datetime": pd.to_datetime(microseconds, unit="us").astype("datetime64[ns]"),
            }
        )

    def list_length(self):
        """Long enough for every user once the items that the user has seen are taken out."""
        return int(self.seen.reindex(self.tested).fillna(0).max()) + DEEPEST

    def write(self, predicted, out):
        """`predicted` has user_id, item_id, rank; lists are cut where no metric looks any more."""
        needed = predicted.user_id.map(self.seen).fillna(0).to_numpy() + DEEPEST
        lists = predicted.loc[predicted["rank"].to_numpy() <= needed, ["user_id", "item_id", "rank"]]
        lists = lists.astype({"rank": np.int32})
        pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
        lists.to_parquet(out, index=False)
