"""Definition packages: read and checked without running any of their code."""

from infrastructure.packages.reader import ZipPackages, inspect_zip
from infrastructure.packages.unpacking import unpack

__all__ = ["ZipPackages", "inspect_zip", "unpack"]
