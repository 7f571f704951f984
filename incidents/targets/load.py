"""From what an administrator configured to a target that can be asked and told."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from compliance.egress import Egress
from incidents.targets.base import DeploymentTarget, TargetError
from incidents.targets.http import HttpTarget
from incidents.targets.null import NullTarget


class TargetKind(StrEnum):
    """The targets there are."""

    HTTP = "http"
    NULL = "null"


def load(kind: str, config: Mapping[str, Any], *, egress: Egress) -> DeploymentTarget:
    """A target of this kind; `config` holds `url` and `token` for http, nothing for null.

    Raises:
        TargetError: the kind is unknown or the configuration lacks something; permanent.
    """
    try:
        match TargetKind(kind):
            case TargetKind.HTTP:
                return HttpTarget(str(config["url"]).rstrip("/"), str(config["token"]), egress)
            case TargetKind.NULL:
                return NullTarget()
    except KeyError as error:
        raise TargetError(f"a {kind} target needs {error} configured", permanent=True) from error
    except ValueError as error:
        raise TargetError(f"target {kind!r}: {error}", permanent=True) from error
