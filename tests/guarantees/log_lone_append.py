"""Appends one command at a time, with marks around each, for a test that looks at the system calls."""

import os
import sys
from pathlib import Path

from infrastructure.activity_log import open_activity_log
from tests.activity_log.scenes import TickingClock, envelope, write

if __name__ == "__main__":
    with open_activity_log(Path(sys.argv[1]), TickingClock()) as log:
        for number in range(int(sys.argv[2])):
            os.write(2, f"REQUEST {number}\n".encode())
            log.append(envelope(number), [write(f"stream-{number}")])
            os.write(2, f"ANSWER {number}\n".encode())
