import pytest

from compliance.filing import secrets
from compliance.filing.base import FilingError

SECRETS = {"MSA": "our-token"}.__getitem__


def test_a_secret_is_read_from_the_environment_or_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("STRATA_FILING_SECRET_MSA", "our-token")
    assert secrets.from_environment("MSA") == "our-token"
    path = tmp_path / "secret"
    path.write_text("from-a-file\n")
    monkeypatch.setenv("STRATA_FILING_SECRET_OTHER_FILE", str(path))
    assert secrets.from_environment("OTHER") == "from-a-file"


def test_nothing_else_of_the_environment_can_be_named(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "django's own")
    monkeypatch.setenv("STRATA_FILING_SECRET_A_FILE", "/etc/passwd")
    for name in ("SECRET_KEY", "../X", "", "msa", "A_FILE", "X" * 70):
        with pytest.raises(FilingError) as caught:
            secrets.from_environment(name)
        assert caught.value.permanent
        assert "django's own" not in str(caught.value)


@pytest.mark.parametrize("value", ["two\nlines", "\u00e9t\u00e9", "x" * 9_000])
def test_a_secret_that_could_break_a_header_is_refused_and_not_shown(monkeypatch, value):
    monkeypatch.setenv("STRATA_FILING_SECRET_MSA", value)
    with pytest.raises(FilingError, match="printable ASCII") as caught:
        secrets.from_environment("MSA")
    assert value not in str(caught.value)


def test_a_way_names_its_secret_or_still_holds_it():
    assert secrets.of({"secret_ref": "MSA"}, "token", SECRETS) == "our-token"
    assert secrets.of({"token": "inline"}, "token", SECRETS) == "inline"
    assert secrets.of({}, "token", SECRETS) == ""
    with pytest.raises(FilingError, match="not both"):
        secrets.of({"secret_ref": "MSA", "token": "inline"}, "token", SECRETS)


def test_what_is_stored_names_a_secret_and_holds_none():
    named = {"url": "https://a.example", "secret_ref": "MSA"}
    assert secrets.storable(named) == named
    for inline in secrets.INLINE:
        with pytest.raises(FilingError, match=f"holds its {inline} itself") as caught:
            secrets.storable(named | {inline: "our-token"})
        assert "our-token" not in str(caught.value)
