"""Reads a Dockerfile, and performs its steps in a folder where no Docker engine runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
FLAG = re.compile(r"--([\w-]+)=(\S+)\s+")
PAIR = re.compile(r'([\w.]+)=("[^"]*"|\S*)')

# These expand variables by themselves; in a RUN the shell does, in the exec form nobody.
EXPANDED = {"FROM", "ENV", "LABEL", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"}


@dataclass(frozen=True)
class Instruction:
    word: str
    text: str
    flags: dict[str, str]

    @property
    def pairs(self) -> dict[str, str]:
        """Of ENV, LABEL and ARG: what each name becomes."""
        return {name: value.strip('"') for name, value in PAIR.findall(self.text)}

    @property
    def command(self) -> list[str]:
        """Of an exec form: the words. Raises ValueError where it is the shell form."""
        return json.loads(self.text)


@dataclass
class Image:
    """What a stage leaves: its files and what `docker inspect` would show."""

    tree: Path
    env: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Instruction] = field(default_factory=dict)
    output: str = ""

    @property
    def folder(self) -> Path:
        return inside(self.tree, self.settings["WORKDIR"].text)


def instructions(text: str) -> Iterator[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        if not line.strip():
            continue
        word, rest = line.split(None, 1)
        flags = {}
        while found := FLAG.match(rest):
            flags[found[1]], rest = found[2], rest[found.end() :]
        yield Instruction(word, rest.strip(), flags)


def expanded(text: str, variables: dict[str, str]) -> str:
    """Raises KeyError for a variable that nobody set."""
    return VARIABLE.sub(lambda found: variables[found[1] or found[2]], text)


def inside(tree: Path, path: str) -> Path:
    """Where an absolute path of the image is; one that is there already stays as it is."""
    return Path(path) if path.startswith(str(tree)) else tree / path.lstrip("/")


def ignored(path: Path, patterns: list[str]) -> bool:
    """Of a path in the context: the last pattern that fits it or a folder above it decides."""
    names = [str(path), *map(str, path.parents)]
    verdict = False
    for pattern in patterns:
        form = re.escape(pattern.lstrip("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(form, name) for name in names):
            verdict = not pattern.startswith("!")
    return verdict


class Build:
    """Performs the steps. Every stage has its files in the same folder, one after the other.

    `arguments` are build arguments; `base` is the PATH of what stands for the base image;
    `unlike` says which part of a RUN is left out here.
    """

    def __init__(self, context: Path, work: Path, arguments: dict[str, str], unlike: str) -> None:
        self.context, self.work, self.arguments, self.unlike = context, work, arguments, unlike
        self.tree = work / "image"
        self.stages: dict[str, Path] = {}
        self.globals: dict[str, str] = {}

    def run(self, text: str) -> Image:
        """The image of the last stage."""
        name, image = "", None
        for instruction in instructions(text):
            if instruction.word == "FROM":
                name = self._from(name, expanded(instruction.text, self.globals))
                image = Image(self.tree, {"PATH": f"{a_base(self.work)}:/usr/bin:/bin"})
            elif image is None:
                self.globals |= instruction.pairs | self._given(instruction.pairs)
            else:
                self._do(instruction, image)
        assert image
        return image

    def _from(self, last: str, text: str) -> str:
        if self.tree.exists():
            self.stages[last] = self.tree.rename(self.work / f"stage-{last}")
        self.tree.mkdir()
        return text.partition(" AS ")[2]

    def _given(self, names: dict[str, str]) -> dict[str, str]:
        return {name: self.arguments[name] for name in names if name in self.arguments}

    def _do(self, instruction: Instruction, image: Image) -> None:
        known = {**image.variables, **image.env}
        if instruction.word in EXPANDED:
            text = expanded(instruction.text, known)
            instruction = Instruction(instruction.word, text, instruction.flags)
        match instruction.word:
            case "ARG":
                declared = {instruction.text: self.globals.get(instruction.text, "")}
                image.variables |= instruction.pairs or declared
            case "ENV":
                image.env |= instruction.pairs
            case "LABEL":
                image.labels |= instruction.pairs
            case "COPY":
                self._copy(instruction, image)
            case "RUN":
                self._run(instruction.text, image)
            case _:
                image.settings[instruction.word] = instruction
        if instruction.word == "WORKDIR":
            image.folder.mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction, image: Image) -> None:
        source, target = instruction.text.split()
        if stage := instruction.flags.get("from"):
            path = inside(self.tree, source).relative_to(self.tree)
            shutil.copytree(self.stages[stage] / path, inside(self.tree, target), symlinks=True)
            return
        for path in self._context_files(source):
            kept = image.folder / path
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.context / path, kept)

    def _context_files(self, source: str) -> Iterator[Path]:
        patterns = (self.context / ".dockerignore").read_text().split()
        start = self.context / source
        for path in start.rglob("*") if start.is_dir() else [start]:
            relative = path.relative_to(self.context)
            if path.is_file() and not ignored(relative, patterns):
                yield relative

    def _run(self, command: str, image: Image) -> None:
        done = subprocess.run(
            ["sh", "-ec", command.replace(self.unlike, "")],
            cwd=image.folder if "WORKDIR" in image.settings else self.tree,
            env={**of_this_machine(), **image.variables, **image.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        image.output += done.stdout


def of_this_machine() -> dict[str, str]:
    """How to reach the package index from here, and nothing that Python or the proxy reads."""
    mine = ("PYTHON", "PROXY_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


def a_base(work: Path) -> Path:
    """A folder with the `python` and `pip` that the base image would have."""
    folder = work / "base"
    folder.mkdir(exist_ok=True)
    python = Path(sys.executable).resolve()
    for name, command in {"python": python, "pip": f"{sys.executable} -m pip"}.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    return folder
