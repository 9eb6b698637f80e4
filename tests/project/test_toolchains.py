"""The toolchains that tests of programs in other languages use."""

import subprocess

import pytest

from tests.support.toolchains import TOOLCHAINS, built, missing, needs, ran

# Prints its argument, and fails after it.
ECHO = {
    "csharp": "class A { static int Main(string[] a) { System.Console.WriteLine(a[0]); "
    "return 3; } }",
    "go": 'package main\n\nimport (\n\t"fmt"\n\t"os"\n)\n\n'
    "func main() {\n\tfmt.Println(os.Args[1])\n\tos.Exit(3)\n}\n",
    "java": "class A { public static void main(String[] a) { System.out.println(a[0]); "
    "System.exit(3); } }",
    "javascript": "console.log(process.argv[2]); process.exit(3)",
    "php": "<?php echo $argv[1], PHP_EOL; exit(3);",
    "ruby": "puts ARGV[0]; exit 3",
    "sh": 'echo "$1"; exit 3',
}


@pytest.mark.parametrize("language", [pytest.param(name, marks=needs(name)) for name in TOOLCHAINS])
def test_a_program_of_one_file_is_run_in_its_language(language, tmp_path):
    source = tmp_path / TOOLCHAINS[language].file
    source.write_text(ECHO[language])
    done = ran(language, source, "said")
    assert (done.returncode, done.stdout) == (3, "said\n"), done.stderr


@needs("go")
def test_what_a_compiler_refuses_is_an_error_with_its_words(tmp_path):
    source = tmp_path / "main.go"
    source.write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(AssertionError, match="nonsense"):
        built("go", source)


def test_a_toolchain_that_is_missing_is_named(monkeypatch):
    missing.cache_clear()
    monkeypatch.setenv("PATH", "")
    try:
        assert missing("csharp") == "no mcs and mono here; .ci/run installs what csharp needs"
        assert needs("java").args == (True,)
        assert "javac" in needs("java").kwargs["reason"]
    finally:
        missing.cache_clear()


@needs("php")
def test_a_part_with_a_package_of_its_own_is_looked_for(monkeypatch):
    missing.cache_clear()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    try:
        assert "extension_loaded('curl')" in missing("php")
    finally:
        missing.cache_clear()
