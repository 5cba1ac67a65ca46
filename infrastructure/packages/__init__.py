"""Definition packages: read and checked without running any of their code."""

from infrastructure.packages.reader import PACKAGE_LIMITS, ZipPackages, inspect_zip, unpack

__all__ = ["PACKAGE_LIMITS", "ZipPackages", "inspect_zip", "unpack"]
