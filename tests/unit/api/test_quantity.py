from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from shoal.api import Duration, Quantity

QUANTITIES = TypeAdapter(Quantity)
DURATIONS = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("2", 2),
        ("2.", 2),
        (".5", "0.5"),
        ("0.25", "0.25"),
        ("500m", "0.5"),
        ("250u", "0.00025"),
        ("1n", "1e-9"),
        ("1k", 1000),
        ("1M", 10**6),
        ("1.5G", 1_500_000_000),
        ("1T", 10**12),
        ("1P", 10**15),
        ("1E", 10**18),
        ("1Ki", 1024),
        ("1.5Gi", 3 * 2**29),
        ("1Ti", 2**40),
        ("2Pi", 2**51),
        ("7Ei", 7 * 2**60),
        ("1e3", 1000),
        ("1E+3", 1000),
        ("5e-1", "0.5"),
    ],
)
def test_a_quantity_knows_its_value_and_stays_as_written(text, value):
    quantity = QUANTITIES.validate_python(text)
    assert quantity.value == Decimal(value)
    assert QUANTITIES.dump_json(quantity) == f'"{text}"'.encode()


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1\n", "-1", "+1", "1gi", "1GiB", "1e", "1e100", ".", "1,5", "٣", -1]
)
def test_these_are_no_quantities(text):
    with pytest.raises(ValidationError, match="expected a quantity"):
        QUANTITIES.validate_python(text)


@pytest.mark.parametrize("value", [0.5, float("nan"), True, None, [], b"1"])
def test_a_quantity_is_text_or_a_whole_number(value):
    with pytest.raises(ValidationError, match="int_or_string_type"):
        QUANTITIES.validate_python(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("1m30s", 90), ("1h", 3600), ("1h2m3s4ms", 3723.004), ("0s", 0)],
)
def test_a_duration_knows_its_seconds_and_stays_as_written(text, seconds):
    duration = DURATIONS.validate_python(text)
    assert duration.seconds == seconds
    assert duration == text


@pytest.mark.parametrize("text", ["", "30", "s", "1.5s", "-1s", "1d", "30s\n", "100000s", "1 s"])
def test_these_are_no_durations(text):
    with pytest.raises(ValidationError, match="expected a duration"):
        DURATIONS.validate_python(text)


@pytest.mark.parametrize("value", [30, 1.5, None])
def test_a_duration_is_text(value):
    with pytest.raises(ValidationError, match="string_type"):
        DURATIONS.validate_python(value)


@pytest.mark.parametrize("digits", [33, 10_000])
@pytest.mark.parametrize("kind", [str, int])
def test_a_notation_is_short(kind, digits):
    with pytest.raises(ValidationError, match="string_too_long"):
        QUANTITIES.validate_python("1" * digits if kind is str else 10 ** (digits - 1))
