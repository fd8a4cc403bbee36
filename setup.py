"""Packaging. All metadata is here; pyproject.toml names the build system and holds the settings of tools."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """The version stands once, in the package. It is read, not imported: a build need not have the dependencies."""
    found = re.search(r'^__version__ = "(.+)"$', (HERE / "dynamic_dynamodb" / "__init__.py").read_text("utf-8"), re.M)
    if not found:
        raise SystemExit("setup.py: no __version__ in dynamic_dynamodb/__init__.py")
    return found.group(1)


def description() -> str:
    """README.md for a package index, where links into this folder lead nowhere: their words alone stay."""
    return re.sub(r"!?\[([^]]*)\]\((?!https?://)[^)]*\)", r"\1", (HERE / "README.md").read_text("utf-8"))


setup(
    name="dynamic-dynamodb",
    version=version(),
    description="Scales the provisioned throughput of DynamoDB tables and global secondary indexes automatically",
    long_description=description(),
    long_description_content_type="text/markdown",
    author="The Dynamic DynamoDB maintainers",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["dynamic_dynamodb", "dynamic_dynamodb.*"]),
    package_data={"dynamic_dynamodb": ["py.typed"]},
    python_requires=">=3.10",
    install_requires=["boto3>=1.34", "urllib3>=2.0", "python-daemon>=3.0", "lockfile>=0.12", "tzdata>=2024.1"],
    extras_require={
        "report": ["matplotlib>=3.8"],  # for the pictures of --report and --chart
        "metrics": ["prometheus-client>=0.20"],  # for metrics-port and metrics-file
    },
    entry_points={"console_scripts": ["dynamic-dynamodb = dynamic_dynamodb.cli:main"]},
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Environment :: No Input/Output (Daemon)",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Database",
        "Topic :: System :: Systems Administration",
        "Typing :: Typed",
    ],
)
