"""Tell how a program goes, away from a terminal: copy its JSON log lines to a file, and say the telling ones.

    program 2>&1 | progress.py LOG

What is not a line of the log (a result, an error) is passed on as it is.
"""

import json
import sys
import time

SILENT = {"timestamp", "level", "message", "target", "config", "span", "spans"}
SAME_AGAIN_S = 15  # a message that comes again and again, such as a training's, is said this often


def main(path):
    said = {}
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
            if message == "configuration" or (level == "INFO" and now - said.get(message, -SAME_AGAIN_S) < SAME_AGAIN_S):
                continue
            said[message] = now
            values = ", ".join(f"{key} {value}" for key, value in event.items() if key not in SILENT)
            level = "" if level == "INFO" else f"{level.lower()}: "
            print(f"   {level}{message}{': ' if values else ''}{values}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
