"""A file that keeps the state over restarts: what it keeps, whose it is, and what is refused."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from meterguard.emulator import Clock, Emulator, StateError, load_seed

TERMS = {
    "product_sku": "ACME-1",
    "entitlements": [("Seats", 3, "Count"), ("Calls", 9, "Count"), ("Export", None, "None")],
    "borrow_ttl": 600,
}


def bare(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_what_is_held_and_what_is_spent_stays_so(again, connect, take, code):
    lm = again()
    licence, client = lm.add_license(**TERMS), connect(url=lm.url)
    held = take(Seats=2, of=licence, using=client)["LicenseConsumptionToken"]
    take(Calls=4, kind="PERPETUAL", of=licence, using=client)
    lm = again()
    assert (lm.license("ACME-1"), lm.usage("ACME-1")) == (licence, {"Seats": 2, "Calls": 4})
    assert [one.token for one in lm.checkouts()] == [held]
    with code("NoEntitlementsAllowedException"):
        take(Seats=2, of=licence, using=client)
    client.check_in_license(LicenseConsumptionToken=held)
    assert again().usage("ACME-1") == {"Seats": 0, "Calls": 4}


def test_time_goes_on_while_nobody_serves(again, connect, take):
    lm = again()
    licence = lm.add_license(**TERMS, ttl=60)
    take(Seats=2, of=licence, using=connect(url=lm.url))
    lm.clock.advance(59 - 24 * 3600)
    lm = again()
    assert lm.usage("ACME-1")["Seats"] == 2
    lm.clock.advance(24 * 3600 + 1)
    assert again().usage("ACME-1")["Seats"] == 0


def test_the_clock_stays_moved_or_frozen_unless_another_is_given(again):
    lm = again()
    lm.clock.advance(-1e9)
    before = lm.clock.now()
    assert before <= again().clock.now() < before + 60
    again().clock.freeze("2030-01-01T00:00:00Z")
    clock = again().clock
    assert (clock.is_frozen, clock.datetime().isoformat()) == (True, "2030-01-01T00:00:00+00:00")
    clock.resume()
    assert not again().clock.is_frozen
    assert again(clock=Clock("2040-01-01T00:00:00Z")).clock.datetime().year == 2040
    assert again().clock.datetime().year == 2040


def test_a_client_token_is_remembered_for_its_time(again, connect, take, code):
    lm = again()
    lm.clock.freeze()
    licence, client = lm.add_license(**TERMS), connect(url=lm.url)
    first = take(Seats=1, token="same", of=licence, using=client)
    lm = again()
    assert bare(take(Seats=1, token="same", of=licence, using=client)) == bare(first)
    assert lm.requests[-1].replayed
    with code("InvalidParameterValueException"):
        take(Seats=2, token="same", of=licence, using=client)
    assert lm.usage("ACME-1")["Seats"] == 1
    lm.clock.advance(600)
    again()
    second = take(Seats=1, token="same", of=licence, using=client)
    assert bare(second) != bare(first)
    lm = again()
    assert bare(take(Seats=1, token="same", of=licence, using=client)) == bare(second)
    assert lm.usage("ACME-1")["Seats"] == 2


def test_an_answer_that_was_lost_is_found_after_the_restart(again, connect, take):
    lm = again()
    licence, client = lm.add_license(**TERMS), connect(url=lm.url)
    lm.faults.add("CheckoutLicense", drop="after")
    with pytest.raises(Exception, match="Connection was closed"):
        take(Seats=1, token="lost", of=licence, using=client)
    lm = again()
    token = take(Seats=1, token="lost", of=licence, using=client)["LicenseConsumptionToken"]
    assert [one.token for one in lm.checkouts()] == [token]


def test_tokens_and_tags_stay(again, connect):
    lm = again()
    client = connect(url=lm.url)
    licence = lm.add_license(**TERMS, issuer_account=lm.account_id)
    client.tag_resource(ResourceArn=licence.arn, Tags=[{"Key": "a", "Value": "\N{SNOWMAN}"}, {"Key": "b", "Value": ""}])
    client.untag_resource(ResourceArn=licence.arn, TagKeys=["b"])
    token = client.create_token(LicenseArn=licence.arn, ClientToken="t")
    key = lm.public_key_pem
    assert again().public_key_pem == key
    assert client.list_tags_for_resource(ResourceArn=licence.arn)["Tags"] == [{"Key": "a", "Value": "\N{SNOWMAN}"}]
    assert client.get_access_token(Token=token["Token"])["AccessToken"]
    client.delete_token(TokenId=token["TokenId"])
    again()
    with pytest.raises(ClientError, match="AuthorizationException"):
        client.get_access_token(Token=token["Token"])


def test_no_id_is_given_twice_though_ids_follow_from_a_seed(again):
    arns = [again(random_seed=7).add_license(**TERMS).arn for _ in range(3)]
    assert len(set(arns)) == 3
    with Emulator(random_seed=7) as lm:
        assert lm.add_license(**TERMS).arn == arns[0]


def test_the_newest_licence_of_a_product_stays_the_newest(again, connect, take):
    lm = again()
    first = lm.add_license(**TERMS, issuer_name="Other")
    lm.add_license(**TERMS)
    first = lm.update_license(first, issuer_name="Acme")
    lm = again()
    assert take(Seats=1, of=first, using=connect(url=lm.url))["LicenseArn"] == first.arn


def test_faults_and_switches_come_with_the_start(again):
    lm = again()
    lm.faults.add("*", error="X", times=None)
    assert len(again().faults) == 0


SEED = """
[[licenses]]
product_sku = "ACME-1"
entitlements = [["Seats", 3, "Count"]]

[[licenses]]
product_sku = "ACME-1"
entitlements = [["Seats", 5, "Count"]]

[[faults]]
operation = "GetLicense"
error = "X"
"""


def test_a_seed_adds_only_what_the_file_does_not_hold(again, tmp_path):
    path = tmp_path / "seed.toml"
    path.write_text(SEED)
    lm = again(seed=path)
    assert len(lm.licenses()) == 2
    lm.update_license("ACME-1", beneficiary="Jo", issuer_name="Joe")
    before = lm.licenses()
    path.write_text(SEED.replace("5,", "6,"))
    lm = again(seed=path)
    assert (lm.licenses(), len(lm.faults)) == (before, 1)
    third = '[[licenses]]\nproduct_sku = "ACME-1"\nentitlements = [["Seats", 7, "Count"]]\n'
    path.write_text(SEED + third)
    lm = again(seed=load_seed(path))
    assert [one.entitlements[0].max_count for one in lm.licenses()] == [3, 5, 7]


def test_a_seed_that_is_wrong_adds_nothing(again, file, tmp_path):
    path = tmp_path / "seed.toml"
    path.write_text(SEED + "[[faults]]\noperation = 'No'\n")
    with pytest.raises(ValueError, match=r"faults\[1\]"):
        Emulator(state=file, seed=path)
    assert again().licenses() == []


# Whose it is


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_only_its_owner_can_read_it(again, file):
    again().add_license(**TERMS)
    assert {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()} == {
        "state.db": 0o600,
        "state.db-wal": 0o600,
    }
    file.chmod(0o644)
    again()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_only_one_has_it_at_a_time(again, file):
    again().add_license(**TERMS)
    with pytest.raises(StateError, match=r"state\.db is in use by another process"):
        Emulator(state=file)
    program = "import sys; from meterguard.emulator import Emulator; Emulator(state=sys.argv[1])"
    other = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=False)
    assert "StateError" in other.stderr
    assert "is in use by another process" in other.stderr
    assert len(again().licenses()) == 1


def test_one_that_let_go_does_not_start_again(again):
    lm = again()
    lm.stop()
    lm.start()
    lm.add_license(**TERMS)
    lm.close()
    lm.close()
    assert lm.usage("ACME-1")["Seats"] == 0
    with pytest.raises(StateError, match="was released; make a new emulator"):
        lm.start()
    assert len(again().licenses()) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("leave", ["sys.exit()", "os._exit(0)", "lm.close()"])
def test_a_forked_child_leaves_it_to_its_parent(file, leave):
    program = (
        "import os, sys\n"
        "from meterguard.emulator import Emulator\n"
        "with Emulator(state=sys.argv[1]) as lm:\n"
        "    lm.add_license('A', [('Seats', 1, 'Count')])\n"
        "    if os.fork() == 0:\n"
        "        lm.add_license('B', [('Seats', 1, 'Count')])\n"
        f"        {leave}\n"
        "        sys.exit()\n"
        "    assert os.wait()[1] == 0\n"
        "    lm.add_license('C', [('Seats', 1, 'Count')])\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    # 3.12 and newer warn of forks beside threads, as the server's is: that they go well is what is tested here
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program, file]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (-9, "")
    with Emulator(state=file) as lm:
        assert [one.sku for one in lm.licenses()] == ["A", "C"]


# What is refused


def rewrite(file, *statements):
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def another_application(file):
    rewrite(file, "CREATE TABLE people (name TEXT)")


def no_database(file):
    file.write_text("licences: none\n" * 100)


def test_a_file_of_the_first_layout_is_taken_on(again, file):
    lm = again()
    licence = lm.add_license(**TERMS)
    lm.close()
    sold = ("listings", "agreements", "contracts", "registrations", "started", "meterings")
    later = ("sessions", "kms_keys", *sold)
    rewrite(file, *(f"DROP TABLE {name}" for name in later), "PRAGMA user_version = 1")
    assert again().license("ACME-1") == licence
    lm = again()
    assert lm.license("ACME-1") == licence
    lm.close()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


def another_layout(file):
    Emulator(state=file).close()
    rewrite(file, "PRAGMA user_version = 99")


def a_row_of_nonsense(file):
    with Emulator(state=file) as lm:
        lm.add_license(**TERMS)
    rewrite(file, "UPDATE licenses SET document = '[{\"sku\": 1}]'")


def a_directory(file):
    file.mkdir()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (another_application, "is a database of another program"),
        (no_database, "is not a state file"),
        (
            another_layout,
            "was written by another version of meterguard .layout 99, and this version reads layouts up to 3.",
        ),
        (a_row_of_nonsense, "is damaged: row 1 of licenses"),
        (a_directory, "cannot be opened"),
    ],
)
def test_a_file_that_is_something_else_is_left_as_it_is(file, make, told):
    make(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(StateError, match=rf"state\.db {told}"):
        Emulator(state=file)
    assert (file.read_bytes() if file.is_file() else None) == before


@pytest.fixture
def ordinary_user(again):
    """Modes mean nothing to root: be somebody else for the length of the test."""
    if os.name == "nt":
        pytest.skip("modes are POSIX's")
    again()  # which imports what only root may be able to read
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_directory_that_cannot_be_written(ordinary_user):
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o500)
        with pytest.raises(StateError, match=r"state\.db cannot be opened: Permission denied"):
            Emulator(state=folder / "state.db")
    finally:
        folder.rmdir()


def test_what_cannot_be_written_is_not_answered_and_is_written_later(again, connect, take, code, caplog):
    lm = again()
    licence, client = lm.add_license(**TERMS), connect(url=lm.url)
    database = lm._kept._file._connection
    database.execute("PRAGMA max_page_count = 1")  # as if the disk were full
    for number in range(40):
        try:
            take(Export=None, token=f"{number}-{'x' * 1000}", of=licence, using=client)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServerInternalException"  # noqa: PT017 - the first ones fit
            break
    with code("ServerInternalException"):
        take(Seats=1, token="one", of=licence, using=client)
    with code("ServerInternalException"):
        take(Seats=1, token="one", of=licence, using=client)
    assert "cannot be written: database or disk is full" in caplog.text
    database.execute("PRAGMA max_page_count = 1000000")
    token = take(Seats=1, token="one", of=licence, using=client)["LicenseConsumptionToken"]
    lm = again()
    assert token in {one.token for one in lm.checkouts()}
    assert lm.usage("ACME-1")["Seats"] == 1
