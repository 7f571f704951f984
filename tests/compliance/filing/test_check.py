import subprocess
import sys
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit.checkpoint import vkey
from compliance.filing import check, signing, wire
from tests.compliance.filing.doubles import PACKAGE, SIGNER

ROOT = Path(__file__).resolve().parents[3]
RAW = b64encode(SIGNER.private.public_key().public_bytes_raw()).decode()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "package.zip"
    path.write_bytes(wire.zipped(signing.signed(PACKAGE, SIGNER)))
    return path


@pytest.mark.parametrize("key", [vkey(SIGNER), RAW])
def test_a_package_is_checked_with_either_form_of_the_key(archive, key, capsys):
    assert check.main([str(archive), "--key", key]) == 0
    said = capsys.readouterr().out
    assert PACKAGE.pdf_sha256 in said
    assert "simulation  yes" in said


def test_it_runs_as_a_program_without_settings(archive):
    done = subprocess.run(
        [sys.executable, "-m", "compliance.filing.check", str(archive), "--key", vkey(SIGNER)],
        cwd=ROOT,
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("whole and signed\n")


def test_another_key_did_not_sign_it(archive, capsys):
    other = b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    assert check.main([str(archive), "--key", other]) == 1
    assert "no signature over these bytes" in capsys.readouterr().err


def test_a_package_without_signatures_is_not_good(tmp_path, capsys):
    path = tmp_path / "bare.zip"
    path.write_bytes(wire.zipped(PACKAGE))
    assert check.main([str(path), "--key", RAW]) == 1
    assert "holds no signatures" in capsys.readouterr().err


def test_one_changed_byte_is_found(tmp_path, archive, capsys):
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, content.replace(b"tool", b"fool") if "data" in name else content)
    assert check.main([str(changed), "--key", RAW]) == 1
    assert "manifest's json" in capsys.readouterr().err


@pytest.mark.parametrize(("path", "key"), [("/nowhere.zip", RAW), ("", "no key")])
def test_a_question_that_cannot_be_answered_is_told_apart(archive, path, key):
    assert check.main([path or str(archive), "--key", key]) == 2
