"""One real house for the walks: web, keeper, workers, neighbours, on a folder of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assessments.scanner.digests import folder_sha256
from config.demo import neighbours
from config.processes import House, free_port
from tests.conftest import CAST, PASSWORD
from tests.walks.visitor import OK, Visitor

BASE = Path(__file__).resolve().parents[2]
MODELS = ("kiosk", "letters", "good", "bad")


class Standing:
    """The house as the walks use it."""

    def __init__(self, house: House, ports: neighbours.Ports) -> None:
        """It runs already."""
        self.house, self.ports = house, ports
        self.base = f"http://127.0.0.1:{house.port}"
        self.mail = neighbours.folder(house.var) / "mail"

    def folder(self, name: str) -> Path:
        """A model's files."""
        return self.house.var / "models" / name

    def weights(self, name: str) -> str:
        """What a model's files hash to."""
        return folder_sha256(self.folder(name))

    @property
    def target(self) -> dict[str, str]:
        """How a deployment form names the target that runs beside the house."""
        token = (neighbours.folder(self.house.var) / "target" / "token").read_text().strip()
        address = f"http://127.0.0.1:{self.ports.target}"
        return {"target_kind": "http", "target_url": address, "target_token": token}

    def filed(self, reference: str) -> bytes:
        """The paper as the sandbox received it under a reference."""
        kept = neighbours.folder(self.house.var) / "sandbox" / "filings" / reference
        return (kept / "document.pdf").read_bytes()

    def serving(self) -> str:
        """The digest the target says it serves, asked without the house between."""
        return str(self._target("/serving")["digest"])

    def switch(self, to: str) -> None:
        """Swap what the target serves behind the house's back."""
        self._target("/switch", {"to": to})

    def _target(self, path: str, said: dict[str, str] | None = None) -> Any:
        target = self.target
        headers = {
            "Authorization": f"Bearer {target['target_token']}",
            "Idempotency-Key": secrets.token_hex(8),
        }
        body = json.dumps(said).encode() if said else None
        asked = urllib.request.Request(f"{target['target_url']}{path}", body, headers)
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return json.loads(answer.read())

    def visitor(self, name: str) -> Visitor:
        """Somebody of the cast, signed in."""
        return Visitor(self.base).sign_in(f"{name}@example.org", PASSWORD)

    def arrange(self, function: str, **arguments: Any) -> Any:
        """Run a function of `arrange.py` in a process of the house's own settings."""
        return arrange(self.house, function, **arguments)


def arrange(house: House, function: str, **arguments: Any) -> Any:
    """Run a function of `arrange.py` in a process of a house's own settings."""
    code = (
        "import json,sys,django;django.setup();"
        "from tests.walks import arrange;"
        f"print(json.dumps(arrange.{function}(**json.loads(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        cwd=BASE, env=house.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Migrated, peopled by `make_user`, running."""
    var = tmp_path_factory.mktemp("house")
    _models(var)
    env = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "STRATA_MODEL_ROOTS": str(var),
        "STRATA_SWEEP_SECONDS": "1",
        "STRATA_RETRY_SECONDS": "1",
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "DATABASE_URL": os.environ.get("WALK_DATABASE_URL", ""),
        "CELERY_BROKER_URL": os.environ.get("WALK_CELERY_BROKER_URL", ""),
        "OMP_NUM_THREADS": "1",
    }
    with House(base=BASE, var=var, port=free_port(), env=env) as house:
        manage(house, "migrate", "--verbosity", "0")
        for key, (name, roles) in CAST.items():
            held = [arg for role in roles for arg in ("--role", role.value)]
            if held:
                manage(house, "make_user", f"{key}@example.org", name, *held, stdin=PASSWORD)
        serving = folder_sha256(var / "models" / "good")
        ports = neighbours.Ports.chosen(serving=serving, known=())
        neighbours.start(house, ports, fail_first=1)
        _filing_ways(var, ports)
        house.all()
        yield Standing(house, ports)


def _models(var: Path) -> None:
    """Versions that are only filed and switched need no weights that compute."""
    for name in MODELS:
        folder = var / "models" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(f"weights of {name}".encode())


def _filing_ways(var: Path, ports: neighbours.Ports) -> None:
    """Tell the installation of the sandbox, with the key it signs receipts with."""
    base = f"http://127.0.0.1:{ports.sandbox}"
    with urllib.request.urlopen(f"{base}/key", timeout=5) as answer:
        key = json.loads(answer.read())["public_key"]
    config = {"url": f"{base}/filings", "public_key": key, "simulation": True}
    way = {"label": "Sandbox of the authority", "way": "http", "config": config}
    (var / "filing_ways.json").write_text(json.dumps({"sandbox": way}))


def manage(house: House, *arguments: str, stdin: str = "") -> None:
    """A command of a house."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE, env=house.env, input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def signed_in(standing: Standing) -> Callable[[str], Visitor]:
    """Each person signs in once."""
    inside: dict[str, Visitor] = {}

    def visit(name: str) -> Visitor:
        if name not in inside:
            inside[name] = standing.visitor(name)
        return inside[name]

    return visit


@pytest.fixture(scope="session")
def assistant(standing: Standing) -> str:
    """The uuid of a system of which everything is a simulation."""
    return str(standing.arrange("simulated_system", name="Apprentice desk"))


@pytest.fixture(scope="session")
def ladder(standing: Standing) -> None:
    """Bo is called first, Ada a few seconds later."""
    standing.arrange("ladder", first="bo@example.org", second="ada@example.org", wait_seconds=5)


@pytest.fixture(scope="session")
def outsider(signed_in: Callable[[str], Visitor]) -> Visitor:
    """Dee: an account that Ada made, and no role."""
    made = signed_in("ada").fill(
        "/settings/people/new/", name="Dee", email="dee@example.org", password=PASSWORD, roles=[]
    )
    assert made.status == OK, made.text[:800]
    return signed_in("dee")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Walk last and in the order of the alphabet, so that the auditor takes home what the others did.

    In one piece: with other tests between two walks of a module its house would be built twice.
    """
    walks = [item for item in items if item.get_closest_marker("walk")]
    others = [item for item in items if not item.get_closest_marker("walk")]
    items[:] = [*others, *sorted(walks, key=lambda item: item.nodeid)]
