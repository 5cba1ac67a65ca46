"""Where the service is: `OPTAIC_MLOPS_URL`, else the embedded service of the data folder, started if none
runs.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

URL_SETTING = "OPTAIC_MLOPS_URL"
DATA_SETTING = "OPTAIC_MLOPS_DATA"
API_KEY_SETTING = "OPTAIC_MLOPS_API_KEY"
PROGRAM_SETTING = "OPTAIC_MLOPS_SERVICE"
PROGRAM = "optaic-mlops"
INSTALL = "pip install optaic-mlops-service"
_START_S = 90.0
_HEALTH_S = 5.0


class ServiceNotFound(Exception):
    """There is no service to talk to, and none could be started; the message says what to do."""


def default_data() -> Path:
    """The data folder of who named none: `$XDG_DATA_HOME/optaic-mlops`, else under `~/.local/share`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "optaic-mlops"


def service_url(data: Path | None = None) -> str:
    """The address of the service, which answers. Raises ServiceNotFound.

    `data` names a data folder; without it `OPTAIC_MLOPS_URL` counts, then `OPTAIC_MLOPS_DATA`, then the
    default.
    """
    given = os.environ.get(URL_SETTING)
    if data is None and given:
        return given.rstrip("/")
    folder = data or Path(os.environ.get(DATA_SETTING) or default_data())
    return running_url(folder) or _started(folder)


def running_url(data: Path) -> str | None:
    """The address of the service that runs on a data folder; None if none answers."""
    try:
        record: dict[str, Any] = json.loads((data / "service.json").read_text(encoding="utf-8"))
        url = f"http://{record['host']}:{record['port']}"
        fingerprint = hashlib.sha256(record["token"].encode()).hexdigest()[:16]
        health = httpx.get(f"{url}/api/v1/health", timeout=_HEALTH_S, trust_env=False).json()
    except (OSError, ValueError, KeyError, AttributeError, httpx.HTTPError):
        return None
    return url if health.get("service") == fingerprint else None


def _started(data: Path) -> str:
    """Start the embedded service in the background; it ends by itself when nobody uses it."""
    command = [_program(), "up", "--detach", "--json", "--data", str(data)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_START_S, check=False)
        if answer.returncode == 0:
            return str(json.loads(answer.stdout)["url"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        raise ServiceNotFound(f"{command[0]} could not start the service: {error}") from error
    raise ServiceNotFound(f"the service did not start: {(answer.stderr or answer.stdout).strip()[-1000:]}")


def _program() -> str:
    named = os.environ.get(PROGRAM_SETTING)
    found = named or shutil.which(PROGRAM)
    if not found:
        raise ServiceNotFound(
            f"no service runs and {PROGRAM!r} is not on PATH. Install it: {INSTALL}; "
            f"or set {URL_SETTING} to a running service, or {PROGRAM_SETTING} to the program"
        )
    return found
