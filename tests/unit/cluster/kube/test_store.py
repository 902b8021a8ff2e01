"""One kind's newest state, from lists, watches and our own writes in any order."""

import pytest

from shoal.cluster.kube.store import Store
from shoal.errors import InvalidResource


class Told(list):
    def __call__(self, name, before, after):
        self.append((name[1], before, after))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def store(told):
    return Store(read, told)


def read(raw):
    if raw["value"] == "nonsense":
        raise InvalidResource("it", ("it is nonsense",))
    return raw["value"]


def an_object(version: int, value: object = "one", name: str = "it"):
    metadata = {"name": name, "namespace": "ops", "uid": "1", "resourceVersion": str(version)}
    return {"metadata": metadata, "value": value}


def listed(store, version, *objects):
    store.begin(version)
    for one in objects:
        store.listed(one)
    store.end()


def test_a_list_is_all_there_is(store, told):
    listed(store, 5, an_object(3, name="b"), an_object(4, name="a"))
    assert store.known
    assert store.all("ops") == ["one", "one"]
    assert store.all("elsewhere") == []
    listed(store, 9, an_object(3, name="b"))
    assert told[-1] == ("a", "one", None)


def test_the_newest_counts_whoever_tells_of_it(store, told):
    listed(store, 5)
    store.put(an_object(8, "written"))
    store.see(an_object(7, "older"))
    store.see(an_object(8, "written"))
    assert store.get("ops", "it") == "written"
    assert told == [("it", None, "written")]


def test_what_nobody_looks_at_is_not_told(store, told):
    listed(store, 5, an_object(3))
    told.clear()
    store.see(an_object(6))
    assert not told


def test_an_answer_that_comes_late_does_not_bring_back_what_is_gone(store):
    listed(store, 5, an_object(3))
    store.remove(an_object(7))
    store.reached(7)
    store.put(an_object(6, "written before"))
    assert store.get("ops", "it") is None


def test_what_was_written_after_a_list_stays(store):
    store.begin(5)
    store.put(an_object(6, "written"))
    store.end()
    assert store.get("ops", "it") == "written"


def test_a_list_of_an_etcd_that_was_set_back_is_right(store):
    listed(store, 50, an_object(40, "lost"), an_object(41, name="lost too"))
    listed(store, 20, an_object(12, "restored"))
    assert store.all() == ["restored"]
    store.see(an_object(21, "newer"))
    assert store.all() == ["newer"]


def test_what_cannot_be_read_is_left_out_and_said(store, told):
    listed(store, 5, an_object(3, name="good"), an_object(4, "nonsense"))
    assert store.all() == ["one"]
    with pytest.raises(InvalidResource, match="it is nonsense"):
        store.get("ops", "it")
    assert store.find("ops", "it") is None
    assert list(store.invalid) == [("ops", "it")]
    assert told[-1] == ("it", None, None)
    store.see(an_object(6))
    assert not store.invalid
    assert told[-1] == ("it", None, "one")


def test_a_kind_that_is_gone_is_forgotten(store, told):
    listed(store, 5, an_object(3))
    store.forget()
    assert not store.known
    assert store.all() == []
    assert told[-1] == ("it", "one", None)
