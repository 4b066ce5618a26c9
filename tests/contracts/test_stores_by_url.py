"""Stores of leases by their URLs: which one it is, and that one that is only read is there already."""

from __future__ import annotations

from contextlib import closing

import pytest

from meterguard import assembly
from meterguard.errors import ConfigurationError
from meterguard.rows import Row, StoreFault
from meterguard.stores.memory_rows import MemoryRows
from meterguard.stores.sqlite_rows import SqliteRows
from tests.extras import is_installed

OTHERS = ["tape://:hunter2@host/a.db", "hunter2", "", "memory:", "memory://hunter2"]
WRONG_FILES = ["sqlite://:hunter2@host/a.db", "sqlite:///a.db?password=hunter2", "sqlite:///"]


def test_memory_is_not_shared():
    assert assembly.shared_store("memory://") is None


def test_an_object_is_a_store_as_it_is():
    store = MemoryRows()
    assert assembly.shared_store(store) is store


def test_a_file_is_a_store_and_is_not_made_yet(tmp_path):
    store = assembly.shared_store(f"sqlite:///{tmp_path}/leases.db")
    assert isinstance(store, SqliteRows)
    assert not store.is_fleet
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not is_installed("redis"), reason="needs redis-py")
@pytest.mark.parametrize("open_store", [assembly.shared_store, assembly.existing_store])
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://:hunter2@127.0.0.1:1"])
def test_a_server_is_a_store_and_is_not_asked_yet(open_store, url):
    store = open_store(url)
    assert store.is_fleet
    with pytest.raises(StoreFault, match=r"the lease store at 127\.0\.0\.1:1 cannot be had now"):
        store.read("a/1")


@pytest.mark.parametrize("open_store", [assembly.shared_store, assembly.existing_store])
@pytest.mark.parametrize("url", [*OTHERS, *WRONG_FILES])
def test_another_url_is_refused_without_showing_it(open_store, url):
    with pytest.raises(ConfigurationError, match="sqlite:///relative") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
    assert ("redis://" in str(caught.value)) is (url in OTHERS)


def test_who_reads_needs_one_that_is_there(tmp_path):
    path = tmp_path / "leases.db"
    url = f"sqlite:///{path}"
    with pytest.raises(ConfigurationError, match=r"there is no lease store at .*: no lease was taken with it yet"):
        assembly.existing_store(url)
    path.touch()
    with pytest.raises(ConfigurationError, match="too small for a lease store"):
        assembly.existing_store(url)
    with closing(SqliteRows(str(path))) as store:
        store.replace("a/1", "", Row("1", "{}"), 60)
    with closing(assembly.existing_store(url)) as store:
        assert dict(store.rows("")) == {"a/1": Row("1", "{}")}


def test_nobody_else_reads_what_is_in_memory():
    with pytest.raises(ConfigurationError, match="a lease store at memory:// lives in the process that takes leases"):
        assembly.existing_store("memory://")
