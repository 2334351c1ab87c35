"""Guess a log's description from well-known column names, where no dataset.yaml says it.

What was guessed is written to the run's dataset.yaml: copy it beside the log and correct it.
"""

import sys

import pandas as pd

COLUMNS = {
    "user_id": ["user_id", "user", "uid", "customer_id", "household_id", "visitor_id", "visitorid", "userid"],
    "item_id": ["item_id", "item", "iid", "product_id", "article_id", "movie_id", "sku", "itemid"],
    "action": ["action", "event_type", "event", "behavior", "behaviour", "action_type"],
    "timestamp": ["timestamp", "event_time", "ts", "time", "datetime", "created_at", "date"],
    "surface": ["surface"],
    "duration_s": ["duration_s"],
    "event_id": ["event_id"],
}
OPTIONAL = ["action", "surface", "duration_s", "event_id"]
POSITIVES = ["purchase", "buy", "transaction", "order", "save", "repin", "like", "favorite", "favourite"]
NEGATIVES = ["return", "refund", "hide", "dislike", "skip", "report", "unlike"]
TITLES = ["title", "name", "movie_title", "product_name", "description"]
TEXTS = TITLES + ["category", "genres", "brand", "department", "text", "product_type"]
INTERESTS = ["interest", "category", "genre", "department"]


def dataset(name, events, items):
    """The description of a log (`events`, a data frame) with its items (another, or none)."""
    columns = {}
    for role, names in COLUMNS.items():
        columns[role] = next((column for column in names if column in events), None)
        if columns[role] is None and role not in OPTIONAL:
            sys.exit(f"no column of {list(events)} looks like a {role}; write dataset.yaml with schema.columns.{role}")
    if columns["action"] is None:
        actions, positives = ["action"], ["action"]
    else:
        actions = events[columns["action"]].dropna().value_counts().index.tolist()
        positives = [action for action in actions if action.lower() in POSITIVES]
        positives = positives or [action for action in actions if action.lower() not in NEGATIVES]
    schema = {
        "columns": columns,
        "time_unit": time_unit(events[columns["timestamp"]]),
        "actions": actions,
        "positives": [{"action": action} for action in positives],
    }
    guessed = {"note": f"the log `{name}`, its columns guessed by their names", "schema": schema}
    if items is not None:
        guessed["text"] = text(items)
    return guessed


def time_unit(times):
    """By size: seconds since 1970 have 10 digits until the year 2286, milliseconds 13, and so on."""
    if not pd.api.types.is_numeric_dtype(times):
        return "s"
    largest = float(times.median())
    return next(unit for unit, bound in (("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", float("inf"))) if largest < bound)


def text(items):
    """What items.csv says about items."""
    first = lambda names: next((column for column in names if column in items), None)
    item_id = first(COLUMNS["item_id"])
    if item_id is None:
        sys.exit(f"items.csv: no column of {list(items)} looks like an item id; write dataset.yaml with text.item_id")
    found = {"item_id": item_id, "text": [column for column in TEXTS if column in items]}
    return found | {"title": first(TITLES), "interest": first(INTERESTS)}
