"""``protect()``: code that cannot be edited is guarded by its name."""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import inspect
import multiprocessing
import os
import pickle
import sys
import threading
import types

import pytest

import meterguard
from meterguard import ConfigurationError, EntitlementDenied, protect
from meterguard.gating import protection, registration

SOURCE = """
import functools

ANSWER = 42

def export(pages, *, title="none"):
    "Export."
    return pages, title

async def aexport(pages):
    return pages

def lines(pages):
    got = yield pages
    return got

async def alines(pages):
    yield pages

@functools.lru_cache
def cached(pages):
    return pages

class Report:
    kind = "plain"

    def __init__(self, pages=1):
        self.pages = pages

    def __call__(self):
        return self.pages

    def export(self, pages):
        return type(self).__name__, pages

    @classmethod
    def make(cls, pages):
        return cls.__name__, pages

    @staticmethod
    def count(pages):
        return pages

    @property
    def title(self):
        return "title"

    class Inner:
        def export(self):
            return "inner"

class Annual(Report):
    pass

class Other(Report):
    def export(self, pages):
        return "other", super().export(pages)

class Both(Annual, Other):
    pass

report = Report(7)
"""
numbers = iter(range(10_000))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """``write(source, name)``: the name of a module that can be imported, of a package when it has dots."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = []

    def write_module(source=SOURCE, name=None):
        name = name or f"reports{next(numbers)}"
        file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
        importlib.invalidate_caches()
        names.append(name)
        return name

    yield write_module
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def _none_left():
    yield
    for one in protection.in_force():
        one.remove()
    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != "meterguard.gating.import_hooks"]


@pytest.fixture
def denying(guard):
    """``denying(target)``: a protection by what the licence does not hold."""
    return lambda target, **options: protect(target, "Nope", guard=guard, **options)


def run(what):
    """Call it, and run to its end what comes back."""
    result = what()
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    if inspect.isasyncgen(result):

        async def items():
            return [one async for one in result]

        return asyncio.run(items())
    return list(result) if inspect.isgenerator(result) else result


def is_denied(what):
    try:
        run(what)
    except EntitlementDenied:
        return True
    return False


# What is guarded, and how it is called in a module.
KINDS = {
    "export": lambda m: m.export(1),
    "aexport": lambda m: m.aexport(1),
    "lines": lambda m: m.lines(1),
    "alines": lambda m: m.alines(1),
    "cached": lambda m: m.cached(1),
    "Report.export": lambda m: m.Report().export(1),
    "Report.make": lambda m: m.Report.make(1),
    "Report.count": lambda m: m.Report().count(1),
    "Report.__init__": lambda m: m.Report(3).pages,
    "Report.__call__": lambda m: m.Report()(),
    "Report.Inner.export": lambda m: m.Report.Inner().export(),
    "Annual.export": lambda m: m.Annual().export(1),
    "Annual.make": lambda m: m.Annual.make(1),
    "Annual.count": lambda m: m.Annual.count(1),
    "Annual.__init__": lambda m: m.Annual(3).pages,
    "report.export": lambda m: m.report.export(1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_first", [True, False], ids=["before the import", "after it"])
def test_every_kind_is_guarded_and_put_back(write, denying, guard, kind, is_first):
    name, call = write(), KINDS[kind]
    protected = denying(f"{name}:{kind}") if is_first else None
    assert name not in sys.modules
    module = importlib.import_module(name)
    standing = {"module": dict(vars(module)), "classes": [dict(vars(one)) for one in (module.Report, module.Annual)]}
    if protected is None:
        plain = run(lambda: call(module))
        protected = denying(f"{name}:{kind}")
    assert (protected.is_in_place, protected.is_waiting) == (True, False)
    assert is_denied(lambda: call(module))
    protected.remove()
    assert protected.is_in_place is False
    result = run(lambda: call(module))
    if not is_first:
        assert result == plain
        assert [dict(vars(one)) for one in (module.Report, module.Annual)] == standing["classes"]
        assert vars(module) == standing["module"]
    with protect(f"{name}:{kind}", "Seats", 1, guard=guard):
        assert run(lambda: call(module)) == result


def test_it_looks_like_what_it_guards(write, denying):
    name = write()
    denying(f"{name}:export"), denying(f"{name}:aexport"), denying(f"{name}:Annual.export")
    module = importlib.import_module(name)
    assert str(inspect.signature(module.export)) == "(pages, *, title='none')"
    assert str(inspect.signature(module.Annual.export)) == "(self, pages)"
    assert (module.export.__doc__, module.export.__module__) == ("Export.", name)
    assert inspect.iscoroutinefunction(module.aexport)
    assert pickle.loads(pickle.dumps(module.export)) is module.export
    assert module.export.__wrapped__(1) == (1, "none")


def test_the_options_are_those_of_a_gate(write, guard, used):
    name = write("def export(lease): return lease.is_live")
    with protect(f"{name}:export", "Seats", 1, "Count", guard=guard, hold="call", pass_lease="lease") as protected:
        module = importlib.import_module(name)
        assert module.export() is True
        assert used() == 0
        assert repr(protected) == f"<Protection of {name}:export: in place>"
    with protect(f"{name}:export", "Nope", guard=guard, default="none"):
        assert module.export() == "none"
    with protect(f"{name}:export", "Nope", guard=guard, fallback=len):
        assert module.export("four") == 4
    with pytest.raises(ConfigurationError, match="neither a parameter 'other' nor"):
        protect(f"{name}:export", "Seats", 1, guard=guard, pass_lease="other")
    assert protection.in_force() == []


def test_the_default_guard_is_asked_where_none_is_named(write, lm, licence, client):
    meterguard.configure(licence.product_sku, licence.key_fingerprint, client=client)
    name = write()
    protect(f"{name}:export", "Nope"), protect(f"{name}:Report.count", "Export")
    module = importlib.import_module(name)
    assert is_denied(lambda: module.export(1))
    assert module.Report.count(1) == 1


def test_nothing_is_imported_for_it(write, denying):
    name = write("raise SystemExit", name="never.imported")
    protected = denying(f"{name}:export")
    assert {"never", name} & set(sys.modules) == set()
    assert repr(protected) == f"<Protection of {name}:export: waits for the import of {name}>"
    assert (protected.target, protected.is_waiting) == (f"{name}:export", True)


def test_removed_before_the_import_nothing_happens_at_it(write, denying):
    name = write()
    protected = denying(f"{name}:export")
    protected.remove()
    protected.remove()
    module = importlib.import_module(name)
    assert type(module.export) is types.FunctionType
    assert type(module.__spec__.loader) is type(module.__loader__) is loader_of_others(write)
    assert repr(protected) == f"<Protection of {name}:export: removed>"


def loader_of_others(write):
    """The loader of a module that nothing protects. Packages that check types at run time put in one of their own."""
    return type(importlib.import_module(write()).__loader__)


def test_a_module_sees_its_own_loader(write, denying):
    name = write("loaders = __loader__, __spec__.loader\ndef export(): ...")
    denying(f"{name}:export")
    module = importlib.import_module(name)
    assert [type(one) for one in module.loaders] == [loader_of_others(write)] * 2
    assert "def export" in inspect.getsource(module)


# -- inherited ---------------------------------------------------------------------------------------


def test_an_inherited_method_is_guarded_for_the_class_alone(write, denying):
    module = importlib.import_module(write())
    with denying(f"{module.__name__}:Annual.export"):
        assert is_denied(lambda: module.Annual().export(1))
        assert is_denied(lambda: module.Both().export(1))
        assert module.Report().export(1) == ("Report", 1)
        assert module.Other().export(1) == ("other", ("Other", 1))
    assert "export" not in vars(module.Annual)


def test_an_inherited_method_is_still_the_one_that_python_would_find(write, guard):
    module = importlib.import_module(write())
    target = f"{module.__name__}:Annual"
    before = module.Both().export(1), module.Both.make(1), module.Annual().export(1)
    with protect(f"{target}.export", "Export", guard=guard), protect(f"{target}.make", "Export", guard=guard):
        assert (module.Both().export(1), module.Both.make(1), module.Annual().export(1)) == before
        assert module.Annual.export(module.Report(), 1) == ("Report", 1)
        module.Report.export = lambda self, pages: "another"
        assert module.Annual().export(1) == "another"


@pytest.mark.parametrize("order", [("Annual", "Report"), ("Report", "Annual")], ids=str)
def test_a_guard_of_the_parent_is_met_too(write, denying, guard, order):
    module = importlib.import_module(write())
    made = {}
    for one in order:
        name = "Nope" if one == "Report" else "Export"
        made[one] = protect(f"{module.__name__}:{one}.export", name, guard=guard)
    assert is_denied(lambda: module.Annual().export(1))
    made["Report"].remove()
    assert module.Annual().export(1) == ("Annual", 1)


# -- several, and those of others --------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_two_are_both_in_force_and_go_in_any_order(write, guard, kind, first):
    module, call = importlib.import_module(write()), KINDS[kind]
    target = f"{module.__name__}:{kind}"
    both = [protect(target, "Nope", guard=guard), protect(target, "Neither", guard=guard)]
    for one in (first, 1 - first):
        assert is_denied(lambda: call(module))
        both[one].remove()
    assert not is_denied(lambda: call(module))


def test_both_leases_are_asked_for(write, guard, checkouts):
    name = write()
    with protect(f"{name}:export", "Seats", 1, guard=guard), protect(f"{name}:export", "Export", guard=guard):
        assert importlib.import_module(name).export(1) == (1, "none")
        assert sorted(checkouts(), key=str) == [{"Export": None}, {"Seats": "1"}]


def wrapped(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return "wrapped", fn(*args, **kwargs)

    return wrapper


def test_the_wrapper_of_somebody_else_stays(write, denying):
    module = importlib.import_module(write())
    protected = denying(f"{module.__name__}:export")
    module.export = theirs = wrapped(module.export)
    assert protected.is_in_place
    assert is_denied(lambda: module.export(1))
    protected.remove()
    assert module.export is theirs
    assert module.export(1) == ("wrapped", (1, "none"))


@pytest.mark.parametrize("kind", ["export", "aexport", "lines", "alines", "Report.make"])
def test_who_has_kept_the_guard_is_let_through_from_then_on(write, denying, kind):
    module = importlib.import_module(write())
    protected = denying(f"{module.__name__}:{kind}")
    kept = functools.reduce(getattr, kind.split("."), module)
    assert is_denied(lambda: kept(1))
    protected.remove()
    assert not is_denied(lambda: kept(1))


def test_what_replaces_the_guard_is_told_and_left(write, denying):
    module = importlib.import_module(write())
    protected = denying(f"{module.__name__}:export")
    module.export = other = lambda pages: "other"
    assert not protected.is_in_place
    assert repr(protected) == f"<Protection of {module.__name__}:export: displaced>"
    protected.remove()
    assert module.export is other


def test_a_removed_guard_that_somebody_puts_back_lets_calls_through_and_goes_with_the_next(write, denying, monkeypatch):
    module = importlib.import_module(write())
    original = module.export
    with monkeypatch.context() as patch:
        protected = denying(f"{module.__name__}:export")
        patch.setattr(module, "export", wrapped(module.export))
        protected.remove()
    assert module.export is not original
    assert module.export(1) == (1, "none")
    denying(f"{module.__name__}:export").remove()
    assert module.export is original


def test_no_mark_is_left_on_a_function_that_is_put_back(write, denying):
    module = importlib.import_module(write())
    original = module.export
    one, two = denying(f"{module.__name__}:export"), denying(f"{module.__name__}:export")
    one.remove()
    assert registration.is_bypassed(original)
    two.remove()
    assert not registration.is_bypassed(original)


# -- what is not there, and what cannot be guarded ----------------------------------------------------


def missing(name, what, attribute):
    return (
        f"protect('{name}:{what}'): {attribute}, so nothing would be guarded; correct the target; another version of "
        "the package may have another name for it"
    )


MISSING = {
    "absent": "the module {name} has no 'absent'",
    "Absent.export": "the module {name} has no 'Absent'",
    "Report.absent": "the class {name}.Report has no 'absent'",
    "Report.Absent.export": "the class {name}.Report has no 'Absent'",
    "report.absent": "an object of type Report has no 'absent'",
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_not_there_fails_each_import_that_would_go_on_without_the_guard(write, denying, what):
    name = write()
    protected = denying(f"{name}:{what}")
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            importlib.import_module(name)
        assert str(caught.value) == missing(name, what, MISSING[what].format(name=name))
        assert name not in sys.modules
    protected.remove()
    importlib.import_module(name)
    with pytest.raises(ConfigurationError) as caught:
        denying(f"{name}:{what}")
    assert str(caught.value) == missing(name, what, MISSING[what].format(name=name))
    assert protection.in_force() == []


def test_an_import_that_fails_by_itself_is_guarded_when_it_succeeds(write, denying):
    name = write("raise RuntimeError('not yet')")
    denying(f"{name}:export")
    with pytest.raises(RuntimeError, match="not yet"):
        importlib.import_module(name)
    module = importlib.import_module(write(name=name))
    assert is_denied(lambda: module.export(1))


NOT_GUARDABLE = {
    "Report": "it is a class, whose other methods would stay unguarded. Protect its methods ('{name}:Report.__init__' "
    "guards construction)",
    "Report.title": "it is a property. Protect what it calls, or '{name}:Report.__init__', which guards construction",
    "Annual.title": "it is a property. Protect what it calls, or '{name}:Annual.__init__', which guards construction",
    "ANSWER": "it is an object of type int, which cannot be called. Protect a function or method",
    "Annual.kind": "it is an object of type str, which cannot be called. Protect a function or method",
}


@pytest.mark.parametrize("what", NOT_GUARDABLE)
def test_what_cannot_be_guarded_says_what_can(write, denying, what):
    name = write()
    denying(f"{name}:{what}")
    told = f"protect('{name}:{what}') cannot guard this: {NOT_GUARDABLE[what].format(name=name)}"
    with pytest.raises(TypeError) as caught:
        importlib.import_module(name)
    assert str(caught.value) == told


REGISTERED = {
    "click": ("import click\n@click.command()\ndef command(): return 1", "Command", "'{name}:command.callback'"),
    "celery": ("import celery\n@celery.Celery().task\ndef command(): return 1", "Task", "'{name}:command.run'"),
    "flask": ("import flask\ncommand = flask.Flask('x')", "Flask", "the function that was registered"),
}


@pytest.mark.parametrize("framework", REGISTERED)
def test_what_is_registered_is_guarded_by_the_function_that_it_runs(write, denying, framework):
    source, kind, instead = REGISTERED[framework]
    module = importlib.import_module(write(source))
    name = module.__name__
    told = f"it is a {kind}, which would be run without the guard. Protect {instead.format(name=name)}"
    with pytest.raises(TypeError) as caught:
        denying(f"{name}:command")
    assert str(caught.value) == f"protect('{name}:command') cannot guard this: {told}"
    if "'" in instead:
        with denying(instead.format(name=name).strip("'")):
            run_it = module.command.callback if framework == "click" else module.command
            assert is_denied(run_it)
        assert (module.command.callback() if framework == "click" else module.command()) == 1


def test_what_nobody_may_replace(denying):
    with pytest.raises(ConfigurationError) as caught:
        denying("builtins:dict.get")
    assert str(caught.value) == (
        "protect('builtins:dict.get'): the class builtins.dict lets nobody replace 'get' (cannot set 'get' attribute "
        "of immutable type 'dict'); protect what calls it"
    )


def test_what_a_module_makes_on_demand(write, denying):
    name = write("def __getattr__(name): raise SystemExit")
    denying(f"{name}:export")
    with pytest.raises(ConfigurationError, match="if its __getattr__ makes one, name the module that defines it"):
        importlib.import_module(name)


def test_an_object_in_the_place_of_a_module(denying, monkeypatch):
    other = types.SimpleNamespace(export=lambda: 1)
    monkeypatch.setitem(sys.modules, "an_object", other)
    with pytest.raises(ConfigurationError, match="an object of type SimpleNamespace has no 'absent'"):
        denying("an_object:absent")
    with denying("an_object:export"):
        assert is_denied(lambda: other.export())
    assert other.export() == 1


def test_a_namespace_package(write, denying):
    write(name="space.module")
    denying("space:export")
    with pytest.raises(ConfigurationError, match=r"anything in space: it is a namespace package"):
        importlib.import_module("space.module")


@pytest.mark.parametrize(
    "target", ["reports", "reports:", ":export", "reports.export", "a:b:c", "a b:c", "a:b.", ".a:b", "a:1", "", 3, None]
)
def test_a_target_that_is_none_is_told_at_once(target):
    with pytest.raises(ConfigurationError) as caught:
        protect(target, "Export")
    assert str(caught.value) == (
        "target must name a module and what to guard in it, as in 'package.module:function' or "
        f"'package.module:Class.method'; got {target!r}"
    )


def test_a_declaration_is_checked_at_once():
    with pytest.raises(ConfigurationError, match="value"):
        protect("never:imported", "Seats", 0)
    with pytest.raises(ConfigurationError, match="guard must be a MeterGuard; got 'x'"):
        protect("never:imported", "Seats", guard="x")
    with pytest.raises(TypeError, match=r"^protect\(\) got an unexpected keyword argument 'block'$"):
        protect("never:imported", "Seats", 1, block=10)
    assert protection.in_force() == []


# -- how modules come ---------------------------------------------------------------------------------


def test_a_reload_is_guarded_again(write, denying):
    name = write()
    protected = [denying(f"{name}:{what}") for what in ("export", "Report.export", "Annual.make")]
    module = importlib.import_module(name)
    old = module.Report()
    importlib.reload(module)
    assert [one.is_in_place for one in protected] == [True] * 3
    for call in (
        lambda: module.export(1),
        lambda: module.Report().export(1),
        lambda: module.Annual.make(1),
        lambda: old.export(1),
    ):
        assert is_denied(call)
    for one in protected:
        one.remove()
    assert module.export(1) == (1, "none")
    assert module.Report().export(1) == old.export(1) == ("Report", 1)
    assert type(vars(type(old))["export"]) is type(vars(module.Report)["export"]) is types.FunctionType


def test_a_reload_that_takes_the_function_away_is_told_and_the_others_are_guarded(write, denying):
    name = write("def one(): ...\ndef two(): ...")
    denying(f"{name}:one"), denying(f"{name}:two")
    module = importlib.import_module(name)
    del module.one
    write("def two(): ...", name=name)
    with pytest.raises(ConfigurationError, match="has no 'one'"):
        importlib.reload(module)
    assert is_denied(module.two)


def test_a_module_that_is_imported_anew_is_guarded_anew(write, denying):
    name = write()
    denying(f"{name}:export")
    first = importlib.import_module(name)
    del sys.modules[name]
    second = importlib.import_module(name)
    assert first is not second
    assert is_denied(lambda: first.export(1))
    assert is_denied(lambda: second.export(1))


def test_who_asks_in_a_circle_gets_what_is_not_guarded_yet(write, denying):
    """It is the end of the import at which the guard is put there."""
    inner = f"inner{next(numbers)}"
    name = write(f"def export(): return 1\nimport {inner}")
    write(f"from {name} import export", name=inner)
    denying(f"{name}:export")
    module = importlib.import_module(name)
    assert is_denied(module.export)
    assert sys.modules[inner].export() == 1


def test_protected_in_the_middle_of_its_own_import(write):
    asked = "import meterguard; meterguard.protect(__name__ + ':export', 'Nope')"
    name = write(f"def export(): return 1\n{asked}")
    meterguard.configure("ACME-1", "fingerprint")
    assert importlib.import_module(name).export.__wrapped__() == 1
    with pytest.raises(ConfigurationError, match=r"still being imported: call protect.. before that begins, or when"):
        importlib.import_module(write(f"{asked}\ndef export(): return 1"))


def test_beside_hooks_of_wrapt_and_lazy_loaders(write, denying):
    import wrapt

    name, heard = write(), []
    wrapt.register_post_import_hook(heard.append, name)
    denying(f"{name}:export")
    wrapt.register_post_import_hook(heard.append, name)
    module = importlib.import_module(name)
    assert heard == [module, module]
    assert is_denied(lambda: module.export(1))


def test_a_module_that_is_only_looked_for_is_not_guarded_less(write, denying):
    name = write()
    denying(f"{name}:export")
    spec = importlib.util.find_spec(name)
    assert name not in sys.modules
    lazy = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, lazy, origin=spec.origin))
    sys.modules[name] = module
    module.__spec__.loader.exec_module(module)
    assert is_denied(lambda: module.export(1))


def test_a_module_in_the_hands_of_another_thread_is_waited_for(write, denying):
    begun, go_on = threading.Event(), threading.Event()
    name = write("import builtins; builtins._begun.set(); builtins._go_on.wait(20)\ndef export(): return 1")
    import builtins

    builtins._begun, builtins._go_on = begun, go_on
    try:
        importing = threading.Thread(target=importlib.import_module, args=[name])
        importing.start()
        begun.wait(20)
        threading.Thread(target=go_on.set).start()
        protected = denying(f"{name}:export")
        importing.join(20)
    finally:
        del builtins._begun, builtins._go_on
    assert protected.is_in_place
    assert is_denied(sys.modules[name].export)


@pytest.mark.parametrize("attempt", range(5))
def test_removed_while_another_thread_imports(write, denying, attempt):
    names = [write() for _ in range(10)]
    both = [(denying(f"{name}:export"), denying(f"{name}:export")) for name in names]
    barrier = threading.Barrier(3)

    def imports():
        barrier.wait(20)
        for name in names:
            importlib.import_module(name)

    def removes(side):
        barrier.wait(20)
        for each in both:
            each[side].remove()

    threads = [threading.Thread(target=imports), threading.Thread(target=removes, args=[0])]
    threads.append(threading.Thread(target=removes, args=[1]))
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    for name in names:
        assert type(sys.modules[name].export) is types.FunctionType


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_it_too(write, denying):
    name = write()
    denying(f"{name}:export")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def child():
        module = importlib.import_module(name)
        theirs.send(is_denied(lambda: module.export(1)))

    process = context.Process(target=child)
    process.start()
    assert ours.poll(20)
    assert ours.recv() is True
    process.join(20)


def test_a_call_behind_the_guard_costs_no_look_while_the_lease_is_live(write, guard, checkouts):
    name = write()
    protect(f"{name}:export", "Export", guard=guard)
    module = importlib.import_module(name)
    for _ in range(100):
        module.export(1)
    assert checkouts() == [{"Export": None}]
