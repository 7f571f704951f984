"""Addresses of duties, reports, documents and the record."""

from __future__ import annotations

from django.urls import path

from compliance.views import documents, duties, prove, regimes, report_terms, reports

urlpatterns = [
    path("duties/", duties.board, name="duties"),
    path("duties/clocks/<uuid:uuid>/", duties.clock, name="clock"),
    path("duties/clocks/<uuid:uuid>/assign", duties.assign, name="assign_clock"),
    path("duties/regimes/", regimes.regimes, name="regimes"),
    path("duties/regimes/<slug:key>/", regimes.regime, name="regime"),
    path("duties/regimes/<slug:key>/<str:version>/", regimes.regime, name="regime_version"),
    path("duties/reports/", reports.report_list, name="reports"),
    path("duties/reports/<uuid:uuid>/", reports.report, name="report"),
    path("duties/reports/<uuid:uuid>/edit/", reports.edit, name="edit_report"),
    path("duties/reports/<uuid:uuid>/submit/", reports.submit, name="submit_report"),
    path("duties/reports/<uuid:uuid>/approve/", reports.approve, name="approve_report"),
    path("duties/reports/<uuid:uuid>/return/", reports.send_back, name="return_report"),
    path("duties/reports/<uuid:uuid>/reopen/", reports.reopen, name="reopen_report"),
    path("duties/reports/<uuid:uuid>/close/", reports.close, name="close_report"),
    path("duties/reports/<uuid:uuid>/supersede/", reports.supersede, name="supersede_report"),
    path("duties/reports/<uuid:uuid>/file/", reports.file, name="file_report"),
    path("duties/reports/<uuid:uuid>/kind/", report_terms.declare, name="declare_report"),
    path("duties/reports/<uuid:uuid>/follow/", report_terms.follow, name="follow_report"),
    path(
        "duties/reports/<uuid:uuid>/translations/<slug:language>/",
        report_terms.translate,
        name="translate_report",
    ),
    path(
        "duties/reports/<uuid:uuid>/translations/<slug:language>/approve/",
        report_terms.approve_translation,
        name="approve_translation",
    ),
    path("duties/reports/<uuid:uuid>/<slug:tab>/", reports.report, name="report_tab"),
    path("prove/", prove.prove, name="prove"),
    path("prove/record/", prove.record, name="record"),
    path("prove/checkpoint", prove.checkpoint, name="checkpoint"),
    path("prove/exports/new/", prove.new_export, name="new_export"),
    path("prove/exports/<uuid:uuid>/", prove.export, name="export"),
    path("prove/exports/<uuid:uuid>/retry/", prove.retry_export, name="retry_export"),
    path("prove/documents/", documents.document_list, name="documents"),
    path("prove/documents/new/<uuid:version>/<slug:what>/", documents.new, name="new_document"),
    path("prove/documents/<uuid:uuid>/", documents.document, name="document"),
    path("prove/documents/<uuid:uuid>/retry/", documents.retry, name="retry_document"),
    path("blobs/<uuid:uuid>", documents.download, name="blob"),
]

OBJECT_PAGES: dict[str, str] = {
    "blob": "compliance:blob",
    "clock": "compliance:clock",
    "document": "compliance:document",
    "export": "compliance:export",
    "report": "compliance:report",
}
