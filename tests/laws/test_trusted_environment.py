"""With ``trust_env=False`` no environment says which server is asked, by which proxy, or whose certificates count.

Each route is tried on a guard that follows the environment too: a hostile server that such a guard reaches is seen by
the test.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).parents[2]
HOST = "license-manager.us-east-1.amazonaws.com"
FINGERPRINT = "aws:444455556666:Acme:issuer-fingerprint"

# A process sends one request of each guard. It reaches this machine only, and hears that the host of License Manager
# is this machine too, as from a hosts file, where a test says so.
ASK = f"""
import contextlib, json, os, socket, sys
from meterguard import Entitlement, MeterGuard
from meterguard.ports import ServiceFault

find, looked_up = socket.getaddrinfo, []

def look_up(host, port, *rest, **how):
    looked_up.append(f"{{host}}:{{port}}")
    if host == "127.0.0.1":
        return find(host, port, *rest, **how)
    if host == {HOST!r} and "HOSTS_FILE" in os.environ:
        return find("127.0.0.1", int(os.environ["HOSTS_FILE"]), *rest, **how)
    raise socket.gaierror("no other machine is reached")

socket.getaddrinfo = look_up
for options in json.loads(sys.argv[1]):
    looked_up.clear()
    with MeterGuard("ACME-1", {FINGERPRINT!r}, timeout=10, **options) as guard, contextlib.suppress(ServiceFault):
        guard.engine.registry.exchange.service.check_out((Entitlement("Export", None, "None"),), "intent-1")
        sys.exit("an answer was believed")
    print(json.dumps(looked_up), flush=True)
    sys.stdin.readline()
"""


class Hostile(socketserver.ThreadingTCPServer):
    """Writes down what it is asked, and hangs up."""

    daemon_threads = True

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Listening)
        self.context, self.seen = context, []

    @property
    def port(self):
        return self.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


class Listening(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            # with a context a handshake that failed is nothing that was asked
            peer = (
                self.request
                if self.server.context is None
                else self.server.context.wrap_socket(self.request, server_side=True)
            )
            with peer:
                self.server.seen.append(peer.recv(9).decode("latin-1"))
        except OSError:
            pass


def serving(server):
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hostile():
    yield from serving(Hostile())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The file of an authority that nobody knows, and of the certificate that it gave for AWS's host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("authority")
    (folder / "authority.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    text = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*text))
    return folder


@pytest.fixture
def impostor(certificate):
    """A TLS server with a certificate for AWS's host, from an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "authority.pem", certificate / "key.pem")
    yield from serving(Hostile(context))


@pytest.fixture
def ask(tmp_path):
    """``ask(hostile, options, **variables)``: who saw a request of a guard with each of these options, and for whom it
    looked.
    """
    (tmp_path / ".aws").mkdir()

    def ask(hostile, *options, **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        program = [sys.executable, "-W", "error", "-c", ASK, json.dumps(options)]
        with subprocess.Popen(
            program, env=environment | variables, cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            for _ in options:
                looked_up = json.loads(process.stdout.readline())
                yield bool(hostile.seen), looked_up
                hostile.seen.clear()
                process.stdin.write("\n")
                process.stdin.flush()
        assert process.returncode == 0

    return ask


# -- the host ----------------------------------------------------------------------------------------


class Route(NamedTuple):
    """A way in which an environment names a server: variables, and files in the home directory."""

    variables: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, str] = MappingProxyType({})
    options: Mapping[str, str] = MappingProxyType({})
    host: str = f"{HOST}:443"
    """Who is asked by a guard that does not follow it."""
    boto_follows: bool = True


def rules(url):
    """Rules for endpoints, as they stand in a directory of models."""
    parameters = {
        name: {"builtIn": builtin, "type": kind, "documentation": "", "required": False}
        for name, builtin, kind in (
            ("Region", "AWS::Region", "String"),
            ("UseDualStack", "AWS::UseDualStack", "Boolean"),
            ("UseFIPS", "AWS::UseFIPS", "Boolean"),
            ("Endpoint", "SDK::Endpoint", "String"),
        )
    }
    endpoint = {"conditions": [], "endpoint": {"url": url, "properties": {}, "headers": {}}, "type": "endpoint"}
    return json.dumps({"version": "1.0", "parameters": parameters, "rules": [endpoint]})


RULES = "license-manager/2018-08-01/endpoint-rule-set-1.json"
PROFILE = "[default]\nendpoint_url = URL\n"
SERVICES = "[default]\nservices = mine\n[services mine]\nlicense_manager =\n  endpoint_url = URL\n"
PLAIN = {"endpoint_url": "http://license-manager.example"}
ROUTES = {
    "AWS_ENDPOINT_URL": Route({"AWS_ENDPOINT_URL": "URL"}),
    "AWS_ENDPOINT_URL_LICENSE_MANAGER": Route({"AWS_ENDPOINT_URL_LICENSE_MANAGER": "URL"}),
    "endpoint_url in ~/.aws/config": Route(files={".aws/config": PROFILE}),
    "endpoint_url in ~/.aws/credentials": Route(files={".aws/credentials": PROFILE}),
    "services in ~/.aws/config": Route(files={".aws/config": SERVICES}),
    "AWS_CONFIG_FILE": Route({"AWS_CONFIG_FILE": "~/mine"}, {"mine": SERVICES}),
    "AWS_SHARED_CREDENTIALS_FILE": Route({"AWS_SHARED_CREDENTIALS_FILE": "~/mine"}, {"mine": PROFILE}),
    "AWS_PROFILE": Route({"AWS_PROFILE": "p"}, {".aws/config": "[profile p]\nendpoint_url = URL\n"}),
    "~/.aws/models": Route(files={f".aws/models/{RULES}": "RULES"}),
    "AWS_DATA_PATH": Route({"AWS_DATA_PATH": "~/mine"}, {f"mine/{RULES}": "RULES"}),
    "data_path in ~/.aws/config": Route(
        files={".aws/config": "[default]\ndata_path = ~/mine\n", f"mine/{RULES}": "RULES"}
    ),
    "HTTPS_PROXY": Route({"HTTPS_PROXY": "URL"}),
    "https_proxy": Route({"https_proxy": "URL"}),
    "HTTP_PROXY": Route({"HTTP_PROXY": "URL"}, options=PLAIN, host="license-manager.example:80"),
    "http_proxy": Route({"http_proxy": "URL"}, options=PLAIN, host="license-manager.example:80"),
    "ALL_PROXY": Route({"ALL_PROXY": "URL"}, boto_follows=False),
    "all_proxy": Route({"all_proxy": "URL"}, boto_follows=False),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_server_that_the_environment_names_is_not_asked(ask, hostile, tmp_path, name):
    route = ROUTES[name]
    for path, text in route.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text.replace("URL", hostile.url).replace("RULES", rules(hostile.url)))
    variables = {
        name: text.replace("URL", hostile.url).replace("~", str(tmp_path)) for name, text in route.variables.items()
    }
    options = dict(route.options)
    trusting, closed = ask(hostile, options, options | {"trust_env": False}, **variables)
    assert trusting[0] is route.boto_follows
    assert closed == (False, [route.host])


# -- certificates ------------------------------------------------------------------------------------

CA_BUNDLE = "[default]\nca_bundle = FILE\n"
AUTHORITIES = {
    "AWS_CA_BUNDLE": Route({"AWS_CA_BUNDLE": "FILE"}),
    "REQUESTS_CA_BUNDLE": Route({"REQUESTS_CA_BUNDLE": "FILE"}),
    "ca_bundle in ~/.aws/config": Route(files={".aws/config": CA_BUNDLE}),
    "ca_bundle in ~/.aws/credentials": Route(files={".aws/credentials": CA_BUNDLE}),
    "ca_bundle in AWS_CONFIG_FILE": Route({"AWS_CONFIG_FILE": "~/mine"}, {"mine": CA_BUNDLE}),
    "CURL_CA_BUNDLE": Route({"CURL_CA_BUNDLE": "FILE"}, boto_follows=False),
    "SSL_CERT_FILE": Route({"SSL_CERT_FILE": "FILE"}, boto_follows=False),
    "SSL_CERT_DIR": Route({"SSL_CERT_DIR": "FOLDER"}, boto_follows=False),
}


@pytest.mark.parametrize("name", AUTHORITIES)
def test_an_authority_that_the_environment_names_is_not_believed(ask, impostor, certificate, tmp_path, name):
    route = AUTHORITIES[name]
    file = str(certificate / "authority.pem")
    for path, text in route.files.items():
        (tmp_path / path).write_text(text.replace("FILE", file))
    variables = {
        name: text.replace("FILE", file).replace("FOLDER", str(certificate)).replace("~", str(tmp_path))
        for name, text in route.variables.items()
    }
    trusting, closed = ask(impostor, {}, {"trust_env": False}, HOSTS_FILE=str(impostor.port), **variables)
    assert trusting == (route.boto_follows, [f"{HOST}:443"])
    assert closed == (False, [f"{HOST}:443"])


# -- what still comes from the environment -----------------------------------------------------------


def test_fips_endpoints_are_awss_own(ask, hostile):
    (asked,) = ask(hostile, {"trust_env": False}, AWS_USE_FIPS_ENDPOINT="true")
    assert asked == (False, ["license-manager-fips.us-east-1.amazonaws.com:443"])


def test_what_only_restricts_is_followed(make_guard, lm, licence, monkeypatch):
    monkeypatch.setenv("METERGUARD_LOOPBACK_ONLY", "1")
    guard = make_guard(lm, licence, endpoint_url=None, trust_env=False)
    with pytest.raises(Exception, match="METERGUARD_LOOPBACK_ONLY is set") as caught:
        guard.has_entitlement("Export")
    assert "meterguard.testing.point_at" in str(caught.value)
    assert "AWS_ENDPOINT_URL" not in str(caught.value)


def caller(lm):
    return lm.requests[-1].caller.access_key


def test_credentials_and_region_are_those_of_the_environment(lm, licence, make_guard, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text("[profile p]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:9\n")
    (tmp_path / "credentials").write_text("[p]\naws_access_key_id = of-profile\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "p")
    guard = make_guard(lm, licence, region_name=None, trust_env=False)
    assert guard.has_entitlement("Export")
    assert caller(lm) == "of-profile"
    assert "/us-east-1/license-manager/" in lm.requests[-1].headers["authorization"]


def test_rotated_credentials_are_picked_up(lm, licence, make_guard, monkeypatch):
    guard = make_guard(lm, licence, trust_env=False, denial_ttl=0)
    lm.faults.add("CheckoutLicense", error="ExpiredTokenException")
    assert not guard.has_entitlement("Export")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
    assert guard.has_entitlement("Export")
    assert caller(lm) == "second"


def test_a_session_lends_its_credentials_and_its_region(lm, licence, make_guard, hostile):
    session = boto3.Session("lent", "secret", region_name="us-east-1")

    def lead_away(request, **_):
        request.url = hostile.url

    session.events.register("before-send", lead_away)
    guard = make_guard(lm, licence, region_name=None, session=session, trust_env=False)
    assert guard.has_entitlement("Export")
    assert caller(lm) == "lent"
    assert "/us-east-1/license-manager/" in lm.requests[-1].headers["authorization"]
    assert hostile.seen == []


ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>assumed</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.mark.parametrize("has_session", [False, True])
def test_a_role_is_assumed_in_the_region_that_only_meterguard_knows(
    lm, licence, make_guard, monkeypatch, tmp_path, token_service, has_session
):
    """A source of credentials may be anywhere: what it gives is no licence."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    role = "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = keys\n"
    (tmp_path / "config").write_text(role)
    (tmp_path / "credentials").write_text("[keys]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", token_service.url)
    guard = make_guard(lm, licence, trust_env=False, session=boto3.Session() if has_session else None)
    assert guard.has_entitlement("Export")
    assert caller(lm) == "assumed"
    assert [b"Action=AssumeRole" in one for one in token_service.seen] == [True]


class Answering(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.server.seen.append(self.rfile.read(length))
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ASSUMED)}\r\nConnection: close\r\n\r\n"
        self.wfile.write((head + ASSUMED).encode())


@pytest.fixture
def token_service():
    """An STS that gives one answer."""
    server = Hostile()
    server.RequestHandlerClass = Answering
    yield from serving(server)


# -- arguments count ---------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path, hostile, monkeypatch):
    """A directory of models that leads to a hostile server."""
    (tmp_path / RULES).parent.mkdir(parents=True)
    (tmp_path / RULES).write_text(rules(hostile.url))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("trust_env", [True, False])
@pytest.mark.parametrize("has_session", [True, False])
def test_an_endpoint_in_code_beats_models(lm, licence, make_guard, hostile, models, trust_env, has_session):
    session = boto3.Session() if has_session else None
    guard = make_guard(lm, licence, session=session, trust_env=trust_env)
    assert guard.has_entitlement("Export")
    assert hostile.seen == []


def test_a_client_is_used_as_it_is(lm, licence, make_guard, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    client = boto3.client("license-manager")
    guard = make_guard(lm, licence, endpoint_url=None, client=client, trust_env=False)
    assert guard.has_entitlement("Export")


# -- redirects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trust_env", "followed"), [(True, "us-evil-1"), (False, None)])
def test_a_region_that_a_file_makes_up_is_not_followed(monkeypatch, tmp_path, trust_env, followed):
    from meterguard.aws.service import LicenseManager

    regions = ("us-east-1", "us-evil-1")
    service = {"endpoints": {region: {} for region in regions}}
    partition = {
        "partition": "aws",
        "partitionName": "evil",
        "dnsSuffix": "amazonaws.com",
        "regionRegex": "^us-.*$",
        "defaults": {"hostname": "{service}.{region}.{dnsSuffix}", "protocols": ["https"]},
        "regions": {region: {"description": ""} for region in regions},
        "services": {"license-manager": service},
    }
    (tmp_path / "endpoints.json").write_text(json.dumps({"version": 3, "partitions": [partition]}))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    monkeypatch.delenv("METERGUARD_LOOPBACK_ONLY")
    clients = LicenseManager(product_sku="A", key_fingerprint="F", timeout=5, trust_env=trust_env)._clients
    assert clients.elsewhere(clients.client(), "us-evil-1") == followed


# -- the store ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.parametrize("trust_env", [True, False])
def test_a_table_is_where_aws_has_it(hostile, monkeypatch, variable, trust_env):
    from meterguard import assembly

    monkeypatch.setenv(variable, hostile.url)
    store = assembly.shared_store("dynamodb://leases", trust_env=trust_env)
    endpoint = store._opened().meta.endpoint_url
    store.close()
    assert endpoint == (hostile.url if trust_env else "https://dynamodb.us-east-1.amazonaws.com")
