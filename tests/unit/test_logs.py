"""What is logged: one JSON object a line."""

import json
import logging

import pytest

from shoal.logs import JsonLines, speaking_of

logger = logging.getLogger("shoal.test")


@pytest.fixture
def said(caplog):
    """What the records would be written as."""
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonLines())
    return lambda: [json.loads(line) for line in caplog.handler.stream.getvalue().splitlines()]


def test_a_record_is_one_line_whatever_it_says(said):
    logger.info("%s\nin two lines", "é")
    (record,) = said()
    assert record["message"] == "é\nin two lines"
    assert (record["level"], record["logger"]) == ("info", "shoal.test")
    assert record["time"].endswith("+00:00")
    assert "traceback" not in record


def test_it_tells_of_whom_it_speaks(said):
    with speaking_of(object="Model ops/a", generation=3):
        logger.info("within")
        logger.info("said", extra={"reason": "Ready", "generation": 4})
    logger.info("after")
    within, told, after = said()
    assert (within["object"], within["generation"]) == ("Model ops/a", 3)
    assert (told["object"], told["generation"], told["reason"]) == ("Model ops/a", 4, "Ready")
    assert "object" not in after


def test_a_mistake_has_its_traceback(said):
    try:
        raise RuntimeError("no such luck")
    except RuntimeError:
        logger.exception("went wrong")
    assert "RuntimeError: no such luck" in said()[0]["traceback"]


def test_what_is_added_to_a_record_otherwise_stays_out_of_it(said):
    logger.info("hello", extra={"token": "secret"})
    assert "secret" not in json.dumps(said())
