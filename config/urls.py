"""Every address of the house."""

from __future__ import annotations

from django.urls import include, path

from compliance.views import settings as settings_views
from config import overview
from config.api import api

urlpatterns = [
    path("", overview.today, name="today"),
    path("search", overview.search, name="search"),
    path("r/<slug:kind>/<uuid:uuid>", overview.resolve, name="resolve"),
    path("settings/theme", settings_views.theme, name="theme"),
    path("healthz", overview.healthz, name="healthz"),
    path("account/", include("allauth.urls")),
    path("api/v1/", api.urls),
    path("assess/", include("assessments.urls")),
    path("", include("incidents.urls")),
    path("", include("compliance.urls")),
]
