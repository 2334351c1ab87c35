"""Reads a snapshot as docs/snapshot-format.md says and compares it with what was written.

usage: read_snapshot.py BUCKET_FOLDER MANIFEST_KEY EXPECTED_JSON
"""

import json
import pathlib
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

bucket, manifest_key, expected_path = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
expected = json.loads(pathlib.Path(expected_path).read_text())
manifest = json.loads((bucket / manifest_key).read_text())
element, dtype = {"f32": (pa.float32(), np.float32), "f16": (pa.float16(), np.float16)}[manifest["element_type"]]
dim = manifest["dim"]

# pyarrow: documented names and types, nothing else, no nulls
user_files = [str(bucket / part["part"]) for part in manifest["user_parts"]]
users = pa.concat_tables(pq.read_table(file, partitioning=None) for file in user_files)
assert users.schema.names == ["user_id", "embedding", "last_action_at", "computed_at"], users.schema
assert users.schema.field("user_id").type == pa.string(), users.schema
assert pa.types.is_fixed_size_list(users.schema.field("embedding").type), users.schema
assert users.schema.field("embedding").type.list_size == dim, users.schema
assert users.schema.field("embedding").type.value_type == element, users.schema
for name in ["last_action_at", "computed_at"]:
    assert users.schema.field(name).type == pa.timestamp("ms", tz="UTC"), users.schema
assert all(users.column(name).null_count == 0 for name in users.schema.names)
assert users.num_rows == manifest["totals"]["users"] == len(expected["users"])
matrix = np.concatenate([chunk.flatten().to_numpy() for chunk in users["embedding"].chunks]).reshape(-1, dim)
wanted = np.array([user["embedding"] for user in expected["users"]], dtype=np.float32).astype(dtype)
assert matrix.dtype == dtype and np.array_equal(matrix, wanted)

# pandas: the same through a data frame
frame = pd.concat([pd.read_parquet(file, partitioning=None) for file in user_files], ignore_index=True)
assert list(frame["user_id"]) == [user["user_id"] for user in expected["users"]]
assert np.array_equal(np.stack(frame["embedding"].to_list()), wanted)
for name in ["last_action_at", "computed_at"]:
    assert str(frame[name].dtype) == "datetime64[ms, UTC]", frame.dtypes
    seconds = frame[name].astype("int64") // 1000
    assert list(seconds) == [user[name] for user in expected["users"]], name

# items
item_files = [str(bucket / part["part"]) for part in manifest["item_parts"]]
items = pa.concat_tables(pq.read_table(file, partitioning=None) for file in item_files)
assert items.schema.names == ["item_id", "embedding"], items.schema
assert items["item_id"].to_pylist() == expected["items"]["ids"]
wanted = np.array(expected["items"]["values"], dtype=np.float32).astype(dtype).reshape(-1, dim)
assert np.array_equal(np.array(items["embedding"].to_pylist(), dtype=dtype), wanted)

# DuckDB: the newest action of all users, straight from the files
newest = duckdb.execute("select count(*), epoch(max(last_action_at)) from read_parquet(?)", [user_files]).fetchone()
assert newest == (len(expected["users"]), max(user["last_action_at"] for user in expected["users"])), newest
