"""A wrong pack keeps the house from starting, and says where."""

from importlib import resources

from django.core.checks import registry, run_checks

from compliance import checks
from compliance.regimes import load


def test_the_packs_are_looked_at_before_anything_starts() -> None:
    assert "regimes" in registry.registry.tags_available()
    assert run_checks(tags=["regimes"]) == []


def test_a_wrong_pack_is_an_error_that_names_the_place() -> None:
    pack = resources.files("compliance.regimes").joinpath("data", "house-72h.toml").read_text()
    broken = pack.replace('type = "text"', 'type = "txt"', 1).encode()
    [found] = checks.complaints(lambda: load.parse(broken, file="house-72h.toml"))
    assert found.id == "compliance.E001"
    assert found.msg.startswith("house-72h.toml, field what_happened, field 'type'")
