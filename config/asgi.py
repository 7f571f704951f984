"""The ASGI door."""

import os
from importlib import import_module

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application()

# Every sign-in is sealed and every paper names the log's key: better no server than one without.
keys = import_module("compliance.audit.keys")  # only now: Django must be set up before
keys.require()
