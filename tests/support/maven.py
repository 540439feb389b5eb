"""Programs and libraries of others that come from Maven's repositories: fetched once, kept between runs."""

import fcntl
import pathlib
import shutil
import subprocess

import pytest

from support.server import ROOT

CACHE = ROOT / "tests/.cache/maven"
#: Programs of ours that run with them, each in one file that `java` itself compiles.
PROGRAMS = pathlib.Path(__file__).parent / "java_programs"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>tests</artifactId><version>1</version><dependencies>{}</dependencies></project>
"""
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def jars(name, *artifacts):
    """The directory with all that `group:artifact:version`s need to run. Runs beside each other wait for the first."""
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"LOUDLY SKIPPED: there is no {program} here, and {name} needs it; apt-get install default-jdk maven")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        directory = CACHE / name
        pom = POM.format("".join(DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts))
        if not (directory / "pom.xml").exists() or (directory / "pom.xml").read_text() != pom:
            fetch(directory, pom, name)
        return directory / "lib"


def fetch(directory: pathlib.Path, pom, name):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    # The description comes to its name when all is there: what a run has left half done is fetched again.
    (directory / "wanted.xml").write_text(pom)
    command = ["mvn", "-B", "-q", "-f", "wanted.xml", COPY, "-DincludeScope=runtime", "-DoutputDirectory=lib"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"LOUDLY SKIPPED: {name} could not be fetched:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    (directory / "wanted.xml").rename(directory / "pom.xml")
