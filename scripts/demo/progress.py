"""Show the progress of a program without a terminal: copy its JSON log lines to a file, and print the important ones.

    program 2>&1 | progress.py LOG

A line that is not from the log (a result, an error) is printed unchanged.
"""

import json
import sys
import time

SILENT = {"timestamp", "level", "message", "target", "config", "span", "spans"}
SAME_AGAIN_S = 15  # a message that repeats, such as the steps of a training, is printed this often


def main(path):
    printed = {}
    with open(path, "w", encoding="utf-8") as log:
        for line in sys.stdin:
            log.write(line)
            log.flush()
            try:
                event = json.loads(line)
                message, level = event["message"], event["level"]
            except (ValueError, KeyError, TypeError):
                print(line, end="", file=sys.stderr)
                continue
            now = time.monotonic()
            if message == "configuration" or (level == "INFO" and now - printed.get(message, -SAME_AGAIN_S) < SAME_AGAIN_S):
                continue
            printed[message] = now
            values = ", ".join(f"{key} {value}" for key, value in event.items() if key not in SILENT)
            level = "" if level == "INFO" else f"{level.lower()}: "
            print(f"   {level}{message}{': ' if values else ''}{values}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
