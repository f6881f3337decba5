"""The settings under fault: every setting with wrong values and misspelt, and YAML that is odd, damaged or a bomb.

Every case ends in settings or in one line of a ConfigError, in bounded time and memory.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from visplay.cli.main import main
from visplay.config import Settings, load_settings, preset_names, recipe_names
from visplay.config.yaml_file import read_yaml
from visplay.errors import ConfigError
from visplay.interfaces.component import BUILT_IN, components, read_component, setting_paths

pytestmark = pytest.mark.faults

PATHS = list(setting_paths(Settings))
WRONG = [
    *("[]", "{}", "[[1]]", "{a: 1}", "words", "true", "1.5", "-1", "0", "1e400", ".nan", ".inf", "-.inf", "null"),
    *("010", "1:30", "1:30.5", "0o7", "1e999", str(10**30), str(-(10**30)), "9" * 4000, "9" * 5000, "2024-13-45"),
    *(r'"a\0b"', r'"\e]0;owned\a"', '"' + "x" * 10_000 + '"', "http://me:s3cret@here", "!!python/object:os.system x"),
]
SLOWEST_S = 5.0
MOST_BYTES = 300 * 2**20


def settled(*overrides: str, preset: str = "paper-lab", values: dict[str, Any] | None = None) -> str:
    """The line of the error; empty if the settings are valid. Any other error fails the test."""
    begun = time.monotonic()
    try:
        load_settings(preset, overrides, values)
        said = ""
    except ConfigError as error:
        said = str(error)
        assert said and "\n" not in said and len(said) < 25_000
        assert "s3cret" not in said
    assert time.monotonic() - begun < SLOWEST_S
    return said


@pytest.mark.parametrize("path", PATHS)
def test_a_setting_takes_no_wrong_value(path: str) -> None:
    for value in WRONG:
        said = settled(f"{path}={value}")
        if value in (".nan", ".inf", "-.inf", "010", "1:30", "1:30.5", r'"a\0b"', "http://me:s3cret@here"):
            assert said, value


@pytest.mark.parametrize("path", PATHS)
def test_a_misspelt_setting_is_named_with_what_it_may_mean(path: str) -> None:
    above, _, name = path.rpartition(".")
    rng = random.Random(path)
    place = rng.randrange(len(name))
    for misspelt in {name[:place] + name[place + 1 :], name + "s", name.replace("_", ""), name[::-1] + "_x"} - {name}:
        dotted = f"{above}.{misspelt}" if above else misspelt
        if not misspelt or dotted in PATHS:
            continue
        said = settled(f"{dotted}=1")
        assert said and dotted.rpartition(".")[2] in said
        if misspelt != name[::-1] + "_x" and len(name) > 4 and "is a value" not in said and "list" not in said:
            assert "did you mean" in said or "type" in said, said


@pytest.mark.parametrize("seam", BUILT_IN)
def test_a_component_takes_no_wrong_value(seam: str) -> None:
    tried = 0
    for name, component in components(seam).items():
        for setting in component.model_fields:
            for value in WRONG:
                try:
                    read_component(seam, {"type": name, setting: read_yaml(value, "here")})
                except ValueError as error:  # ConfigError among them
                    assert "\n" not in str(error) and "s3cret" not in str(error)
                tried += 1
        with pytest.raises(ValueError, match="did you mean"):
            read_component(seam, {"type": name + "s" if name + "s" not in components(seam) else name[1:]})
    assert tried or not any(component.model_fields for component in components(seam).values())


def bombs() -> Iterator[tuple[str, str]]:
    """Names and texts of YAML that PyYAML expands, recurses into, or answers with other errors than its own."""
    laughs = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    yield "aliases", f"a0: &a0 [x, x]\n{laughs}\n"
    merges = "\n".join(f"m{i}: &m{i}\n  <<: [{', '.join([f'*m{i - 1}'] * 9)}]\n  k{i}: 1" for i in range(1, 12))
    yield "merges", f"m0: &m0 {{k: 1}}\n{merges}\n"
    yield "a list in itself", "a: &a [*a]"
    yield "a mapping in itself", "a: &a {b: *a}"
    yield "a merge of itself", "a: &a {<<: *a}"
    for opening, name in (("[", "lists"), ("{a: ", "mappings"), ("- ", "items"), ("? ", "keys"), ("!!seq ", "tags")):
        yield f"deep {name}", opening * 100_000
    yield "deep lines", "\n".join(" " * i + "a:" for i in range(1400))
    yield "wide", "a: [" + "1," * 200_000 + "]"
    yield "many keys", "\n".join(f"k{i}: 1" for i in range(100_000))
    yield "long", "a: " + "x" * 2_000_000
    yield "a long number", "seed: " + "9" * 500_000
    yield "a long key", "? " + "x" * 500_000 + "\n: 1"
    for tag in ("int", "float", "bool", "timestamp", "binary", "set", "omap", "pairs", "null", "merge", "value", "map"):
        for value in ("x", "[1]", "{a: 1}", "''"):
            yield f"tag {tag} {value}", f"seed: !!{tag} {value}"
    for text in ("seed: 2024-13-45", "=: 1", "a: =", "<<: 1", "<<: [1]", "<<: {a: 1}", "? [1]\n: 2", "? {a: 1}\n: 2"):
        yield text, text
    for text in ("a: *b", "%YAML 9.9\n---\na: 1", "a: 1\n---\nb: 2", "\x00", "a: \ud800", "\ufeffseed: 1", "a: !x y"):
        yield repr(text), text
    for text in ("seed: 1\nseed: 2", "rl: {kl: 1, kl: 2}", "rl: {kl: 1}\n'rl': {kl: 2}"):
        yield text, text
    yield "a gate twice", "silver: {gates: [band, {type: band, low: 0.3}]}"
    yield "a true number", "iterations: true"
    yield "not a number", "rl: {max_grad_norm: .inf}"


HARMLESS = ("\ufeffseed: 1",)


@pytest.mark.parametrize(("name", "text"), list(bombs()), ids=[name[:40] for name, _ in bombs()])
def test_odd_yaml_is_one_line(tmp_path: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    said = settled(preset=str(file))
    if text not in HARMLESS:
        assert said
        assert main(["evolve", "--preset", str(file), "--out", str(tmp_path / "run")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("visplay: ") and line.isprintable()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MOST_BYTES


@pytest.mark.parametrize("preset", [*preset_names(), *recipe_names()])
def test_damaged_presets_are_settings_or_one_line(tmp_path: Path, preset: str) -> None:
    """Bytes replaced, removed, inserted, doubled and swapped, with a seed."""
    from visplay.config import loading

    folder = loading._PRESETS if preset in preset_names() else loading._RECIPES
    whole = (folder / f"{preset}.yaml").read_bytes()
    rng = random.Random(preset)
    odd = [
        b"[",
        b"{",
        b"&a ",
        b"*a",
        b"<<: ",
        b"\t",
        b"\x00",
        b"\xff",
        b"!!int ",
        b"|\n",
        b"- ",
        b"? ",
        b": ",
        b"#",
        b"'",
    ]
    refused = 0
    for number in range(120):
        text = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(text))
            change = rng.randrange(4)
            if change == 0:
                text[place] = rng.randrange(256)
            elif change == 1:
                del text[place : place + rng.randint(1, 20)]
            elif change == 2:
                text[place:place] = rng.choice(odd)
            else:
                text[place:place] = text[place : place + rng.randint(1, 200)]
        file = tmp_path / f"{number}.yaml"
        file.write_bytes(bytes(text))
        refused += bool(settled(preset=str(file)))
    assert 0 < refused < 120


def test_a_pipe_is_no_preset(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "no regular file" in settled(preset=str(tmp_path / "pipe.yaml"))
    assert "no regular file" in settled(f"questioner.bank={tmp_path / 'pipe.yaml'}", "questioner.steps=0")
    assert "no regular file" in settled("questioner.bank=/dev/zero", "questioner.steps=0")


def test_what_is_dumped_is_what_other_readers_of_yaml_read() -> None:
    from visplay.config.yaml_file import dump_yaml

    texts = ["010", "1:30", "1e5", "3e-5", "yes", "null", "2024-01-01", "1_000", "0x10", ".inf", "=", "<<", "a: b", ""]
    values = {"texts": texts, "numbers": [1e-6, 1e5, 1.0, 10, 2**60]}
    assert yaml.safe_load(dump_yaml(values)) == read_yaml(dump_yaml(values), "here") == values
