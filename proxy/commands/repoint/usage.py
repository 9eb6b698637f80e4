"""Finds what a program uses of the protocol: packages, refused actions, caps. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

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
_ACTION = re.compile(rf"\baction{_IS}(?P<quote>[\"'`]?)(?P<name>[a-z]\w{{1,40}})", re.ASCII)
_CAP = re.compile(
    rf"(?:max_?price|price_?limit|price_?cap){_IS}[\"'`]?(?P<amount>[0-9]{{1,7}}(?:\.[0-9]{{1,4}})?)?",
    re.ASCII | re.IGNORECASE,
)
_NEAR_CAP = re.compile(r"(?:max_?price|price_?limit|price_?cap)", re.ASCII | re.IGNORECASE)


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
        plain = [name for name in self.actions if name != name.lower()]
        self._action = re.compile(rf"\b(?:{_any_of(plain)})\b", re.ASCII)
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
        named = (
            rf"(?:(?<![A-Za-z])(?i:{_any_of(words)})(?![A-Za-z])|(?<=[a-z])(?:{short})(?![a-z]))"
        )
        self._currency = re.compile(named)
        codes = "|".join(clients.currencies)
        self._parameter = re.compile(rf"\bcurrency{_IS}[\"'`]?(?:(?:{codes})(?!\w)|{named})", re.I)

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
        found = {match.start(): match[0] for match in self._action.finditer(text)}
        for match in _ACTION.finditer(text):
            name = match["name"]
            is_sent = match["quote"] or text[match.start() + 6 : match.start() + 7] == "="
            is_call = name != name.lower() and name not in ACTIONS and is_sent
            if name in self.actions or is_call:
                found[match.start("name")] = name
        for start, name in sorted(found.items()):
            is_weak = name not in self.actions or name == name.lower()
            yield Mark(start, start + len(name), 0, Kind.ACTION, name, is_weak=is_weak)

    def caps(self, text: str) -> Iterator[Mark]:
        """Currencies that are not dollars, and caps that cannot be meant in dollars."""
        for match in self._parameter.finditer(text):
            is_weak = not match[0][-1].isdigit()
            yield Mark(*match.span(), 0, Kind.CURRENCY, match[0], write=_DOLLARS, is_weak=is_weak)
        for match in _CAP.finditer(text):
            if float(match["amount"] or 0) >= LIKELY_DOLLARS:
                span = match.span()
                yield Mark(*span, 0, Kind.CURRENCY, match[0], write=_DOLLARS, is_weak=True)
        for match in _NEAR_CAP.finditer(text):
            end = text.find("\n", match.end(), match.end() + 80)
            end = match.end() + 80 if end < 0 else end
            if named := self._currency.search(text, match.end(), end):
                span = match.start(), named.end()
                yield Mark(*span, 0, Kind.CURRENCY, text[slice(*span)], write=_DOLLARS)

    def _named(self, base: str, text: str) -> Iterator[tuple[str, re.Match[str]]]:
        for ecosystem, names in MANIFESTS.items():
            if any(fnmatchcase(base, name) for name in names):
                yield from ((ecosystem, m) for m in self._names[ecosystem].finditer(text))
        for ecosystem, (ends, _) in IMPORTS.items():
            if base.endswith(ends):
                yield from ((ecosystem, m) for m in self._imports[ecosystem].finditer(text))
        for match in _INSTALL.finditer(text):
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
