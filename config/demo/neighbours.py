"""The demo's neighbours: a regulator's sandbox, a deployment target and a mail sink.

Each is a process of its own on loopback. Their ports are kept in var/demo/neighbours.json, so that
`make run` brings back the ones that the demo's records point to.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from compliance.filing.sandbox.time_stamper import PATH, ROOT_PATH, STAMPS, TimeStamper
from config.processes import House, Process, answers, free_port


@dataclass(frozen=True)
class Ports:
    """Where the neighbours listen, and what the target serves at first."""

    sandbox: int
    target: int
    smtp: int
    serving: str
    known: tuple[str, ...]

    @classmethod
    def chosen(cls, serving: str, known: tuple[str, ...]) -> Ports:
        """Free ports."""
        return cls(free_port(), free_port(), free_port(), serving, known)


def folder(var: Path) -> Path:
    """Where the neighbours keep their state."""
    return var / "demo"


def save(ports: Ports, var: Path) -> None:
    """Remember them for `make run`."""
    folder(var).mkdir(parents=True, exist_ok=True)
    (folder(var) / "neighbours.json").write_text(json.dumps(asdict(ports)))


def known(var: Path) -> Ports | None:
    """The neighbours of an earlier demo, if there was one."""
    path = folder(var) / "neighbours.json"
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    return Ports(**{**kept, "known": tuple(kept["known"])})


def time_stamping(ports: Ports, var: Path) -> dict[str, str]:
    """The sandbox's time-stamping authority; none where there is no openssl for it to sign with."""
    if shutil.which("openssl") is None:
        return {}
    stamper = TimeStamper(folder(var) / "sandbox" / STAMPS)
    return {
        "STRATA_TSA_URL": f"http://127.0.0.1:{ports.sandbox}{PATH}",
        "STRATA_TSA_CERTIFICATES": str(stamper.root),
    }


def environment(ports: Ports, var: Path) -> dict[str, str]:
    """What the house must be told to reach them, and nobody else."""
    return {
        **time_stamping(ports, var),
        "STRATA_EGRESS": f"127.0.0.1:{ports.sandbox},127.0.0.1:{ports.target}",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(ports.smtp),
        "EMAIL_USE_TLS": "0",
    }


def start(house: House, ports: Ports, *, fail_first: int = 0) -> None:
    """Start all three and wait until they answer."""
    state = folder(house.var)
    house.env.update(environment(ports, house.var))
    sandbox = _sandbox(house, ports, state, fail_first)
    target = _target(house, ports, state)
    house.run(
        "mail",
        "-m",
        "config.demo.mail_sink",
        "--port",
        str(ports.smtp),
        "--folder",
        str(state / "mail"),
    )
    sandbox.wait_until(lambda: answers(f"http://127.0.0.1:{ports.sandbox}/key"), "no answer")
    if time_stamping(ports, house.var):
        # Asked for its root, it makes it; workers are told where it lies.
        root = f"http://127.0.0.1:{ports.sandbox}{ROOT_PATH}"
        sandbox.wait_until(lambda: answers(root), "no root for time-stamps")
    target.wait_until(lambda: answers(f"http://127.0.0.1:{ports.target}/serving"), "no answer")


def start_known(house: House) -> None:
    """The neighbours that an earlier demo left records about; none without a demo."""
    ports = known(house.var)
    if ports is not None:
        start(house, ports)


def _sandbox(house: House, ports: Ports, state: Path, fail_first: int) -> Process:
    return house.run(
        "sandbox",
        "-m",
        "compliance.filing.sandbox",
        "--port",
        str(ports.sandbox),
        "--state",
        str(state / "sandbox"),
        "--fail-first",
        str(fail_first),
    )


def _target(house: House, ports: Ports, state: Path) -> Process:
    listed = [argument for digest in ports.known for argument in ("--known", digest)]
    return house.run(
        "target",
        "-m",
        "incidents.targets.local",
        "--port",
        str(ports.target),
        "--state",
        str(state / "target"),
        "--serving",
        ports.serving,
        *listed,
    )
