"""What AWS does not document, the other way round."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import jwt
import pytest

from meterguard.emulator import Behavior, Emulator, SeedError, load_seed
from tests.house.source import ROOT

SEATS = [("Seats", 3, "Count")]
BUYER, STRANGER = "222222222222", "333333333333"
PAGE = (ROOT / "docs" / "reference" / "emulator.md").read_text("utf-8")
REFUSALS = ["InvalidParameterValueException", "ValidationException", "NoEntitlementsAllowedException"]

DOCUMENTED = {"ServerInternalException": 500}
SMITHY = {
    **DOCUMENTED,
    "AccessDeniedException": 401,
    "AuthorizationException": 403,
    "ConflictException": 409,
    "RateLimitExceededException": 429,
    "RedirectException": 308,
}


@pytest.fixture
def serving(connect, take):
    """``serving(unit_return=60)``: an emulator with these switches, a client of it, and ``take`` for that client."""
    started = []

    def start(**switches):
        lm = Emulator(behavior=Behavior(**switches)).start()
        started.append(lm)
        lm.clock.freeze("2030-03-01T12:00:00Z")
        licence = lm.add_license("ACME-1", [*SEATS, ("Export", "on", "None")])
        client = connect(url=lm.url)
        return lm, client, lambda **more: take(**{"of": licence, "using": client, **more})

    yield start
    for lm in started:
        lm.close()


def ask(client, lm, *items, kind="PROVISIONAL", token="t"):
    """A checkout of items as they are written: ``("Seats", "Count", "1")``."""
    licence = lm.license("ACME-1")
    return client.checkout_license(
        ProductSKU=licence.product_sku,
        KeyFingerprint=licence.key_fingerprint,
        CheckoutType=kind,
        ClientToken=token,
        Entitlements=[dict(zip(("Name", "Unit", "Value"), item, strict=False)) for item in items],
    )


def names(answer):
    return {one["Name"]: one.get("Value") for one in answer["EntitlementsAllowed"]}


def token_of(answer):
    return {"LicenseConsumptionToken": answer["LicenseConsumptionToken"]}


def terms(client, licence):
    """What a licence says, as the terms of a new version of it."""
    said = client.get_license(LicenseArn=licence.arn)["License"]
    same = ("LicenseArn", "LicenseName", "ProductName", "HomeRegion", "Validity", "Entitlements", "Status")
    return {
        **{name: said[name] for name in same},
        "Issuer": {"Name": said["Issuer"]["Name"]},
        "ConsumptionConfiguration": said["ConsumptionConfiguration"],
        "ClientToken": "version",
    }


class TestThePage:
    """The table of open questions in the reference."""

    ROWS = re.findall(r"^\| (A-\d+|-) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)

    def test_every_open_question_has_a_row(self):
        assert [number for number, *_ in self.ROWS if number != "-"] == [f"A-{n}" for n in range(1, 23)]

    def test_every_row_names_a_switch_or_says_why_there_is_none(self):
        for number, _, answer in self.ROWS:
            named = set(re.findall(r"`([a-z_]+)`", answer))
            assert named <= Behavior.names(), number
            assert named or answer.startswith("No switch: "), number

    def test_every_switch_has_a_row(self):
        named = {name for *_, answer in self.ROWS for name in re.findall(r"`([a-z_]+)`", answer)}
        assert named == Behavior.names()

    def test_every_switch_is_turned_in_a_test(self):
        tests = "".join(one.read_text("utf-8") for one in (ROOT / "tests" / "emulator").glob("test_*.py"))
        assert not [name for name in Behavior.names() if not re.search(rf"\b{name}=|\"{name}\"", tests)]


class TestValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("extend_from", "Now"), ("dry_run", None), ("cut_at_end", 1), ("replay_window", -1)),
            *(("replay_window", "600"), ("lost_error", None), ("lost_error", ""), ("extend_cap", True)),
            *(("grants_per_license", 1.5), ("unfit_type_error", 4)),
        ],
    )
    def test_a_value_that_is_none_of_its_own(self, name, value):
        with pytest.raises(ValueError, match=rf"^{name}: .* is not one of its values, "):
            Behavior(**{name: value})

    def test_a_seed_is_told_so_too(self, tmp_path):
        seed = tmp_path / "seed.json"
        seed.write_text(json.dumps({"behavior": {"dry_run": "no"}}))
        with pytest.raises(SeedError, match=r"seed.json: .*dry_run: 'no' is not .* 'unchanged' or 'as_if' or 'empty'"):
            load_seed(seed)

    def test_the_defaults_are_values(self):
        Behavior(**{field.name: field.default for field in fields(Behavior)})


class TestRepeating:
    """A-1."""

    @pytest.mark.parametrize("error", ["InvalidParameterValueException", "ValidationException", "ConflictException"])
    def test_other_parameters(self, serving, code, error):
        lm, _, take = serving(replay_mismatch_error=error)
        take(Seats=1, token="same")
        with code(error):
            take(Seats=2, token="same")
        assert lm.usage("ACME-1") == {"Seats": 1}

    @pytest.mark.parametrize(("window", "taken"), [(600, 1), (10, 2), (0, 2)])
    def test_after_the_window(self, serving, window, taken):
        lm, _, take = serving(replay_window=window)
        take(Seats=1, token="same")
        lm.clock.advance(10)
        take(Seats=1, token="same")
        assert lm.usage("ACME-1") == {"Seats": taken}

    def test_a_failed_call_is_not_remembered(self, serving, code):
        _, _, take = serving()
        with code("NoEntitlementsAllowedException"):
            take(Seats=4, token="same")
        take(Seats=3, token="same")


class TestExtending:
    """A-2, A-3, A-17."""

    @pytest.mark.parametrize("error", ["ResourceNotFoundException", *REFUSALS[:2]])
    def test_what_is_lost(self, serving, code, error):
        lm, client, take = serving(lost_error=error)
        lapsed = take(Seats=1)
        lm.clock.advance(3600)
        suspended = take(Seats=1)
        lm.update_license("ACME-1", status="SUSPENDED")
        for answer in (lapsed, suspended):
            with code(error):
                client.extend_license_consumption(**token_of(answer))

    @pytest.mark.parametrize(("start", "until"), [("now", "13:10:00Z"), ("expiration", "14:00:00Z")])
    def test_from_now_or_from_the_old_expiration(self, serving, start, until):
        lm, client, take = serving(extend_from=start)
        answer = take(Seats=1)
        lm.clock.advance(600)
        assert client.extend_license_consumption(**token_of(answer))["Expiration"] == f"2030-03-01T{until}"

    def test_no_longer_than_the_cap(self, serving, code):
        lm, client, take = serving(extend_cap=5000)
        answer = take(Seats=1)
        for _ in range(2):
            lm.clock.advance(2000)
            again = client.extend_license_consumption(**token_of(answer))
        assert again["Expiration"] == "2030-03-01T13:23:20Z"
        lm.clock.advance(1000)
        assert lm.usage("ACME-1") == {"Seats": 0}
        with code("ResourceNotFoundException"):
            client.extend_license_consumption(**token_of(answer))

    def test_without_a_cap_for_ever(self, serving):
        lm, client, take = serving(extend_cap=None)
        answer = take(Seats=1)
        for _ in range(30):
            lm.clock.advance(3599)
            client.extend_license_consumption(**token_of(answer))
        assert lm.usage("ACME-1") == {"Seats": 1}

    @pytest.mark.parametrize(
        ("answered", "expiration"),
        [("unchanged", "2030-03-01T13:00:00Z"), ("as_if", "2030-03-01T13:10:00Z"), ("empty", None)],
    )
    def test_a_dry_run(self, serving, answered, expiration):
        lm, client, take = serving(dry_run=answered)
        answer = take(Seats=1)
        lm.clock.advance(600)
        assert client.extend_license_consumption(**token_of(answer), DryRun=True).get("Expiration") == expiration
        lm.clock.advance(3000)
        assert lm.usage("ACME-1") == {"Seats": 0}

    @pytest.mark.parametrize("answered", ["unchanged", "as_if", "empty"])
    def test_a_dry_run_of_what_cannot_be_extended(self, serving, code, answered):
        _, client, take = serving(dry_run=answered)
        answer = take(Seats=1)
        client.check_in_license(**token_of(answer))
        with code("ResourceNotFoundException"):
            client.extend_license_consumption(**token_of(answer), DryRun=True)


class TestReturning:
    """A-4, A-15, A-22."""

    @pytest.mark.parametrize("error", ["ResourceNotFoundException", "ConflictException", *REFUSALS[:2]])
    def test_what_cannot_be_returned_or_is_gone(self, serving, code, error):
        _, client, take = serving(check_in_refused_error=error, check_in_gone_error=error)
        drawn, held = take(Seats=1, kind="PERPETUAL"), take(Seats=1)
        client.check_in_license(**token_of(held))
        for answer in (drawn, held):
            with code(error):
                client.check_in_license(**token_of(answer))

    @pytest.mark.parametrize("can", [False, True])
    def test_where_the_licence_does_not_say(self, serving, take, code, can):
        lm, client, _ = serving(check_in_by_default=can)
        silent = lm.add_license("SILENT", [("Seats", 1, "Count", {"allow_check_in": None})])
        answer = take(Seats=1, of=silent, using=client)
        if can:
            client.check_in_license(**token_of(answer))
        else:
            with code("InvalidParameterValueException"):
                client.check_in_license(**token_of(answer))
        assert lm.usage(silent) == {"Seats": 0 if can else 1}

    def test_units_are_free_at_once(self, serving):
        lm, client, take = serving()
        client.check_in_license(**token_of(take(Seats=3)))
        assert lm.usage("ACME-1") == {"Seats": 0}
        take(Seats=3)

    def test_units_are_free_later(self, serving, code):
        lm, client, take = serving(units_return_after=60)
        answer = take(Seats=3)
        client.check_in_license(**token_of(answer))
        assert (lm.usage("ACME-1"), lm.checkouts()) == ({"Seats": 3}, [])
        with code("NoEntitlementsAllowedException"):
            take(Seats=1)
        for again in (client.check_in_license, client.extend_license_consumption):
            with code("ResourceNotFoundException"):
                again(**token_of(answer))
        lm.clock.advance(60)
        assert lm.usage("ACME-1") == {"Seats": 0}
        take(Seats=3)

    def test_but_never_later_than_they_would_lapse(self, serving):
        lm, client, take = serving(units_return_after=60)
        answer = take(Seats=3)
        lm.clock.advance(3590)
        client.check_in_license(**token_of(answer))
        lm.clock.advance(10)
        take(Seats=3)

    @pytest.mark.parametrize("bound", [True, False])
    def test_a_token_in_other_hands(self, serving, connect, code, bound):
        lm, _, take = serving(token_bound_to_account=bound)
        stranger, answer = connect(STRANGER, url=lm.url), take(Seats=1)
        for call in (stranger.extend_license_consumption, stranger.check_in_license):
            if bound:
                with code("ResourceNotFoundException"):
                    call(**token_of(answer))
            else:
                call(**token_of(answer))
        assert lm.usage("ACME-1") == {"Seats": 1 if bound else 0}

    def test_a_checkout_may_belong_to_its_region(self, connect, take, code):
        with Emulator(behavior=Behavior(token_bound_to_region=True)) as lm:
            here, away = connect(url=lm.url), connect(url=lm.url, region="eu-west-1")
            token = take(Seats=1, of=lm.add_license("ACME-1", SEATS), using=away)["LicenseConsumptionToken"]
            with code("ResourceNotFoundException"):
                here.extend_license_consumption(LicenseConsumptionToken=token)
            with code("ResourceNotFoundException"):
                here.check_in_license(LicenseConsumptionToken=token)
            away.extend_license_consumption(LicenseConsumptionToken=token)
            away.check_in_license(LicenseConsumptionToken=token)
            assert lm.usage("ACME-1") == {"Seats": 0}

    def test_a_checkout_belongs_to_no_region_by_default(self, connect, licence, take):
        token = take(Seats=1, using=connect(region="eu-west-1"))["LicenseConsumptionToken"]
        connect().check_in_license(LicenseConsumptionToken=token)


class TestTypes:
    """A-5, A-7."""

    @pytest.mark.parametrize("error", [None, *REFUSALS])
    def test_a_type_that_the_entitlement_is_not_for(self, serving, take, code, error):
        lm, client, _ = serving(unfit_type_error=error)
        drawn = lm.add_license("DRAWN", SEATS, allow_check_in=False)
        floating = lm.license("ACME-1")
        for of, kind in ((drawn, "PROVISIONAL"), (floating, "PERPETUAL")):
            if error is None:
                take(Seats=1, of=of, kind=kind, using=client)
            else:
                with code(error):
                    take(Seats=1, of=of, kind=kind, using=client)
        for of, kind in ((drawn, "PERPETUAL"), (floating, "PROVISIONAL")):
            take(Seats=1, of=of, kind=kind, using=client)
        assert lm.usage("ACME-1") == lm.usage("DRAWN") == {"Seats": 2 if error is None else 1}

    @pytest.mark.parametrize("error", ["InvalidParameterValueException", "NoEntitlementsAllowedException"])
    def test_a_licence_that_is_only_drawn_from(self, serving, take, code, error):
        lm, client, _ = serving(not_provisional_error=error)
        with code(error):
            take(Seats=1, of=lm.add_license("DRAWN", SEATS, ttl=None), using=client)

    def test_a_perpetual_feature_is_like_a_provisional_one(self, serving, code):
        lm, client, take = serving()
        for _ in range(5):
            answer = take(Export=None, kind="PERPETUAL")
        assert (names(answer), answer["Expiration"]) == ({"Export": "on"}, "2030-03-01T13:00:00")
        assert lm.usage("ACME-1") == {"Seats": 0}
        lm.clock.advance(600)
        assert client.extend_license_consumption(**token_of(answer))["Expiration"] == "2030-03-01T13:10:00Z"
        client.check_in_license(**token_of(answer))
        with code("ResourceNotFoundException"):
            client.check_in_license(**token_of(answer))

    @pytest.mark.parametrize("error", REFUSALS)
    def test_a_perpetual_feature_is_refused(self, serving, code, error):
        lm, _, take = serving(perpetual_feature_error=error)
        with code(error):
            take(Seats=1, Export=None, kind="PERPETUAL")
        assert lm.usage("ACME-1") == {"Seats": 0}
        take(Export=None)
        take(Seats=1, kind="PERPETUAL")


class TestItems:
    """A-8, A-19, A-20."""

    @pytest.mark.parametrize(("reduce", "given"), [(False, None), (True, "2")])
    def test_too_few_units_are_left(self, serving, code, reduce, given):
        lm, _, take = serving(reduce_value=reduce)
        take(Seats=1)
        assert names(take(Seats=3, Export=None)).get("Seats") == given
        assert lm.usage("ACME-1") == {"Seats": 1 + int(given or 0)}

    @pytest.mark.parametrize("error", REFUSALS)
    @pytest.mark.parametrize(
        "items",
        [
            *([("Seats", "Count", value)] for value in ("0", "-1", "1.5", "1e1", "+1", "one")),
            [("Seats", "Count", "1"), ("Seats", "Count", "1")],
            [("Export", "None"), ("Export", "None")],
        ],
    )
    def test_a_bad_item(self, serving, code, items, error):
        lm, client, _ = serving(bad_item_error=error)
        with code(error):
            ask(client, lm, *items)
        assert lm.usage("ACME-1") == {"Seats": 0}

    def test_0_of_what_is_counted(self, serving, code):
        lm, client, _ = serving(zero_units=True)
        for n in range(2):
            assert names(ask(client, lm, ("Seats", "Count", "0"), token=str(n))) == {"Seats": "0"}
            ask(client, lm, ("Seats", "Count", "3"), token="all")
        assert lm.usage("ACME-1") == {"Seats": 3}
        with code("ValidationException"):
            ask(client, lm, ("Seats", "Count", "-1"), token="less")

    @pytest.mark.parametrize("zero", [False, True])
    def test_0_of_a_feature_is_always_taken(self, serving, zero):
        lm, client, _ = serving(zero_units=zero, feature_value="refuse")
        assert names(ask(client, lm, ("Export", "None", "0"))) == {"Export": "on"}

    @pytest.mark.parametrize("value", ["on", "1.5", "-1"])
    def test_a_text_asked_of_a_feature(self, serving, code, value):
        lm, client, _ = serving(feature_value="refuse")
        with code("ValidationException"):
            ask(client, lm, ("Export", "None", value))
        lm, client, _ = serving(feature_value="ignore")
        assert names(ask(client, lm, ("Export", "None", value))) == {"Export": "on"}

    def test_a_name_twice_is_summed(self, serving, code):
        lm, client, _ = serving(duplicate_names="sum")
        items = [("Seats", "Count", "1"), ("Export", "None"), ("Seats", "Count", "2"), ("Export", "None")]
        answer = ask(client, lm, *items)
        assert names(answer) == {"Seats": "3", "Export": "on"}
        assert len(answer["EntitlementsAllowed"]) == 2
        assert lm.usage("ACME-1") == {"Seats": 3}

    def test_a_sum_that_is_too_much_is_refused(self, serving, code):
        lm, client, _ = serving(duplicate_names="sum")
        with code("NoEntitlementsAllowedException"):
            ask(client, lm, *[("Seats", "Count", "1")] * 4)

    def test_of_a_name_in_two_units_only_the_right_one_is_given(self, serving):
        lm, client, _ = serving(duplicate_names="sum")
        assert names(ask(client, lm, ("Seats", "None"), ("Seats", "Count", "1"))) == {"Seats": "1"}


class TestNodes:
    """A-18."""

    def test_a_node_takes_a_seat_each_time(self, serving, code):
        lm, _, take = serving()
        tokens = {take(Seats=1, NodeId="n")["LicenseConsumptionToken"] for _ in range(3)}
        assert (len(tokens), lm.usage("ACME-1")) == (3, {"Seats": 3})
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, NodeId="n")

    def test_a_node_keeps_its_seat(self, serving):
        lm, client, take = serving(node_keeps_seat=True)
        first = take(Seats=2, NodeId="n")
        lm.clock.advance(600)
        again = take(Seats=2, NodeId="n")
        assert token_of(again) == token_of(first)
        assert (again["IssuedAt"], again["Expiration"]) == ("2030-03-01T12:10:00", "2030-03-01T13:10:00")
        assert (again["NodeId"], lm.usage("ACME-1")) == ("n", {"Seats": 2})
        client.check_in_license(**token_of(first))
        assert lm.usage("ACME-1") == {"Seats": 0}
        assert token_of(take(Seats=2, NodeId="n")) != token_of(first)

    @pytest.mark.parametrize(
        "other", [{"NodeId": "m"}, {}, {"NodeId": "n", "Export": None}, {"NodeId": "n", "kind": "PERPETUAL"}]
    )
    def test_but_no_other(self, serving, other):
        lm, _, take = serving(node_keeps_seat=True)
        take(Seats=1, NodeId="n")
        take(Seats=1, **other)
        assert lm.usage("ACME-1") == {"Seats": 2}


class TestVersions:
    """A-16."""

    @pytest.mark.parametrize("ends", [False, True])
    def test_what_is_held_over_a_new_version(self, serving, code, ends):
        lm, client, take = serving(version_ends_checkouts=ends)
        take(Seats=1, kind="PERPETUAL")
        held = take(Seats=1)
        lm.update_license("ACME-1", entitlements=[("Seats", 5, "Count")])
        assert lm.usage("ACME-1") == {"Seats": 1 if ends else 2}
        if not ends:
            client.extend_license_consumption(**token_of(held))
            return
        with code("ResourceNotFoundException"):
            client.extend_license_consumption(**token_of(held))

    @pytest.mark.parametrize("ends", [False, True])
    def test_what_is_held_over_a_reset(self, serving, take, ends):
        lm, client, _ = serving(reset_ends_checkouts=ends)
        licence = lm.add_license("OWN", SEATS, issuer_account=lm.account_id, beneficiary="Jo")
        for kind in ("PERPETUAL", "PROVISIONAL"):
            take(Seats=1, of=licence, using=client, kind=kind, Beneficiary="Jo")
        client.create_license_version(**terms(client, licence), ResetUsage=True)
        assert lm.usage(licence) == {"Seats": 0 if ends else 1}

    @pytest.mark.parametrize("error", ["ConflictException", "ResourceNotFoundException"])
    def test_a_version_of_what_is_deleted(self, serving, code, error):
        lm, client, _ = serving(deleted_license_error=error)
        licence = lm.add_license("OWN", SEATS, issuer_account=lm.account_id)
        wanted = terms(client, licence)
        client.delete_license(LicenseArn=licence.arn, SourceVersion="1")
        with code(error):
            client.create_license_version(**wanted)

    @pytest.mark.parametrize("allowed", [False, True])
    def test_a_status_that_the_service_gives(self, serving, code, allowed):
        lm, client, _ = serving(any_version_status=allowed)
        wanted = terms(client, lm.add_license("OWN", SEATS, issuer_account=lm.account_id)) | {"Status": "EXPIRED"}
        if allowed:
            assert client.create_license_version(**wanted)["Status"] == "EXPIRED"
            return
        with code("ValidationException"):
            client.create_license_version(**wanted)


class TestNotToBeHad:
    """A-13: the errors of a licence that cannot be had."""

    @pytest.mark.parametrize("error", ["ResourceNotFoundException", "NoEntitlementsAllowedException"])
    @pytest.mark.parametrize(
        ("switch", "change"),
        [
            ("unknown_sku_error", None),
            ("unusable_license_error", {"status": "SUSPENDED"}),
            ("pending_license_error", {"status": "PENDING_AVAILABLE"}),
        ],
    )
    def test_its_error(self, serving, connect, take, code, switch, change, error):
        lm, _, take = serving(**{switch: error})
        who = {}
        if change is None:
            who = {"using": connect(STRANGER, url=lm.url)}
        else:
            lm.update_license("ACME-1", **change)
        with code(error):
            take(Seats=1, **who)

    @pytest.mark.parametrize("error", ["InvalidParameterValueException", "NoEntitlementsAllowedException"])
    def test_an_issuer_who_names_no_beneficiary(self, serving, take, code, error):
        lm, client, _ = serving(missing_beneficiary_error=error)
        own = lm.add_license("OWN", SEATS, issuer_account=lm.account_id)
        with code(error):
            take(Seats=1, of=own, using=client)


class TestBorrowing:
    """A-6."""

    @pytest.mark.parametrize("error", [*REFUSALS, "EntitlementNotAllowedException"])
    def test_its_errors(self, serving, code, error):
        lm, client, _ = serving(not_borrowable_error=error, borrow_partly_error=error, no_sign_key_error=error)
        plain = lm.license("ACME-1")
        keyless = lm.add_license("KEYLESS", SEATS, borrow_ttl=60, sign_key=None)
        scarce = lm.add_license("SCARCE", [*SEATS, ("Drops", 1, "Count")], borrow_ttl=60)
        for licence, drops in ((plain, "1"), (keyless, "1"), (scarce, "2")):
            with code(error):
                client.checkout_borrow_license(
                    LicenseArn=licence.arn,
                    DigitalSignatureMethod="JWT_PS384",
                    ClientToken="t",
                    Entitlements=[
                        {"Name": "Seats", "Unit": "Count", "Value": "1"},
                        {"Name": "Drops", "Unit": "Count", "Value": drops},
                    ],
                )
            assert not lm.checkouts(licence)


class TestStatuses:
    """The two tables of HTTP statuses that AWS has published."""

    @pytest.mark.parametrize(("smithy", "table"), [(False, DOCUMENTED), (True, SMITHY)])
    def test_every_error_has_its_status(self, serving, code, smithy, table):
        lm, client, take = serving(smithy_statuses=smithy)
        errors = client.meta.service_model.error_shapes
        assert len(errors) == 17
        for error in errors:
            lm.faults.add("CheckoutLicense", error=error.name)
            with code(error.name) as refusal:
                take(Seats=1)
            assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == table.get(error.name, 400), error.name


class TestRegions:
    """A-10."""

    def test_a_pool_is_one_in_all_regions(self, lm, connect, take, code):
        for region in ("us-east-1", "eu-west-1", "ap-southeast-2"):
            take(Seats=1, using=connect(region=region))
        assert lm.usage("ACME-1") == {"Seats": 3}
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, using=connect(region="sa-east-1"))


class TestGrants:
    """A-12 and the rest of what grants leave open."""

    @pytest.mark.parametrize("error", ["AuthorizationException", "AccessDeniedException"])
    def test_what_a_grant_does_not_allow(self, serving, code, error):
        lm, client, take = serving(not_granted_error=error, no_organization_error=error)
        lm.receive("ACME-1", operations=["CheckInLicense"])
        with code(error):
            take(Seats=1)
        with code(error):
            client.list_received_licenses_for_organization()

    @pytest.mark.parametrize("error", ["InvalidParameterValueException", "ResourceLimitExceededException"])
    def test_a_grant_that_is_not_in_a_state_for_it(self, serving, code, error):
        _, client, _ = serving(grant_state_error=error)
        (grant,) = client.list_received_grants()["Grants"]
        with code(error):
            client.accept_grant(GrantArn=grant["GrantArn"])

    @pytest.mark.parametrize(("switch", "own"), [("grant_to_oneself", "111122223333"), ("grant_away_from_home", BUYER)])
    @pytest.mark.parametrize("allowed", [False, True])
    def test_grants_that_are_made_or_not(self, serving, code, switch, own, allowed):
        lm, client, _ = serving(**{switch: allowed})
        licence = lm.add_license("OWN", SEATS, issuer_account=lm.account_id)
        wanted = {
            "ClientToken": "t",
            "GrantName": "G",
            "LicenseArn": licence.arn,
            "Principals": [f"arn:aws:iam::{own}:root"],
            "HomeRegion": "eu-west-1" if switch == "grant_away_from_home" else lm.region,
            "AllowedOperations": ["CheckoutLicense"],
        }
        if allowed:
            client.create_grant(**wanted)
            return
        with code("InvalidParameterValueException"):
            client.create_grant(**wanted)

    @pytest.mark.parametrize("may", [False, True])
    def test_a_granter_who_activates(self, serving, connect, take, code, may):
        lm, client, _ = serving(granter_may_activate=may)
        buyer = connect(BUYER, url=lm.url)
        licence = lm.add_license("OWN", SEATS, issuer_account=lm.account_id, beneficiary="Jo")
        grant = client.create_grant(
            ClientToken="t",
            GrantName="G",
            LicenseArn=licence.arn,
            Principals=[f"arn:aws:iam::{BUYER}:root"],
            HomeRegion=lm.region,
            AllowedOperations=["CheckoutLicense"],
        )["GrantArn"]
        buyer.accept_grant(GrantArn=grant)
        if may:
            client.create_grant_version(ClientToken="v", GrantArn=grant, Status="ACTIVE")
            take(Seats=1, of=licence, using=buyer)
            return
        with code("AuthorizationException"):
            client.create_grant_version(ClientToken="v", GrantArn=grant, Status="ACTIVE")
        with code("ResourceNotFoundException"):
            take(Seats=1, of=licence, using=buyer)


def test_a_checkout_may_outlive_its_licence(connect, take):
    with Emulator(behavior=Behavior(cut_at_end=False)) as lm:
        lm.clock.freeze("2030-03-01T12:00:00Z")
        licence = lm.add_license("ACME-1", SEATS, end="2030-03-01T12:10:00Z")
        assert take(Seats=1, of=licence, using=connect(url=lm.url))["Expiration"] == "2030-03-01T13:00:00"


def test_every_checkout_may_be_signed(connect, take):
    with Emulator(behavior=Behavior(sign_checkouts=True)) as lm:
        answer = take(Seats=1, of=lm.add_license("ACME-1", SEATS), using=connect(url=lm.url))
        payload = jwt.decode(answer["SignedToken"], lm.public_key_pem, algorithms=["PS384"])
        assert payload["licenseConsumptionToken"] == answer["LicenseConsumptionToken"]
        assert payload["expiration"] == answer["Expiration"]


def test_checkouts_are_not_signed_by_default(licence, take):
    assert "SignedToken" not in take(Seats=1)
