"""The suite's own environment, set before anything reads settings (a plugin: see pyproject)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

VAR = Path(tempfile.mkdtemp(prefix="strata-tests-"))
os.environ["STRATA_VAR"] = str(VAR)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("EMAIL_BACKEND", "django.core.mail.backends.locmem.EmailBackend")
# WhiteNoise warns of a missing folder, and warnings are errors here.
(VAR / "static").mkdir()

# How fast a machine draws examples is not what a test asks.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
