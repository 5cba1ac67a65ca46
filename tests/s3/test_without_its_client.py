"""A store on S3 needs a client that the core does not bring; who lacks it is told what to install."""

import subprocess
import sys

SCRIPT = """
import sys
sys.modules["botocore"] = sys.modules["botocore.session"] = None
from pathlib import Path
from domain.shared.errors import RuleBroken
from infrastructure.stores import open_stores
try:
    open_stores(store_url="s3://bucket", s3_endpoint_url=None, data=Path("."), zone_of=None)
except RuleBroken as broken:
    print(broken.code, broken.remedy)
"""


def test_the_extra_is_named(tmp_path):
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": "."})
    assert done.stdout.startswith("store.client_missing")
    assert "s3" in done.stdout
