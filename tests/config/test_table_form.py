"""The form of the shipped tables: one way to write each row, so that a change is one line."""

from pathlib import Path

import yaml

MAPPINGS = Path(__file__).parents[2] / "mappings"


def rows_of(file: str) -> list[str]:
    lines = (MAPPINGS / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_country_rows_are_in_order_and_in_one_form(codes):
    written = []
    for country in codes.countries.values():
        iso = '"NO"' if country.iso == "NO" else country.iso
        dial = ", ".join(country.dial)
        row = f"iso: {iso}, dial: [{dial}], eng: {country.eng}, rus: {country.rus}"
        row += f", chn: {country.chn}"
        row += f", legacy: {country.legacy}" if country.legacy != country.eng else ""
        row += "" if country.reads_back else ", reads_back: false"
        written.append(f"{country.id}: {{{row}}}")
    assert rows_of("countries.yaml") == written


def test_service_rows_are_in_order_and_in_one_form(codes):
    def text(word: str) -> str:
        return word if isinstance(yaml.safe_load(word), str) else f'"{word}"'

    rows = [f"  {text(code)}: {text(codes.services[code])}" for code in sorted(codes.services)]
    assert rows_of("services.yaml") == ["aliases: {}", "services:", *rows]


def test_daisysms_rows_are_in_order_and_in_one_form(codes):
    def text(word: str) -> str:
        return f'"{word}"' if "," in word else word

    rows = rows_of("daisysms.yaml")
    own = sorted(row.partition(":")[0] for row in rows)
    assert len(own) == 156
    assert rows == [
        f"{code}: {{name: {text(row.name)}, buys: {row.buys or 'null'}}}"
        for code, row in ((code, codes.daisysms[code]) for code in own)
    ]
