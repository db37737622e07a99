"""`python -m bench.probe PORT PID`: request `/healthz` until standard input ends, then print the durations.

And the resident memory of the process at its peak, in MiB. Each probe opens a connection, as an orchestrator's does.
"""

import http.client
import json
import resource
import select
import sys
import time
from pathlib import Path

INTERVAL_SECONDS = 0.01


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1024 * 1024)


def main() -> None:
    """Probe."""
    port, pid = (int(argument) for argument in sys.argv[1:])
    seconds, peak = [], 0.0
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], INTERVAL_SECONDS)[0]:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        connection.close()
        seconds.append(time.monotonic() - began)
        peak = max(peak, resident_mib(pid))
    print(json.dumps([seconds, peak]))


if __name__ == "__main__":
    main()
