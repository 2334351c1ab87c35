"""Change an items.csv: every title gets what would break out of a page that does not escape it.

hostile.py FILE
"""

import csv
import sys

HOSTILE = "<script>alert('out')</script><b>&amp;\"'\u202e"


def main(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["title"] = HOSTILE + row["title"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
