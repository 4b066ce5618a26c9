"""The `Emulator`: the service in a box, which a test sets up and looks into."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Self, Unpack

from .admin.journal import Journal, Request
from .admin.seeds import Seed, load_seed
from .faults.fault import Fault
from .faults.options import FaultOptions
from .faults.queue import Faults
from .holdings import Holdings, IssuedLicense
from .marketplace import Marketplace
from .options import check_arguments, check_options
from .products import Shop
from .protocol.errors import EmulatorBug
from .protocol.moments import Moment
from .protocol.policies import Policy, authorizer
from .protocol.sigv4 import verifier
from .serving.access import Access
from .serving.dispatch import Dispatcher
from .state.clock import Clock
from .state.identifiers import Identifiers
from .state.licenses import Checkout, License
from .state.persistence import keep
from .state.pools import State
from .state.signing_key import SigningKey
from .state.switches import Behavior
from .state.terms import ISSUER_NAME, EntitlementLike, LicenseChanges, MoreTerms

if TYPE_CHECKING:
    from .serving.server import HttpServer

__all__ = ("ACCOUNT", "Emulator")

ACCOUNT = "111122223333"


class Emulator(Marketplace):
    """An AWS License Manager on this machine, with its neighbours, for tests and demonstrations.

    The neighbours are what it needs of KMS and STS, and the metering and the entitlements of AWS Marketplace.

    It serves HTTP on a port of the loopback interface while it is started: in a ``with`` block, or between
    :meth:`start` and :meth:`stop`. All durations are in seconds.

    Args:
        port: The port to serve on; 0: a free one.
        seed: The path of a seed file, or the result of `load_seed`.
        account_id: The account of a caller whose access key is not in ``accounts`` and not twelve digits.
        region: The Region of requests that were not signed, and of the licences added here.
        accounts: Access keys and the accounts they belong to.
        organizations: ARNs of organizations and organizational units, and the accounts in them.
        clock: The emulator's clock; by default a new one that starts at the true time.
        behavior: The switches for what AWS does not document.
        random_seed: Makes ids and tokens the same in every run.
        state: A file that keeps licences, checkouts and all else that a client could miss after a restart. It is
            created if it is missing. None: everything is in memory.
        verify_signatures: True: requests must be signed, with the secret ``testing`` or that of the access key in
            a mapping.
        policy: An IAM policy for all callers, or its JSON file. A mapping of access keys and accounts to
            policies holds for those callers only.
        most_requests: The number of the latest requests to remember; None: all.
        on_request: Called with each request once it is answered or dropped, in the thread that serves.

    Raises:
        PolicyError: The policy is wrong, or has more than the emulator can check.
        StateError: The file is in use, not one of an emulator, or cannot be written.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        seed: Seed | str | os.PathLike[str] | None = None,
        account_id: str | None = None,
        region: str | None = None,
        accounts: Mapping[str, str] | None = None,
        organizations: Mapping[str, Sequence[str]] | None = None,
        clock: Clock | None = None,
        behavior: Behavior | None = None,
        random_seed: int | None = None,
        state: str | os.PathLike[str] | None = None,
        verify_signatures: bool | Mapping[str, str] = False,
        policy: Policy | None = None,
        most_requests: int | None = None,
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        check_options({name: value for name, value in locals().items() if name != "self"})
        planted, authorize = _planted(seed), authorizer(policy)
        self._kept = keep(state, clock)
        self._identifiers = Identifiers(random_seed, self._kept.settings.get("starts", 0))
        self._state = State(behavior or planted.behavior or Behavior(), self._identifiers.new, self._kept.table)
        self.account_id = account_id or planted.account_id or ACCOUNT
        self.region = region or planted.region or "us-east-1"
        self.clock = self._kept.clock
        self._signing_key = SigningKey(self._kept.settings, self._kept.lock, self._state.kms_keys)
        self._holdings = Holdings(
            self._state, self._kept, self._identifiers, self.account_id, self.region, self._signing_key
        )
        self._shop = Shop(self._state, self._kept, self._identifiers, self.account_id)
        self.accounts = {**planted.accounts, **(accounts or {})}
        self.organizations = self._state.organizations
        self.organizations.update({**planted.organizations, **(organizations or {})})
        self.faults = Faults(self.clock)
        self._journal = Journal(most_requests, on_request)
        sessions = self._state.sessions
        verify = verifier(verify_signatures, sessions.secrets_of)
        self._dispatcher = Dispatcher(
            self._state,
            self._kept,
            self.faults,
            self._journal,
            Access(self.accounts, self.account_id, self.region, sessions, verify, authorize),
            new_id=self._identifiers.new,
            signing=self._signing_key,
        )
        self._port = port
        self._server: HttpServer | None = None
        self._begin(planted)

    def __repr__(self) -> str:
        return f"<Emulator {self.url if self.is_running else 'not started'}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None and self._dispatcher.bugs:
            raise EmulatorBug("the emulator failed to answer a request") from self._dispatcher.bugs[0]

    # Serving

    def start(self) -> Self:
        """Serve, and return as soon as requests are answered. A stopped emulator starts again on its old port."""
        self._kept.require()
        if self._server is None:
            from .serving.server import HttpServer

            self._server = HttpServer(self._dispatcher, self, self._port)
        self._server.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection. Licences and checkouts stay."""
        if self._server is not None:
            self._server.stop()

    def close(self) -> None:
        """Stop for good, and release the state file if there is one. Later changes are not kept."""
        self.stop()
        self._kept.release()

    @contextmanager
    def in_process(self) -> Iterator[Self]:
        """Answer the botocore clients of this process without a socket, for the length of a ``with`` block.

        It answers the clients that are made in the block, whatever their endpoint is; for an older client there is
        :meth:`attach`. Requests to the neighbours are answered if they would go to AWS and moto's ``mock_aws`` does not
        answer them in the same test; all others go on. A fault waits on the thread that asks, where no time-out of the
        client ends the wait.
        """
        from .serving.in_process import answering

        with answering(self._dispatcher):
            yield self

    def attach(self, to: object) -> None:
        """Answer a boto3 client, or the clients that a session makes from now on, without a socket.

        Args:
            to: A client of License Manager or a neighbour, or a ``boto3.Session``. It stays attached.
        """
        from .serving.in_process import attach

        attach(self._dispatcher, to)

    @property
    def is_running(self) -> bool:
        """Return whether the emulator serves."""
        return self._server is not None and self._server.is_running

    @property
    def port(self) -> int:
        """Return the port; 0 before the first start if none was given."""
        return self._server.port if self._server is not None else self._port

    @property
    def url(self) -> str:
        """Return the address, for a client's ``endpoint_url``."""
        return f"http://127.0.0.1:{self.port}"

    # Licences

    def add_license(
        self,
        product_sku: str,
        entitlements: list[EntitlementLike] | tuple[EntitlementLike, ...],
        *,
        ttl: float | None = 3600,
        issuer_account: str | None = None,
        issuer_name: str = ISSUER_NAME,
        beneficiary: str | None = None,
        recipients: tuple[str, ...] | list[str] | None = None,
        begin: Moment | None = None,
        end: Moment | None = None,
        allow_check_in: bool = True,
        overage: bool = False,
        **more: Unpack[MoreTerms],
    ) -> IssuedLicense:
        """Issue a licence. By default another account is the issuer, and `account_id` has received it.

        Args:
            product_sku: The SKU to ask for in a checkout.
            entitlements: ``(name, maximum, unit)`` for what is counted, where the maximum None is no limit;
                ``(name, value or None, "None")`` for a feature. A mapping as fourth member may set
                ``overage`` and ``allow_check_in`` of one entitlement.
            ttl: How long a provisional checkout lives: whole seconds, at least 1. None: none can be made.
            issuer_account: Who issues it. If that is `account_id`, nobody receives it, and a checkout has to
                name the beneficiary.
            issuer_name: The name in the fingerprint.
            beneficiary: The customer's name or account; by default `account_id`.
            recipients: The accounts that received and activated it.
            begin: When it becomes valid; by default now.
            end: When it ends; by default never.
            allow_check_in: Whether units can be returned before they lapse.
            overage: Whether more than the maximum may be taken.
            more: ``name``, ``product_name``, ``home_region``, ``status``, ``renew_type``, ``borrow_ttl``,
                ``borrow_early_check_in``, ``metadata`` (a mapping), ``sign_key`` (the ARN of a key that
                ``CreateKey`` of this emulator has made; with any other its tokens are signed with `public_key_pem`).
        """
        return self._holdings.add(
            {
                "product_sku": product_sku,
                "entitlements": entitlements,
                "ttl": ttl,
                "issuer_account": issuer_account,
                "issuer_name": issuer_name,
                "beneficiary": beneficiary,
                "recipients": recipients,
                "begin": begin,
                "end": end,
                "allow_check_in": allow_check_in,
                "overage": overage,
                **more,
            }
        )

    def update_license(self, licence: License | str, **changes: Unpack[LicenseChanges]) -> IssuedLicense:
        """Make a new version of a licence; ``changes`` are named as in :meth:`add_license`."""
        return self._holdings.change(licence, changes)

    def receive(
        self,
        licence: License | str,
        *,
        account: str | None = None,
        status: str = "ACTIVE",
        operations: Sequence[str] | None = None,
    ) -> None:
        """Set the status of a licence that an account received, by default `account_id`.

        Only an ``"ACTIVE"`` one may be checked out; ``"DISABLED"`` and ``"DELETED"`` take it away. ``operations`` are
        those that its grant allows, as ``CreateGrant`` names them.
        """
        self._holdings.receive(licence, account, status, operations)

    def license(self, licence: License | str) -> IssuedLicense:
        """Return the newest version of a licence, found by its ARN or as the newest of its SKU."""
        return self._holdings.find(licence)

    def licenses(self) -> list[IssuedLicense]:
        """Return the newest version of every licence, deleted ones too, in the order in which they were added."""
        return self._holdings.all()

    def usage(self, licence: License | str) -> dict[str, int]:
        """Return the units in use now of each counted entitlement, held and spent."""
        return self._holdings.usage(licence)

    def checkouts(self, licence: License | str | None = None) -> list[Checkout]:
        """Return the provisional checkouts and borrows that are live now."""
        return self._holdings.checkouts(licence)

    # Requests

    @property
    def public_key_pem(self) -> str:
        """Return the emulator's own key, as a vendor ships it.

        It verifies tokens of customers, and of licences that name no key of this emulator's KMS. Which key verifies
        those of a licence, the licence says: `IssuedLicense.public_key_pem`.
        """
        return self._signing_key.signer().public_key_pem

    @property
    def requests(self) -> list[Request]:
        """Return every request since the last ``clear()`` of this list, in the order of arrival."""
        return self._journal.requests

    def calls(self, operation: str | None = None) -> int:
        """Return how many requests arrived, of one operation or of all."""
        check_arguments(operation="*" if operation is None else operation)
        return self._journal.count(operation)

    def wait_for_calls(self, operation: str, count: int = 1, timeout: float = 20, *, done: bool = False) -> None:
        """Wait until ``count`` requests of an operation have arrived, or with ``done`` have been answered."""
        check_arguments(operation=operation, count=count, timeout=timeout, done=done)
        if not self._journal.wait_for(operation, count, timeout, done=done):
            raise TimeoutError(f"{self.calls(operation)} {operation} of {count} arrived within {timeout} s")

    def down(self, **options: Unpack[FaultOptions]) -> AbstractContextManager[Fault]:
        """Let every request fail until :meth:`up`, or for the length of a ``with`` block.

        By default they fail with status 503; ``options`` are those of :meth:`Faults.add`. Other faults wait meanwhile.
        """
        if not options:
            options["status"] = 503
        return self.faults.begin_outage(**options)

    def up(self) -> None:
        """End the outage that :meth:`down` began."""
        self.faults.end_outage()

    def _begin(self, planted: Seed) -> None:
        try:
            with self._kept.lock:
                self._kept.settings["starts"] = self._kept.settings.get("starts", 0) + 1
                self._plant(planted)
        except BaseException:
            self._kept.discard()
            raise

    def _plant(self, planted: Seed) -> None:
        try:
            planted.plant(self, self._holdings.as_issued())
        except BaseException:
            self._kept.discard()  # with all that was planted before
            raise


def _planted(seed: Seed | str | os.PathLike[str] | None) -> Seed:
    if isinstance(seed, (str, os.PathLike)):
        return load_seed(seed)
    return Seed() if seed is None else seed
