"""The WSGI door."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# Every sign-in is sealed and every paper names the log's key: better no server than one without.
keys = import_module("compliance.audit.keys")  # only now: Django must be set up before
keys.require()
