"""``meterguard borrow`` and ``meterguard return``."""

from __future__ import annotations

import json
import shlex
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from meterguard import Reason
from tests.cli.conftest import told

DAY = 86_400
SEATS = {"name": "Seats", "value": 2, "unit": "Count"}
EXPORT = {"name": "Export", "value": None, "unit": "None"}


@pytest.fixture
def licence(lm, tmp_path):
    entitlements = [("Seats", 3, "Count"), ("Disk", 9, "Gigabytes"), ("Export", None, "None"), ("Tier", "gold", "None")]
    licence = lm.add_license("ACME-1", entitlements, ttl=3600, borrow_ttl=DAY, borrow_early_check_in=True)
    (tmp_path / "issuer.pem").write_text(licence.public_key_pem)
    return licence


@pytest.fixture
def command(run, licence, product, tmp_path):
    """``command(*arguments, **variables)``: a command of the product, in a state directory of the test's own."""

    def run_it(*arguments, **variables):
        done = run(*arguments, **product | {"XDG_STATE_HOME": str(tmp_path / "state")} | variables)
        kept = " ".join(one.read_text("latin-1") for one in tmp_path.rglob("*.jwt"))
        secrets = {licence.arn, licence.key_fingerprint, *kept.split()}
        assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []
        assert "Traceback" not in done.stderr
        return done

    return run_it


@pytest.fixture
def borrow(command):
    """``borrow("Seats=2", ...)``: what is named is borrowed, with the issuer's key."""

    def borrow_them(*entitlements, key="issuer.pem", more=(), **variables):
        wanted = [part for one in entitlements for part in ("-e", one)]
        return command("borrow", *wanted, "--trusted-key", key, *more, **variables)

    return borrow_them


@pytest.fixture
def offline(make_guard, licence, lm):
    """``offline(path)``: a guard that answers from a file, and reaches nobody."""

    def make(path, **options):
        keys = {"trusted_keys": licence.public_key_pem, "borrowed": path}
        nowhere = {"endpoint_url": "http://127.0.0.1:9", "timeout": 0.5, "on_unknown": "deny"}
        return make_guard(lm, licence, **keys | nowhere | options)

    return make


def ok(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# -- what works --------------------------------------------------------------------------------------


def test_it_borrows_into_a_file_of_the_product_and_returns(borrow, command, offline, lm, tmp_path):
    text = ok(borrow("Seats=2"))
    (path,) = tmp_path.rglob("*.jwt")
    assert path.is_relative_to(tmp_path / "state" / "meterguard")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (line,) = text.splitlines()
    assert line.startswith("Borrowed: Seats (2 Count), until 20")
    assert line.endswith(f" UTC. It is in {path}.")
    assert lm.usage("ACME-1")["Seats"] == 2, "when the command has ended, too"
    assert offline(path).decide("Seats", 2).reason is Reason.BORROWED
    assert ok(command("return")) == "Returned: Seats (2 Count).\n"
    assert lm.usage("ACME-1")["Seats"] == 0
    assert not path.exists()


def test_both_in_json(borrow, command, lm):
    said = json.loads(ok(borrow("Seats=2", "Export", more=["--path", "sub/mine.jwt", "--json"])))
    assert list(said) == ["path", "entitlements", "expires_at"]
    assert (said["path"], said["entitlements"]) == ("sub/mine.jwt", [SEATS, EXPORT])
    assert said["expires_at"].startswith("20")
    assert said["expires_at"].endswith("Z")
    said = json.loads(ok(command("return", "--path", "sub/mine.jwt", "--json")))
    assert said == {"path": "sub/mine.jwt", "returned": [SEATS, EXPORT]}
    assert lm.usage("ACME-1")["Seats"] == 0


def test_several_are_one_borrow_with_all_kinds_of_entitlements(borrow, lm, offline, tmp_path):
    text = ok(borrow("Seats=2", "Disk=5:Gigabytes", "Export", "Tier=gold:None", more=["--path", "mine.jwt"]))
    assert text.startswith("Borrowed: Seats (2 Count) and Disk (5 Gigabytes) and Export and Tier (gold), until ")
    assert lm.calls("CheckoutBorrowLicense") == 1
    guard = offline(tmp_path / "mine.jwt")
    for wanted in (("Seats", 2), ("Disk", 5, "Gigabytes"), ("Export",), ("Tier", "gold", "None")):
        assert guard.decide(*wanted).reason is Reason.BORROWED


def test_borrows_stand_beside_each_other_and_go_back_together(borrow, command, lm):
    ok(borrow("Seats=1"))
    ok(borrow("Seats=2"))
    assert lm.usage("ACME-1")["Seats"] == 3
    assert ok(command("return")) == "Returned: Seats (1 Count).\nReturned: Seats (2 Count).\n"
    assert lm.usage("ACME-1")["Seats"] == 0


def test_it_is_for_the_node_that_the_environment_names(borrow, offline, tmp_path):
    ok(borrow("Seats=1", more=["--path", "mine.jwt"], METERGUARD_NODE_ID="node-1"))
    assert offline(tmp_path / "mine.jwt", node_id="node-1").decide("Seats", 1).reason is Reason.BORROWED
    assert offline(tmp_path / "mine.jwt").decide("Seats", 1).reason is Reason.UNTRUSTED


def test_a_second_key_is_for_a_rotation(borrow, key):
    ok(borrow("Export", more=["--trusted-key", key("other.pem")]))


@pytest.mark.parametrize("name", ["borrow", "return"])
def test_the_example_in_the_help_works(borrow, command, name):
    if name == "return":
        ok(borrow("Seats=1", more=["--path", "licence.jwt"]))
    lines = ok(command(name, "--help")).splitlines()
    (example,) = [line.partition("Example: meterguard ")[2] for line in lines if "Example:" in line]
    assert ok(command(*shlex.split(example))).startswith(("Borrowed: Seats (2 Count), until ", "Returned: Seats"))


def test_returning_needs_no_product_where_the_file_is_named_and_no_key(borrow, command, lm):
    ok(borrow("Seats=1", more=["--path", "mine.jwt"]))
    unnamed = {"METERGUARD_PRODUCT_SKU": "", "METERGUARD_KEY_FINGERPRINT": ""}
    assert ok(command("return", "--path", "mine.jwt", **unnamed)) == "Returned: Seats (1 Count).\n"
    assert lm.usage("ACME-1")["Seats"] == 0


def test_what_has_ended_is_cleared_away(borrow, command, lm, tmp_path):
    ok(borrow("Seats=1"))
    lm.clock.advance(DAY + 1)
    assert ok(command("return")) == "Returned: Seats (1 Count).\n"
    assert list(tmp_path.rglob("*.jwt")) == []


# -- wrong input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("", "'': name must be a non-empty string"),
        ("=2", "'=2': name must be a non-empty string"),
        ("Seats=", "'Seats=' is not NAME[=VALUE[:UNIT]], such as Export, Seats=2 or Disk=5:Gigabytes"),
        ("Seats=2:", "'Seats=2:' is not NAME[=VALUE[:UNIT]]"),
        ("Seats=:Count", "'Seats=:Count' is not NAME[=VALUE[:UNIT]]"),
        ("Seats=0", "'Seats=0': value must be a positive whole number"),
        ("Seats=-1", "'Seats=-1': '-1' is not a whole number below 2**63"),
        ("Seats=1.5", "'1.5' is not a whole number"),
        ("Seats=two", "'two' is not a whole number"),
        ("Seats=²", "'²' is not a whole number"),
        ("Seats=2=3", "'2=3' is not a whole number"),
        ("Seats=9223372036854775808", "value must be a positive whole number"),
        ("Seats=" + "9" * 5000, "...: '9999"),
        ("Seats=2:Bogus", "unit 'Bogus' is not one that License Manager counts in; it knows: Count, "),
        ("x" * 5000 + "=", "... is not NAME[=VALUE[:UNIT]]"),
    ],
)
def test_what_is_no_entitlement(borrow, lm, wanted, complaint):
    line = told(borrow("Export", wanted))
    assert line.startswith("Error: Invalid value for '-e' / '--entitlement': ")
    assert line.endswith(". See 'meterguard borrow --help'.")
    assert complaint in line
    assert len(line) < 700
    assert lm.requests == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(["--trusted-key", "issuer.pem"], "'-e' / '--entitlement'"), (["-e", "Export"], "'--trusted-key'")],
)
def test_both_must_be_named(command, arguments, missing):
    assert told(command("borrow", *arguments)) == (f"Error: Missing option {missing}. See 'meterguard borrow --help'.")


@pytest.fixture
def key(tmp_path):
    """``key(name)``: a file that is named like what it has instead of the issuer's key."""
    rsa_key = rsa.generate_private_key(65537, 2048)
    private = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    small = rsa.generate_private_key(65537, 1024)
    contents = {
        "other.pem": lambda: rsa_key.public_key().public_bytes(*public),
        "private.pem": lambda: rsa_key.private_bytes(*private),
        "small.pem": lambda: small.public_key().public_bytes(*public),
        "curve.pem": lambda: ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*public),
        "junk.pem": lambda: b"\x00\xff no key",
        "empty.pem": lambda: b"",
    }

    def make(name):
        if name in contents:
            (tmp_path / name).write_bytes(contents[name]())
        return name

    (tmp_path / "folder").mkdir()
    return make


@pytest.mark.parametrize(
    ("name", "complaint", "code"),
    [
        ("missing.pem", "Invalid value for '--trusted-key': File 'missing.pem' does not exist", 2),
        ("folder", "Invalid value for '--trusted-key': File 'folder' is a directory", 2),
        ("private.pem", "this is a private key, and whoever has the product has it", 1),
        ("small.pem", "the key has 1024 bits, and must have 2048 or more", 1),
        ("curve.pem", "this is no public RSA key in PEM", 1),
        ("junk.pem", "this is no public RSA key in PEM", 1),
        ("empty.pem", "this is no public RSA key in PEM", 1),
    ],
)
def test_what_is_no_key_of_an_issuer(borrow, key, lm, name, complaint, code):
    assert complaint in told(borrow("Seats=1", key=key(name)), code)
    assert lm.requests == []


@pytest.mark.parametrize("name", ["METERGUARD_PRODUCT_SKU", "METERGUARD_KEY_FINGERPRINT"])
def test_borrowing_needs_a_product_and_its_issuer(borrow, lm, name):
    assert f"set {name}" in told(borrow("Seats=1", **{name: ""}), code=1)
    assert lm.requests == []


def test_returning_needs_a_product_or_a_file(command):
    line = told(command("return", METERGUARD_PRODUCT_SKU=""), code=1)
    assert line == "Error: no file and no product is named: pass --path, or set METERGUARD_PRODUCT_SKU"


@pytest.mark.parametrize("more", [(), ("--path", "none.jwt")])
def test_nothing_is_borrowed(command, lm, more):
    assert told(command("return", *more), code=1).startswith("Error: nothing is borrowed: there is no ")
    assert lm.requests == []


@pytest.mark.parametrize("name", ["issuer.pem", "garbage.jwt", "half.jwt"])
def test_a_file_of_something_else_stays_as_it_is(borrow, command, lm, tmp_path, name):
    (tmp_path / "garbage.jwt").write_bytes(b"\x00\xff\n\n")
    ok(borrow("Export", more=["--path", "half.jwt"]))
    (tmp_path / "half.jwt").write_bytes((tmp_path / "half.jwt").read_bytes()[:-400])
    before = (tmp_path / name).read_bytes()
    complaint = f"Error: {name} holds something else than borrowed licences: name another file, or take that one away"
    assert told(borrow("Seats=1", more=["--path", name]), code=1) == complaint
    assert told(command("return", "--path", name), code=1) == complaint
    assert (tmp_path / name).read_bytes() == before
    assert lm.usage("ACME-1")["Seats"] == 0


@pytest.mark.parametrize("name", ["borrow", "return"])
def test_a_path_that_no_file_can_have(borrow, command, key, lm, name):
    def at(path):
        return borrow("Seats=1", more=["--path", path]) if name == "borrow" else command("return", "--path", path)

    assert "Invalid value for '--path': File 'folder' is a directory" in told(at("folder"))
    does = "written" if name == "borrow" else "read"
    assert f"issuer.pem/mine.jwt cannot be {does}: " in told(at("issuer.pem/mine.jwt"), code=1)
    assert lm.requests == []


# -- no, and no answer -------------------------------------------------------------------------------


def test_what_is_not_lent_is_denied_and_not_written(borrow, lm, tmp_path):
    line = told(borrow("Seats=4", "Export"), code=3)
    assert line.startswith("Error: License Manager does not lend Seats (4 Count) and Export: ")
    assert list(tmp_path.rglob("*.jwt")) == []
    assert lm.usage("ACME-1")["Seats"] == 0


def test_a_key_of_somebody_else_is_denied_and_the_unit_goes_back(borrow, key, lm, tmp_path):
    line = told(borrow("Seats=1", key=key("other.pem")), code=3)
    assert "its signed token has a signature that none of the trusted keys made; what came was given back" in line
    assert list(tmp_path.rglob("*.jwt")) == []
    assert lm.usage("ACME-1")["Seats"] == 0


def test_what_iam_refuses_is_denied_and_names_the_action(borrow, lm):
    with lm.faults.active("CheckoutBorrowLicense", error="AccessDeniedException"):
        assert "license-manager:CheckoutBorrowLicense" in told(borrow("Seats=1"), code=3)


BUSY = {"error": "InternalFailure", "headers": {"Retry-After": "60"}}


def test_without_an_answer_it_is_unavailable_and_what_was_borrowed_stays(borrow, command, lm, offline, tmp_path):
    ok(borrow("Seats=1", more=["--path", "mine.jwt"]))
    with lm.faults.active("*", **BUSY):
        assert "License Manager could not be asked about Seats (2 Count)" in told(borrow("Seats=2"), code=4)
        assert "InternalFailure" in told(command("return", "--path", "mine.jwt"), code=4)
    assert offline(tmp_path / "mine.jwt").decide("Seats", 1).reason is Reason.BORROWED
    assert lm.usage("ACME-1")["Seats"] == 1


def test_a_return_that_the_licence_does_not_allow(borrow, command, lm, offline, tmp_path):
    lm.update_license("ACME-1", borrow_early_check_in=False)
    ok(borrow("Seats=1", more=["--path", "mine.jwt"]))
    for more in ((), ("--json",)):
        line = told(command("return", "--path", "mine.jwt", *more), code=3)
        assert line.startswith("Error: License Manager does not take the borrowed Seats (1 Count) back: ")
        assert line.endswith("It can still be used, and goes back by itself when it ends.")
    assert offline(tmp_path / "mine.jwt").decide("Seats", 1).reason is Reason.BORROWED
