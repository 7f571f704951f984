"""Keys are made on purpose, once; what needs one and finds none says how to make it."""

import stat

import pytest
from django.core.management import CommandError, call_command

from compliance.actors import system
from compliance.audit import keys, log, sequencer
from compliance.audit.checkpoint import load_key
from compliance.sealing import Keyring
from compliance.services import notice, subject


@pytest.fixture
def empty(settings, tmp_path):
    """An installation in earnest whose key folder is not there yet."""
    settings.STRATA_CREATE_KEYS = False
    settings.STRATA_KEK_FILE = tmp_path / "keys" / "kek"
    settings.STRATA_LOG_KEY_FILE = tmp_path / "keys" / "log_key"
    sequencer.signer.cache_clear()
    log.keyring.cache_clear()
    yield settings
    sequencer.signer.cache_clear()
    log.keyring.cache_clear()


@pytest.mark.django_db
def test_both_keys_are_made_for_their_owner_alone_and_can_be_used(empty, capsys):
    call_command("make_keys")
    assert capsys.readouterr().out.count("Made ") == 2
    for path in keys.files():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(empty.STRATA_KEK_FILE.parent.stat().st_mode) == 0o700
    assert Keyring.from_file(empty.STRATA_KEK_FILE).new_data_key().wrapped
    assert load_key(empty.STRATA_LOG_KEY_FILE).name == empty.STRATA_LOG_ORIGIN
    keys.require()
    assert keys.check_present() == []
    call_command("log_key")
    assert capsys.readouterr().out.startswith(f"{empty.STRATA_LOG_ORIGIN}+")


@pytest.mark.django_db
def test_a_key_is_never_replaced(empty):
    call_command("make_keys")
    before = {path: path.read_bytes() for path in keys.files()}
    with pytest.raises(CommandError, match="never replaced"):
        call_command("make_keys")
    empty.STRATA_LOG_KEY_FILE.unlink()
    call_command("make_keys")
    assert empty.STRATA_KEK_FILE.read_bytes() == before[empty.STRATA_KEK_FILE]
    assert empty.STRATA_LOG_KEY_FILE.read_bytes() != before[empty.STRATA_LOG_KEY_FILE]


@pytest.mark.django_db
def test_a_database_that_knows_an_older_key_gets_no_new_one(empty):
    call_command("make_keys")
    place = subject.make("incident", "Leak")
    notice.queue(place, channel="null", to="x", title="t", body="b", by=system("tests"))
    sequencer.sequence()
    empty.STRATA_KEK_FILE.unlink()
    empty.STRATA_LOG_KEY_FILE.unlink()
    with pytest.raises(CommandError, match="restore the file from its backup"):
        call_command("make_keys")
    assert not any(path.exists() for path in keys.files())


@pytest.mark.parametrize("command", ["log_key", "keeper"])
def test_a_command_that_needs_a_key_says_how_to_make_it(empty, command):
    with pytest.raises(CommandError, match=r"manage\.py make_keys"):
        call_command(command)


@pytest.mark.parametrize("needs", [log.keyring, sequencer.signer, keys.require])
def test_whatever_needs_a_key_says_how_to_make_it(empty, needs):
    with pytest.raises(keys.KeysMissing, match=r"manage\.py make_keys"):
        needs()
    assert [message.id for message in keys.check_present()] == ["audit.W002"]


def test_the_embedded_installation_makes_its_keys_on_first_use(empty):
    empty.STRATA_CREATE_KEYS = True
    empty.STRATA_KEK_FILE.parent.mkdir()
    keys.require()
    assert sequencer.signer().name == empty.STRATA_LOG_ORIGIN
    assert log.keyring().new_data_key().wrapped
