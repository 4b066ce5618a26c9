"""``meterguard demo``: it plays to its end in every style, and fails visibly when a claim does not hold."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import threading

import boto3
import pytest
from click.testing import CliRunner

from meterguard import MeterGuard
from meterguard.cli import demo
from meterguard.cli.commands import meterguard
from meterguard.cli.demo import player, services, stage
from meterguard.cli.demo.records import Claim, Finale, Outcome, Step
from meterguard.cli.demo.scenes import SCENES, Scene
from tests.cli.conftest import COMMAND


@pytest.fixture
def play(monkeypatch):
    """``play(*scenes)``: the demonstration of these scenes, through the command; its result."""

    def invoke(*scenes, options=("--plain",)):
        monkeypatch.setattr(player, "play", functools.partial(player.play, scenes))
        return CliRunner().invoke(meterguard, ["demo", *options])

    return invoke


def scene(*claims, title="A scene"):
    def playing_it(on_stage):
        yield on_stage.glimpse()
        return Outcome("It was played.", claims)

    return Scene(title, playing_it)


def breaking_off(on_stage):
    yield on_stage.glimpse()
    raise ZeroDivisionError("no seats at all")


TRUE = Claim("one and one", 2, 2)
FALSE = Claim("two and two", 5, 4)


def test_plain_lines(run):
    done = run("demo", "--plain")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "FAILED" not in done.stdout
    assert "\x1b" not in done.stdout
    for number, one in enumerate(SCENES, 1):
        assert f"\n{number}. {one.title}\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("All ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_one_json_document(run):
    # A developer's own settings are none of the demonstration's.
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9") | {"NO_PROXY": "", "no_proxy": ""}
    done = run("demo", "--json", METERGUARD_ON_UNKNOWN="deny", AWS_PROFILE="nobody", **proxy)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    document = json.loads(done.stdout)
    assert document["holds"] is True
    assert [step["title"] for step in document["steps"]] == [one.title for one in SCENES]
    claims = [claim for step in document["steps"] for claim in step["claims"]]
    assert len(claims) > 40
    assert [claim for claim in claims if not claim["holds"]] == []
    assert document["requests"] == sum(sum(step["requests"].values()) for step in document["steps"])
    assert document["calls"] == sum(step["calls"] for step in document["steps"]) > 100_000
    assert "arn:" not in done.stdout
    assert "fingerprint" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_live_view_in_a_terminal(shell_environment):
    written, code = in_terminal(shell_environment | {"TERM": "xterm-256color"})
    assert code == 0, written
    assert "✓" in written
    assert "\x1b[" in written
    assert "AWS DOWN" in without_styles(written)  # a glimpse in the middle of a scene


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}, {"TERM": "xterm"}])
def test_the_style_goes_by_terminal_and_wish(monkeypatch, variables):
    class Terminal:
        encoding = "utf-8"

        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(demo.sys, "stdout", Terminal())
    plain = len(variables) == 2 or variables["TERM"] == "dumb"
    assert type(demo._show("auto")).__name__ == ("Plain" if plain else "Live")
    assert type(demo._show("plain")).__name__ == "Plain"
    assert type(demo._show("json")).__name__ == "Document"
    monkeypatch.setattr(Terminal, "encoding", "ascii")
    assert type(demo._show("auto")).__name__ == "Plain"


def test_without_rich_it_is_plain(python):
    done = python(
        "import sys; sys.modules['rich'] = None; from meterguard.cli import demo\n"
        "demo._is_lively = lambda: True; print(type(demo._show('auto')).__name__)"
    )
    assert (done.stdout, done.stderr) == ("Plain\n", "")


def test_a_broken_claim_is_shown_and_fails(play):
    done = play(scene(TRUE), scene(TRUE, FALSE))
    assert done.exit_code == 1
    assert "ok     one and one" in done.stdout
    (failed,) = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert failed.split() == ["FAILED", "two", "and", "two", "5", "(expected", "4)"]
    assert done.stdout.splitlines()[-1].startswith("1 of 3 claims does not hold: ")


def test_a_broken_claim_fails_in_json(play):
    done = play(scene(FALSE), options=["--json"])
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["holds"] is False
    assert document["steps"][0]["claims"] == [
        {"text": "two and two", "actual": 5, "expected": 4, "relation": "is", "unit": "", "holds": False}
    ]


def test_a_scene_that_breaks_off_ends_the_demonstration(play):
    done = play(scene(TRUE), Scene("A sad scene", breaking_off), scene(TRUE))
    assert done.exit_code == 1
    assert "ZeroDivisionError: no seats at all" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 of 2 claims does not hold, and 1 of 3 scenes were not played: ")


def test_a_demonstration_cut_short_does_not_hold():
    assert not Finale((), 1, 0.0).holds
    assert Finale((Step(1, "x", Outcome("", (TRUE,)), {}, 0.0),), 1, 0.0).holds


def test_a_guard_that_breaks_its_promise_is_found_out(monkeypatch, play):
    """Without grace the outage is felt, and the demonstration has to say so."""

    def graceless(*args, **options):
        return MeterGuard(*args, **options, on_unknown="deny")

    monkeypatch.setattr(stage, "MeterGuard", graceless)
    until_aws_is_down = [one.title for one in SCENES].index("AWS goes down") + 1
    done = play(*SCENES[:until_aws_is_down], options=["--json"])
    assert done.exit_code == 1
    broken = [step["title"] for step in json.loads(done.stdout)["steps"] if not step["holds"]]
    assert "AWS goes down" in broken
    assert not {one.title for one in SCENES[:6]} & set(broken)


@pytest.fixture
def killed(play):
    """``killed()``: the scene in which a service is killed, as the JSON document tells it, and the exit code."""

    def invoke():
        done = play(next(one for one in SCENES if "killed" in one.title), options=["--json"])
        (step,) = json.loads(done.stdout)["steps"]
        return {claim["text"]: claim for claim in step["claims"]}, done.exit_code

    return invoke


def test_a_killed_service_and_the_books(killed):
    claims, code = killed()
    assert (code, [text for text, claim in claims.items() if not claim["holds"]]) == (0, [])
    rendered = claims["pages rendered before the kill"]["actual"] + claims["pages the next process rendered"]["actual"]
    charged, lost = claims["charged"]["actual"], claims["lost with the killed process"]["actual"]
    assert 0 < charged < rendered <= charged + lost  # the document in the middle was rendered, and not charged
    assert rendered < claims["pages drawn: the ledger counts"]["actual"] == claims["pages drawn: AWS counts"]["actual"]


def test_books_that_do_not_agree_are_found_out(monkeypatch, killed):
    """Somebody else draws from the licence, which no ledger knows."""

    class Stage(stage.Stage):
        def balance(self):
            boto3.client("license-manager", endpoint_url=self.lm.url, region_name=self.lm.region).checkout_license(
                ProductSKU=stage.SKU,
                KeyFingerprint=self.licence.key_fingerprint,
                CheckoutType="PERPETUAL",
                ClientToken="another",
                Entitlements=[{"Name": "Pages", "Value": "1", "Unit": "Count"}],
            )
            return super().balance()

    monkeypatch.setattr(player, "Stage", Stage)
    claims, code = killed()
    assert code == 1
    broken = {text for text, claim in claims.items() if not claim["holds"]}
    assert {"pages drawn: AWS counts", "pages drawn: the ledger counts"} <= broken


def test_a_service_that_does_not_start_breaks_the_scene_off(monkeypatch, killed):
    monkeypatch.setattr(services, "__package__", "meterguard.nowhere")
    claims, code = killed()
    assert code == 1
    assert claims[player.BROKEN_OFF]["actual"] == "ChildProcessError: the program has ended, with code 1"


def test_nothing_stays_behind(play):
    before, threads = dict(os.environ), set(threading.enumerate())
    done = play(*SCENES[:3], Scene("A sad scene", breaking_off))
    assert done.exit_code == 1
    assert dict(os.environ) == before
    left = [one.name for one in threading.enumerate() if one not in threads]
    assert [name for name in left if name.startswith(("demo-", "meterguard-emulator"))] == []


def in_terminal(environment):
    """What the demonstration writes to a terminal, and its exit code."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, "demo"], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    return written.decode(), process.wait(timeout=10)


def without_styles(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
