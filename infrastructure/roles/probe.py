"""`python -m infrastructure.roles.probe PORT [PATH]`: 0 if the role on this machine says that it is ready."""

import sys
from contextlib import closing
from http.client import HTTPConnection, HTTPException

_ANSWERED_S = 3
_OK = 200


def main(port: int, path: str = "/ready") -> int:
    """The exit status for a health check."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=_ANSWERED_S)) as connection:
        try:
            connection.request("GET", path)
            return 0 if connection.getresponse().status == _OK else 1
        except (OSError, HTTPException):
            return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:3]))
