"""Every address of the first floor."""

from __future__ import annotations

from django.urls import path

from assessments.views import (
    campaigns,
    gates,
    overview,
    saes,
    scans,
    suites,
    waivers,
    watchlists,
)

app_name = "assessments"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("method/", overview.methodology, name="methodology"),
    path("scans/", scans.scans, name="scans"),
    path("scans/request/", scans.scan_request, name="scan_request"),
    path("scans/<uuid:uuid>/", scans.scan_page, name="scan"),
    path("scans/<uuid:uuid>/progress", scans.scan_progress, name="scan_progress"),
    path("scans/<uuid:uuid>/reveal", scans.scan_reveal, name="scan_reveal"),
    path("scans/<uuid:uuid>/cancel", scans.scan_cancel, name="scan_cancel"),
    path("scans/<uuid:uuid>/repeat", scans.scan_repeat, name="scan_repeat"),
    path("scans/<uuid:uuid>/retry", scans.scan_retry, name="scan_retry"),
    path("scans/<uuid:uuid>/with/<uuid:other>/", scans.compare, name="compare"),
    path("instruments/", saes.saes_page, name="instruments"),
    path("instruments/saes/new/", saes.sae_new, name="sae_new"),
    path("instruments/saes/<uuid:uuid>/", saes.sae, name="sae"),
    path("instruments/saes/<uuid:uuid>/progress", saes.sae_progress, name="sae_progress"),
    path("instruments/saes/<uuid:uuid>/recheck", saes.sae_recheck, name="sae_recheck"),
    path("instruments/watchlists/", watchlists.watchlists_page, name="watchlists"),
    path("instruments/watchlists/import/", watchlists.watchlist_import, name="watchlist_import"),
    path("instruments/watchlists/<uuid:uuid>/", watchlists.watchlist, name="watchlist"),
    path(
        "instruments/watchlists/<uuid:uuid>/file", watchlists.watchlist_json, name="watchlist_json"
    ),
    path(
        "instruments/watchlists/<uuid:uuid>/numbers/",
        watchlists.watchlist_numbers,
        name="watchlist_numbers",
    ),
    path(
        "instruments/watchlists/<uuid:uuid>/revise/",
        watchlists.watchlist_revise,
        name="watchlist_revise",
    ),
    path(
        "instruments/watchlists/<uuid:uuid>/to/<uuid:other>/",
        watchlists.watchlist_difference,
        name="watchlist_difference",
    ),
    path("instruments/suites/", suites.suites_page, name="suites"),
    path("instruments/suites/import/", suites.suite_import, name="suite_import"),
    path("instruments/suites/<uuid:uuid>/", suites.suite, name="suite"),
    path("instruments/suites/<uuid:uuid>/numbers/", suites.suite_numbers, name="suite_numbers"),
    path("instruments/suites/<uuid:uuid>/reveal", suites.suite_reveal, name="suite_reveal"),
    path("instruments/suites/<uuid:uuid>/file", suites.suite_take_out, name="suite_take_out"),
    path("instruments/suites/<uuid:uuid>/class", suites.suite_classify, name="suite_classify"),
    path(
        "instruments/suites/<uuid:uuid>/to/<uuid:other>/",
        suites.suite_difference,
        name="suite_difference",
    ),
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/new/", campaigns.campaign_new, name="campaign_new"),
    path("campaigns/<uuid:uuid>/", campaigns.campaign_page, name="campaign"),
    path("campaigns/<uuid:uuid>/invite", campaigns.campaign_invite, name="campaign_invite"),
    path("campaigns/<uuid:uuid>/finding", campaigns.campaign_finding, name="campaign_finding"),
    path("campaigns/<uuid:uuid>/close", campaigns.campaign_close, name="campaign_close"),
    path("gate/<uuid:uuid>/<slug:environment>/", gates.gate_page, name="gate"),
    path("gate/<uuid:uuid>/<slug:environment>/ask", gates.gate_ask, name="gate_ask"),
    path("gate/<uuid:uuid>/authorise/<uuid:deployment>", gates.authorise, name="authorise"),
    path("decisions/<uuid:uuid>/", gates.decision_page, name="decision"),
    path("decisions/<uuid:uuid>/waive/<slug:criterion>/", waivers.waiver_ask, name="waiver_ask"),
    path("authorisations/<uuid:uuid>/", gates.authorisation_page, name="authorisation"),
    path("authorisations/<uuid:uuid>/end", gates.authorisation_end, name="authorisation_end"),
    path("waivers/<uuid:uuid>/", waivers.waiver_page, name="waiver"),
    path("waivers/<uuid:uuid>/approve", waivers.waiver_approve, name="waiver_approve"),
    path("waivers/<uuid:uuid>/reject", waivers.waiver_reject, name="waiver_reject"),
]

# What the roof's /r/<kind>/<uuid> leads to.
OBJECT_PAGES = {
    "authorisation": "assessments:authorisation",
    "campaign": "assessments:campaign",
    "decision": "assessments:decision",
    "sae": "assessments:sae",
    "scan": "assessments:scan",
    "suite": "assessments:suite",
    "waiver": "assessments:waiver",
    "watchlist": "assessments:watchlist",
}
