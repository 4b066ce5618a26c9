"""``meterguard emulator`` as people run it: in a process of its own."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config

SEED = """
region = "eu-west-1"

[[licenses]]
product_sku = "ACME-7"
issuer_name = "Acme & Sons"
entitlements = [["Seats", 1, "Count"], { name = "Export" }, ["Traffic", 500, "Gigabytes"]]
ttl = 600

[[licenses]]
product_sku = "ACME-8"
entitlements = [["Seats", 2, "Count"]]
"""


@pytest.fixture
def seed(tmp_path):
    path = tmp_path / "seed.toml"
    path.write_text(SEED)
    return path


def client(said, secret="testing"):
    return boto3.client(
        "license-manager",
        endpoint_url=said["url"],
        region_name=said["region"],
        aws_access_key_id="testing",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def check_out(said, name="Seats", token="one"):
    licence = said["licenses"][0]
    return client(said).checkout_license(
        ProductSKU=licence["product_sku"],
        KeyFingerprint=licence["key_fingerprint"],
        CheckoutType="PROVISIONAL",
        ClientToken=token,
        Entitlements=[{"Name": name, "Value": "1", "Unit": "Count"}],
    )


def test_it_serves_boto3_and_ends_on_sigterm(serving):
    with serving("--json") as emulator:
        answer = check_out(emulator.said)
        assert answer["EntitlementsAllowed"][0]["Name"] == "Seats"
        assert emulator.stop() == 0
        assert emulator.out == ""  # one document is all that stdout gets
        assert emulator.err.splitlines() == ["serving until Ctrl-C", "stopped"]


def test_ctrl_c_ends_it_too(serving):
    with serving() as emulator:
        assert emulator.stop(signal.SIGINT) == 0
        assert "Traceback" not in emulator.err


def test_what_it_says_in_json(serving, seed):
    with serving("--json", "--seed", seed) as emulator:
        said = emulator.said
        assert said["url"] == f"http://127.0.0.1:{said['port']}"
        assert (said["region"], said["account_id"]) == ("eu-west-1", "111122223333")
        assert [licence["product_sku"] for licence in said["licenses"]] == ["ACME-7", "ACME-8"]
        assert said["licenses"][0]["entitlements"] == [
            {"name": "Seats", "unit": "Count", "max_count": 1, "value": None},
            {"name": "Export", "unit": "None", "max_count": None, "value": None},
            {"name": "Traffic", "unit": "Gigabytes", "max_count": 500, "value": None},
        ]
        assert said["environment"]["METERGUARD_PRODUCT_SKU"] == "ACME-7"


PROGRAM = "import meterguard; print(meterguard.has_entitlement('Seats', 1), meterguard.has_entitlement('Nope'))"


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_its_two_lines_are_all_a_program_needs(serving, seed, shell_environment):
    with serving("--seed", seed) as emulator:
        lines = [emulator.process.stdout.readline().rstrip() for _ in range(8)]
        assert lines[:2] == ["  ACME-7: 1 Seats, Export (feature), 500 Traffic (Gigabytes)", "  ACME-8: 2 Seats"]
        exports = [line for line in lines if line.startswith("export ")]
        assert len(exports) == 2
        bare = {name: value for name, value in shell_environment.items() if not name.startswith("AWS_")}
        script = "\n".join([*exports, f'"{sys.executable}" -c "$PROGRAM"'])
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, check=False, env=bare | {"PROGRAM": PROGRAM}
        )
        assert (done.stdout, done.stderr) == ("True False\n", "")


def test_without_a_seed_it_holds_the_licence_of_the_documentation(serving):
    with serving("--json") as emulator:
        (licence,) = emulator.said["licenses"]
        assert licence["product_sku"] == "ACME-1"
        assert [(one["name"], one["max_count"]) for one in licence["entitlements"]] == [("Seats", 3), ("Export", None)]


def test_an_empty_seed_is_an_empty_emulator(serving, tmp_path):
    (tmp_path / "empty.json").write_text("{}")
    with serving("--seed", "empty.json") as emulator:
        assert emulator.process.stdout.readline() == "  no licences\n"
        assert emulator.stop() == 0
        assert "METERGUARD_" not in emulator.out


def test_with_products_it_points_clients_of_aws_marketplace_too(serving, tmp_path):
    (tmp_path / "products.toml").write_text('[[products]]\ncode = "prod-1"\ndimensions = ["pages"]')
    with serving("--json", "--seed", "products.toml") as emulator:
        url, environment = emulator.said["url"], emulator.said["environment"]
        assert environment["AWS_ENDPOINT_URL_MARKETPLACE_METERING"] == url
        assert environment["AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE"] == url
    with serving("--json") as emulator:
        assert not [name for name in emulator.said["environment"] if "MARKETPLACE" in name]


def test_the_log_has_a_line_for_each_request_and_no_token(serving):
    with serving("--json", "--log") as emulator:
        said = emulator.said
        taken = check_out(said)
        check_out(said)
        with pytest.raises(client(said).exceptions.NoEntitlementsAllowedException):
            check_out(said, name="Nope\x1b[31m", token="two")
        client(said).check_in_license(LicenseConsumptionToken=taken["LicenseConsumptionToken"])
        assert emulator.stop() == 0
        served, *log, stopped = emulator.err.splitlines()
        assert (served, stopped) == ("serving until Ctrl-C", "stopped")
        assert [line.split()[1:3] for line in log] == [
            ["CheckoutLicense", "200"],
            ["CheckoutLicense", "200"],
            ["CheckoutLicense", "400"],
            ["CheckInLicense", "200"],
        ]
        assert log[0].endswith("ACME-1 Seats 1")
        assert log[1].endswith("ACME-1 Seats 1  (replayed)")
        assert log[2].endswith("NoEntitlementsAllowedException  ACME-1 Nope?[31m 1")
        assert taken["LicenseConsumptionToken"] not in emulator.err


def test_a_port_that_is_in_use(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("emulator", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: port {port} of 127.0.0.1 is in use; choose another with --port (0: any free one)\n"


def test_a_port_that_needs_privileges(monkeypatch):
    from click.testing import CliRunner

    from meterguard.cli import serving
    from meterguard.cli.commands import meterguard

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serving, "serve_emulator", refuse)
    done = CliRunner().invoke(meterguard, ["emulator", "--port", "80"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: port 80 needs privileges")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.toml", None, "missing.toml: No such file or directory"),
        ("seed.yaml", "", "the name of a seed file must end in .toml or .json"),
        ("broken.toml", 'region = "eu-west-1"\nlicenses = ?\n', "(at line 2, column 12)"),
        ("broken.json", '{\n"licenses": }', "line 2 column 13"),
        ("binary.toml", b"\xff\xfe", "binary.toml: "),
        ("list.json", "[]", "list.json: a seed must be a table"),
        ("unknown.toml", "licences = 3", "unknown.toml: a seed has no licences"),
        (
            "negative.toml",
            '[[licenses]]\nproduct_sku = "A"\nentitlements = [["Seats", -1, "Count"]]',
            "negative.toml: licenses[0]: entitlement 'Seats'",
        ),
        ("nameless.toml", '[[licenses]]\nentitlements = [["Seats", 1, "Count"]]', "nameless.toml: licenses[0]: "),
    ],
)
def test_a_seed_that_cannot_be_used(run, tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("emulator", "--port", 0, "--seed", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: Invalid value for '--seed': " in done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_seed_that_is_a_directory(run, tmp_path):
    (tmp_path / "seed.toml").mkdir()
    done = run("emulator", "--seed", "seed.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is a directory" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_state_file_is_gone_on_with(serving, seed, tmp_path):
    with serving("--json", "--seed", seed, "--state", "state.db") as emulator:
        first, said = check_out(emulator.said), emulator.said
        emulator.process.kill()
    with serving("--json", "--state", "state.db") as emulator:
        assert emulator.said["licenses"] == said["licenses"]
        again = check_out(emulator.said)
        assert again["LicenseConsumptionToken"] == first["LicenseConsumptionToken"]
        assert emulator.stop() == 0
    assert {path.name for path in tmp_path.iterdir()} == {"seed.toml", "state.db"}


def test_without_a_seed_a_new_state_file_gets_the_licence_of_the_documentation_once(serving):
    for _ in range(2):
        with serving("--json", "--state", "state.db") as emulator:
            (licence,) = client(emulator.said).list_received_licenses()["Licenses"]
            assert licence["ProductSKU"] == "ACME-1"
            assert emulator.stop() == 0


def test_a_state_file_that_another_one_has(serving, run):
    with serving("--state", "state.db"):
        done = run("emulator", "--port", 0, "--state", "state.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: state.db is in use by another process; only one process at a time can use it\n"


def test_a_state_file_that_is_none(run, tmp_path):
    (tmp_path / "state.db").write_text("no database at all" * 100)
    done = run("emulator", "--port", 0, "--state", "state.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: state.db is not a state file; choose another file\n"


def test_a_policy_and_signatures_are_checked(serving, tmp_path):
    statement = '{"Effect": "Allow", "Action": "license-manager:Checkout*", "Resource": "*"}'
    (tmp_path / "policy.json").write_text(f'{{"Statement": {statement}}}')
    with serving("--json", "--policy", "policy.json", "--verify-signatures") as emulator:
        assert check_out(emulator.said)["LicenseConsumptionToken"]
        using = client(emulator.said)
        with pytest.raises(using.exceptions.AccessDeniedException):
            using.list_received_licenses()
        with pytest.raises(using.exceptions.ClientError, match="InvalidSignatureException"):
            client(emulator.said, secret="wrong").list_received_licenses()


def test_a_policy_that_cannot_be_used(run, tmp_path):
    statement = '{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}'
    (tmp_path / "policy.json").write_text(f'{{"Statement": {statement}}}')
    done = run("emulator", "--policy", "policy.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--policy': policy.json: Statement[0]: Condition: " in done.stderr
