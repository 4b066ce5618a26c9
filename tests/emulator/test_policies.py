"""What IAM policies allow and refuse, and which of them are not loaded."""

from __future__ import annotations

import json

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from meterguard.emulator import Emulator, PolicyError

PREFIX = "license-manager:"
OTHER = "222222222222"


def statement(effect="Allow", action="*", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.fixture
def limited(environment):
    """``limited(policy)``: an emulator with that policy, which serves, and holds a licence."""
    made = []

    def make(policy, **options):
        made.append(Emulator(policy=policy, **options).start())
        made[-1].add_license("ACME-1", [("Seats", 3, "Count")])
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def may(limited, connect):
    """``may(*statements)``: which of three reading operations these allow."""

    def find(*statements):
        lm = limited(document(*statements))
        client, arn = connect(url=lm.url), lm.license("ACME-1").arn
        calls = {
            "GetLicense": lambda: client.get_license(LicenseArn=arn),
            "ListLicenses": client.list_licenses,
            "ListTokens": client.list_tokens,
        }
        return {name for name, call in calls.items() if not refusal(client, call)}

    return find


def refusal(client, call):
    try:
        call()
    except client.exceptions.AccessDeniedException as error:
        return error.response["Error"]["Message"]
    return None


ALL = {"GetLicense", "ListLicenses", "ListTokens"}
LISTS = {"ListLicenses", "ListTokens"}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([statement()], ALL),
        ([], set()),
        ([statement(action=PREFIX + "*")], ALL),
        ([statement(action=PREFIX + "List*")], LISTS),
        ([statement(action="LICENSE-manager:listTOKENS")], {"ListTokens"}),
        ([statement(action=PREFIX + "ListToken?")], {"ListTokens"}),
        ([statement(action=PREFIX + "?istLicense")], set()),
        ([statement(action=PREFIX + "List[LT]*")], set()),
        ([statement(action=[PREFIX + "GetLicense", PREFIX + "ListLicenses"])], {"GetLicense", "ListLicenses"}),
        ([statement(action=[])], set()),
        ([statement(action=["s3:*", "license-manager-user-subscriptions:*"])], set()),
        ([statement(), statement("Deny", PREFIX + "List*")], {"GetLicense"}),
        ([statement("Deny", PREFIX + "List*"), statement()], {"GetLicense"}),
        ([statement("Deny", PREFIX + "List*")], set()),
        ([{"Effect": "Allow", "NotAction": PREFIX + "Get*", "Resource": "*"}], LISTS),
        ([statement(), {"Effect": "Deny", "NotAction": [PREFIX + "Get*", "s3:*"], "Resource": "*"}], {"GetLicense"}),
        ([statement(resource="arn:aws:license-manager::444455556666:license:l-*")], {"GetLicense"}),
        ([statement(resource="arn:aws:license-manager::4444?5556666:license:*")], {"GetLicense"}),
        ([statement(resource="arn:aws:license-manager::111122223333:*")], set()),
        ([statement(resource="ARN:AWS:*".lower())], {"GetLicense"}),
        ([statement(resource="arn:aws:License-Manager:*")], set()),
        ([statement(), statement("Deny", resource="arn:aws:license-manager::444455556666:*")], LISTS),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:*"}], LISTS),
    ],
)
def test_what_statements_allow(may, statements, allowed):
    assert may(*statements) == allowed


def test_a_refusal_is_worded_and_numbered_as_the_service_does(limited, connect):
    lm = limited(document(statement("Deny", PREFIX + "GetLicense"), statement(action=PREFIX + "GetLicense")))
    client, arn = connect(url=lm.url), lm.license("ACME-1").arn
    user = "User: arn:aws:iam::111122223333:user/testing is not authorized to perform: license-manager:"
    assert refusal(client, client.list_licenses) == (
        f"{user}ListLicenses on resource: * because no identity-based policy allows the "
        "license-manager:ListLicenses action"
    )
    assert refusal(client, lambda: client.get_license(LicenseArn=arn)) == (
        f"{user}GetLicense on resource: {arn} because of an explicit deny in an identity-based policy"
    )
    assert [(one.status, one.error) for one in lm.requests] == [(400, "AccessDeniedException")] * 2


def test_what_is_refused_takes_nothing(limited, connect, take):
    lm = limited(document(statement(action=PREFIX + "Get*")))
    client = connect(url=lm.url)
    with pytest.raises(client.exceptions.AccessDeniedException):
        take(Seats=1, using=client, of=lm.license("ACME-1"))
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_permission_is_asked_before_what_was_asked_is_looked_at(limited, connect, post):
    lm = limited(document(statement(action=PREFIX + "Get*")))
    client = connect(url=lm.url, config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    assert "not authorized" in refusal(client, lambda: client.checkout_license(ProductSKU=7))


def test_callers_can_have_a_policy_each(limited, connect):
    policies = {OTHER: document(), "AKIAREADER": document(statement(action=PREFIX + "ListTokens"))}
    lm = limited(policies, accounts={"AKIAREADER": OTHER, "AKIATWO": OTHER})
    found = {}
    for key in ("AKIAREADER", "AKIATWO", OTHER, "testing"):
        client = connect(access_key=key, url=lm.url)
        found[key] = [refusal(client, call) is None for call in (client.list_tokens, client.list_licenses)]
    assert found == {
        "AKIAREADER": [True, False],
        "AKIATWO": [False, False],
        OTHER: [False, False],
        "testing": [True, True],
    }


def test_a_policy_can_be_a_file(limited, connect, tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"Statement": statement(action=PREFIX + "ListTokens")}))
    for policy in (file, str(file), {"testing": file}):
        client = connect(url=limited(policy).url)
        assert refusal(client, client.list_tokens) is None
        assert refusal(client, client.list_licenses)


def test_access_is_asked_for_without_any_identity(limited, connect, code):
    lm = limited(document())
    anonymous = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    with code("AuthorizationException"):
        connect(url=lm.url, config=anonymous).get_access_token(Token="a.b.c")
    client = connect(url=lm.url)
    assert refusal(client, lambda: client.get_access_token(Token="a.b.c"))
    unsigned = connect(url=lm.url, config=anonymous)
    assert "user/anonymous" in refusal(unsigned, unsigned.list_licenses)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"Statement": statement(Condition={"Bool": {"aws:SecureTransport": "true"}})}, r"Statement\[0\]: Condition: "),
        ({"Statement": [statement(), statement(Condition={})]}, r"Statement\[1\]: Condition: "),
        ({"Statement": statement(Principal="*")}, r"the emulator does not know Principal"),
        ({"Statement": statement(effect="allow")}, r"Effect: 'allow' is neither"),
        ({"Statement": {"Effect": "Allow", "Resource": "*"}}, r"needs either Action or NotAction"),
        ({"Statement": statement(NotAction="*")}, r"needs either Action or NotAction"),
        ({"Statement": {"Effect": "Allow", "Action": "*"}}, r"needs either Resource or NotResource"),
        ({"Statement": statement(action="CheckoutLicense")}, r"Action: 'CheckoutLicense' is not a pattern"),
        ({"Statement": statement(action=[7])}, r"Action: 7 is not a pattern"),
        ({"Statement": statement(resource="license")}, r"Resource: 'license' is not a pattern"),
        ({"Statement": statement(resource="arn:aws:*:${aws:username}")}, r"Resource: .*username.* is not a pattern"),
        ({"Statement": ["all"]}, r"Statement\[0\]: a statement must be a table"),
        ({"Statement": [], "Version": "2024-01-01"}, r"Version: '2024-01-01' is not one of 2012-10-17"),
        ({"Statement": [], "Statements": []}, r"the emulator does not know Statements"),
        ({"111122223333": {"Statments": []}}, r"^111122223333: a policy must be a table with a Statement"),
        ({"testing": 7}, r"^testing: a policy must be a table"),
    ],
)
def test_what_is_not_understood_is_not_loaded(policy, message):
    with pytest.raises(PolicyError, match=message):
        Emulator(policy=policy)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", r"^p\.json is not JSON"), ("[]", r"^p\.json: a policy must be"), (None, r"^p\.json: No such file")],
)
def test_a_file_that_is_no_policy(tmp_path, text, message):
    file = tmp_path / "p.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PolicyError, match=message):
        Emulator(policy=file, state=tmp_path / "state.db")
    Emulator(state=tmp_path / "state.db").close()  # nobody holds it


def test_the_operations_with_a_resource_have_it_in_their_model():
    """Each names it in a member that the caller has to give."""
    from botocore.session import Session

    from meterguard.emulator.protocol.policies import _NAMED_BY

    models = {name: Session().get_service_model(name) for name in ("kms", "license-manager")}
    for operation, member in _NAMED_BY.items():
        model = models["kms" if member == "KeyId" else "license-manager"]
        assert member in model.operation_model(operation).input_shape.required_members, operation
