"""Finds what a program uses of the protocol: packages, refused actions, caps. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate

from proxy.commands.repoint.marks import Kind, Mark
from proxy.commands.repoint.target import Target
from proxy.config.clients import Clients, Package
from proxy.endpoint.actions import ACTIONS
from proxy.legacy.dialects import DIALECTS
from proxy.legacy.dialects.dialect import Word
from proxy.model.errors import Problem

# By ecosystem: the files that name packages, and how a source file imports one.
MANIFESTS: Mapping[str, tuple[str, ...]] = {
    "pypi": (
        "requirements*.txt", "requirements*.in", "constraints*.txt", "setup.py", "setup.cfg",
        "pyproject.toml", "pipfile", "pipfile.lock", "poetry.lock", "uv.lock", "pdm.lock",
        "environment*.y*ml",
    ),
    "npm": (
        "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml",
        "bun.lock", "deno.json",
    ),
    "go": ("go.mod", "go.sum"),
    "composer": ("composer.json", "composer.lock"),
    "maven": ("pom.xml", "*.gradle", "*.gradle.kts", "gradle.lockfile", "*.versions.toml"),
    "nuget": (
        "*.csproj", "*.fsproj", "*.vbproj", "packages.config", "packages.lock.json",
        "directory.packages.props", "paket.dependencies", "paket.lock",
    ),
    "gem": ("gemfile", "gemfile.lock", "gems.rb", "*.gemspec"),
}  # fmt: skip
IMPORTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "pypi": ((".py", ".pyi", ".ipynb"), r"^[ \t\"]{0,40}(?:from|import)[ \t]{1,8}(NAMES)(?![\w])"),
    "npm": (
        (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte"),
        r"(?:require|from|import)\s{0,8}\(?\s{0,8}[\"'`](NAMES)[\"'`]",
    ),
    "go": ((".go",), r"\"(NAMES)(?:/v\d+)?\""),
    "composer": ((".php",), r"(?:use|new)\s{1,8}\\?(NAMES)(?!\w)"),
    "maven": ((".java", ".kt", ".scala", ".groovy"), r"import\s{1,8}(?:static\s{1,8})?(NAMES)\."),
    "nuget": ((".cs", ".fs", ".vb"), r"(?:using|open|Imports)\s{1,8}(NAMES)(?![\w.])"),
    "gem": ((".rb", ".ru", ".rake"), r"require\s{0,4}\(?\s{0,4}[\"'](NAMES)[\"']"),
}
INSTALLERS = {
    "pip": "pypi", "pip3": "pypi", "uv": "pypi", "poetry": "pypi", "pipenv": "pypi", "npm": "npm",
    "yarn": "npm", "pnpm": "npm", "bun": "npm", "go": "go", "composer": "composer",
    "dotnet": "nuget", "gem": "gem",
}  # fmt: skip

LIKELY_DOLLARS = 10
"""No number costs so many dollars: a higher cap was meant in another currency."""

# What stands between the name of a parameter and its value, in any of the languages.
_IS = r"[\"'`]?\s{0,4}(?:=>|\]\s{0,3}=|[=:,(])\s{0,4}"
_ACTION = re.compile(rf"action{_IS}(?P<quote>[\"'`]?)(?P<name>[a-z]\w{{1,40}})", re.ASCII)
_CAP = re.compile(r"max_?price", re.ASCII)
_AMOUNT = re.compile(rf"{_IS}[\"'`]?(?P<amount>[0-9]{{1,7}}(?:\.[0-9]{{1,4}})?)", re.ASCII)
SCRIPTS = ("dockerfile", "containerfile", "makefile", ".sh", ".bash", ".ps1", ".bat", ".cmd",
           ".yml", ".yaml", ".toml", ".mk")  # fmt: skip
"""Files with commands that install packages."""


def words_of(action: str) -> dict[str, str]:
    """The word of each dialect that refuses the action, by dialect; empty if all serve it."""
    if action in ACTIONS:
        return {}
    found = {}
    for name, dialect in DIALECTS.items():
        word = dialect.refused.get(action, dialect.words[Problem.BAD_ACTION])
        found[name] = word.text if isinstance(word, Word) else word
    return found


class UsageFinder:
    def __init__(self, clients: Clients, target: Target) -> None:
        self._packages, self._target = clients.packages, target
        own = {action for dialect in DIALECTS.values() for action in dialect.refused}
        self.actions = frozenset({*clients.actions, *own}) - ACTIONS.keys()
        # Others, such as keep, are words of any program.
        self.clear_actions = frozenset(name for name in self.actions if name != name.lower())
        self._manifests = {
            ecosystem: re.compile("|".join(map(translate, names)))
            for ecosystem, names in MANIFESTS.items()
        }
        self._imports = {
            ecosystem: re.compile(pattern.replace("NAMES", _any_of(self._modules(ecosystem))), re.M)
            for ecosystem, (_, pattern) in IMPORTS.items()
        }
        self._names = {
            ecosystem: re.compile(rf"(?<![\w./@-])(?:{_any_of(names)})(?![\w-])(?!\.\w)", re.I)
            for ecosystem, names in self._spelt().items()
        }
        words = {word for known in clients.currencies.values() for word in known}
        short = "|".join(w.capitalize() for w in words if w.isascii() and w.isupper())
        any_word = rf"(?<![A-Za-z])(?i:{_any_of(words)})(?![A-Za-z])"
        # maxPriceRub
        self._currency = re.compile(rf"{any_word}|(?<=[a-z])(?:{short})(?![a-z])")
        codes = _any_of(clients.currencies)
        lower = _any_of(word.lower() for word in words)
        self._parameter = re.compile(
            rf"currency{_IS}[\"'`]?(?:(?:{codes})(?!\w)|(?:{lower})(?!\w))"
        )

    def packages(self, name: str, text: str) -> Iterator[Mark]:
        """The packages that a file names or imports, each once. `name` is the file's."""
        base = name.rpartition("/")[2].lower()
        seen = set()
        for ecosystem, match in self._named(base, text):
            package = self._package(ecosystem, match[0] if not match.lastindex else match[1])
            if package and package[0] not in seen:
                seen.add(package[0])
                write = _filled(package[1], self._target)
                stands = f"{package[0]} ({ecosystem})"
                yield Mark(*match.span(), 0, Kind.PACKAGE, stands, package[1].dialect, write)

    def refused(self, text: str) -> Iterator[Mark]:
        """Refused actions. `write` is left to who knows the dialect."""
        found = {}
        for name in self.clear_actions:
            for start in _places(text, name):
                if not _is_word(text[start + len(name) : start + len(name) + 1]):
                    found[start] = name
        for match in _ACTION.finditer(text):
            name = match["name"]
            is_sent = match["quote"] or text[match.start() + 6 : match.start() + 7] == "="
            is_call = name != name.lower() and name not in ACTIONS and is_sent
            if name in self.actions or is_call:
                found[match.start("name")] = name
        for start, name in sorted(found.items()):
            is_weak = name not in self.clear_actions
            yield Mark(start, start + len(name), 0, Kind.ACTION, name, is_weak=is_weak)

    def caps(self, text: str, lower: str) -> Iterator[Mark]:
        """Currencies that are not dollars, and caps that cannot be meant in dollars. `lower` is the
        text with its ASCII letters in lower case.
        """
        for match in self._parameter.finditer(lower):
            is_weak = not match[0][-1].isdigit()
            yield _cap(text, *match.span(), is_weak)
        for match in _CAP.finditer(lower):
            end = text.find("\n", match.end(), match.end() + 80)
            end = match.end() + 80 if end < 0 else end
            amount = _AMOUNT.match(text, match.end(), end)
            if named := self._currency.search(text, match.end(), end):
                yield _cap(text, match.start(), named.end(), is_weak=False)
            elif amount and float(amount["amount"]) >= LIKELY_DOLLARS:
                yield _cap(text, match.start(), amount.end(), is_weak=True)

    def _named(self, base: str, text: str) -> Iterator[tuple[str, re.Match[str]]]:
        for ecosystem, manifest in self._manifests.items():
            if manifest.match(base):
                yield from ((ecosystem, m) for m in self._names[ecosystem].finditer(text))
        for ecosystem, (ends, _) in IMPORTS.items():
            if base.endswith(ends) and any(name in text for name in self._modules(ecosystem)):
                yield from ((ecosystem, m) for m in self._imports[ecosystem].finditer(text))
        for match in _INSTALL.finditer(text) if base.endswith(SCRIPTS) else ():
            ecosystem = INSTALLERS[match[1]]
            end = min(match.end() + 200, len(text))
            yield from (
                (ecosystem, m) for m in self._names[ecosystem].finditer(text, match.end(), end)
            )

    def _package(self, ecosystem: str, found: str) -> tuple[str, Package] | None:
        for name, package in self._packages[ecosystem].items():
            if _folded(found) in (_folded(name), _folded(name.partition(":")[0])):
                return name, package
            if found in package.modules:
                return name, package
        return None

    def _modules(self, ecosystem: str) -> Iterable[str]:
        return [m for package in self._packages[ecosystem].values() for m in package.modules]

    def _spelt(self) -> dict[str, list[str]]:
        """The names as files have them: PyPI takes - for _ and ., Maven has a group and a name."""
        found = {}
        for ecosystem, packages in self._packages.items():
            names = [name.partition(":")[0] for name in packages]
            if ecosystem == "pypi":
                names += [name.replace("-", "_") for name in names]
            found[ecosystem] = names
        return found


def _places(text: str, word: str) -> Iterator[int]:
    """Where a word begins in a text, not in the middle of another."""
    start = text.find(word)
    while start >= 0:
        if not _is_word(text[start - 1 : start]):
            yield start
        start = text.find(word, start + len(word))


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _cap(text: str, start: int, end: int, is_weak: bool) -> Mark:
    stands = text[start:end]
    return Mark(start, end, 0, Kind.CURRENCY, stands, write=_DOLLARS, is_weak=is_weak)


_DOLLARS = "caps and prices here are US dollars: convert it"
_INSTALL = re.compile(
    rf"\b({'|'.join(INSTALLERS)})\s{{1,4}}(?:install|add|get|require|i)\b", re.ASCII
)


def _filled(package: Package, target: Target) -> str:
    dialect = package.dialect
    values = {
        "{url}": target.url(dialect),
        "{base}": target.base(dialect),
        "{proxy}": target.address,
    }
    text = package.change
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _any_of(words: Iterable[str]) -> str:
    """The longest first, so that a name is not taken for another that begins alike."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w)))


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
