"""Files that a person named: which of them were edited or added."""

import asyncio
from contextlib import aclosing

import pytest

from shoal.cluster.local.following import follow, seen_files


@pytest.fixture
async def followed(tmp_path):
    """The names that `follow` gives next, in a folder that held `old.yaml` when it was seen."""
    (tmp_path / "old.yaml").write_text("1")
    async with asyncio.timeout(10), aclosing(follow([tmp_path], seen_files([tmp_path]))) as found:

        async def next_name() -> str:
            return (await anext(found)).name

        yield next_name


async def test_an_edit_before_the_watch_began_is_not_missed(followed, tmp_path):
    (tmp_path / "old.yaml").write_text("edited")
    assert await followed() == "old.yaml"


async def test_an_added_file_is_found_and_others_are_not(followed, tmp_path):
    (tmp_path / "notes.txt").write_text("1")
    (tmp_path / "new.yaml").write_text("1")
    assert await followed() == "new.yaml"


async def test_a_removed_file_is_not_news_and_one_put_back_is(followed, tmp_path):
    (tmp_path / "old.yaml").unlink()
    (tmp_path / "new.yaml").write_text("1")
    assert await followed() == "new.yaml"
    (tmp_path / "old.yaml").write_text("1")
    assert await followed() == "old.yaml"


async def test_a_folder_may_go_and_come_back(followed, tmp_path):
    waiting = asyncio.create_task(followed())
    tmp_path.rename(tmp_path.with_name("away"))
    tmp_path.mkdir()
    (tmp_path / "new.yaml").write_text("1")
    assert await waiting == "new.yaml"


async def test_a_file_saved_by_renaming_is_followed(tmp_path):
    named = tmp_path / "one.yaml"
    named.write_text("1")
    async with asyncio.timeout(10), aclosing(follow([named], seen_files([named]))) as found:
        (tmp_path / "other.yaml").write_text("1")
        (tmp_path / "draft").write_text("2")
        (tmp_path / "draft").replace(named)
        assert await anext(found) == named
