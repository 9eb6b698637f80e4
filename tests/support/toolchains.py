"""Toolchains of other languages: which are there, and how a program of one source file is run.

The languages are named as in the info string of a fenced block. `.ci/run` installs what is missing.
"""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.process import PATIENCE


@dataclass(frozen=True)
class Toolchain:
    file: str
    """A name for its source file."""
    run: tuple[str, ...]
    """The words that run it; `{source}` and `{program}` are absolute paths."""
    build: tuple[str, ...] = ()
    """The words that make `{program}` of `{source}`; empty if `run` takes the source."""
    probe: tuple[str, ...] = ()
    """Succeeds if a part is there that has a package of its own."""
    programs: tuple[str, ...] = ()
    """What has to be on the path besides the first words of `build` and `run`."""
    environ: dict[str, str] = field(default_factory=dict)


# java runs a source file only with the compiler of a JDK; its options halve the CPU of a short run.
# Go looks for no module and no newer Go.
TOOLCHAINS = {
    "csharp": Toolchain(
        "Program.cs",
        build=("mcs", "-r:System.Net.Http", "-out:{program}", "{source}"),
        run=("mono", "{program}"),
    ),
    "go": Toolchain(
        "main.go",
        build=("go", "build", "-o", "{program}", "{source}"),
        run=("{program}",),
        environ={"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOPROXY": "off"},
    ),
    "java": Toolchain(
        "Main.java",
        run=("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "{source}"),
        programs=("javac",),
    ),
    "javascript": Toolchain("main.mjs", run=("node", "{source}")),
    "php": Toolchain(
        "main.php",
        run=("php", "{source}"),
        probe=("php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"),
    ),
    "ruby": Toolchain("main.rb", run=("ruby", "{source}")),
    "sh": Toolchain("main.sh", run=("sh", "{source}"), programs=("curl",)),
}


@functools.cache
def missing(language: str) -> str:
    """Why nothing of this language can be run here; empty if it can."""
    tools = TOOLCHAINS[language]
    firsts = (words[0] for words in (tools.build, tools.run) if words and words[0][0] != "{")
    absent = [name for name in (*firsts, *tools.programs) if not shutil.which(name)]
    if absent:
        return f"no {' and '.join(absent)} here; .ci/run installs what {language} needs"
    if tools.probe and subprocess.run(tools.probe, check=False).returncode:
        return f"a part of {language} is missing here; .ci/run installs it: {tools.probe}"
    return ""


def needs(language: str) -> pytest.MarkDecorator:
    """Marks a test that is skipped, with the reason, where the toolchain is missing."""
    return pytest.mark.skipif(bool(missing(language)), reason=missing(language))


def built(language: str, source: Path) -> list[str]:
    """The command that runs the program; it is compiled beside its source first.

    Raises AssertionError with what the compiler says.
    """
    tools = TOOLCHAINS[language]
    paths = {"source": str(source.resolve()), "program": str(source.resolve().with_suffix(".exe"))}
    if tools.build:
        words = [word.format_map(paths) for word in tools.build]
        done = subprocess.run(
            words, env=environment(language), capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return [word.format_map(paths) for word in tools.run]


def ran(
    language: str, source: Path, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Compiles and runs it, in the folder of its source; its exit status is for the caller."""
    return subprocess.run(
        [*built(language, source), *arguments],
        cwd=source.parent,
        env={**environment(language), **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def environment(language: str) -> dict[str, str]:
    return {**os.environ, **TOOLCHAINS[language].environ}
