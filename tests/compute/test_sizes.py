"""Sizes: Azure's names in any case, plain numbers, and what cannot be a machine."""

from __future__ import annotations

import pytest

from jupyter_aml.compute.sizes import GIB, SIZES, parse_memory, plain_size, show_memory, size_of
from jupyter_aml.errors import InvalidError


@pytest.mark.parametrize(
    "name", ["STANDARD_DS3_V2", "Standard_DS3_v2", "standard_ds3_v2", "DS3_v2", " ds3_V2 "]
)
def test_azure_s_names_are_taken_in_any_case(name: str) -> None:
    size = size_of(name)
    assert (size.name, size.cpus, size.memory, size.gpus) == ("STANDARD_DS3_V2", 4, 14 * GIB, 0)


def test_every_size_is_found_by_its_own_name_and_makes_sense() -> None:
    for size in SIZES.values():
        assert size_of(size.name) is size
        assert size.cpus >= 1 and size.memory >= GIB and size.price > 0 and size.family.endswith("Family")


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(InvalidError, match="STANDARD_DS3_V2"):
        size_of("STANDARD_DS3_V22")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 * GIB),
        ("4 GB", 4 * GIB),
        ("512m", 512 * 1024**2),
        ("1.5G", 3 * GIB // 2),
        (GIB, GIB),
        ("1073741824", GIB),
    ],
)
def test_memory_is_read_as_people_write_it(text: str | int, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "much", "4 gigs", "-1GiB", "1e9", "nan", float("nan"), float("inf"), 0, "1KiB", "9" * 15 + "TiB"],
)
def test_what_is_no_memory_is_refused(text: str | float) -> None:
    with pytest.raises(InvalidError):
        parse_memory(text)


@pytest.mark.parametrize(
    ("cpus", "gpus"), [(0, 0), (-1, 0), (float("nan"), 0), (float("inf"), 0), (1, -1), (1, 1000)]
)
def test_what_is_no_machine_is_refused(cpus: float, gpus: int) -> None:
    with pytest.raises(InvalidError):
        plain_size(cpus, "1GiB", gpus)


def test_sizes_are_shown_in_words() -> None:
    assert str(plain_size(0.5, "1536MiB")) == "0.5 cores, 1.5 GiB"
    assert str(size_of("NC6")) == "6 cores, 56 GiB, 1 GPU"
    assert show_memory(10) == "10 bytes"
