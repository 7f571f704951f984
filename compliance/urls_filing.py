"""Addresses of filings, for people and for recipients who bring receipts."""

from __future__ import annotations

from django.urls import path

from compliance.views import callbacks, filings

_FILING = "duties/filings/<uuid:uuid>/"
_TIME_STAMP = "duties/time-stamps/<uuid:uuid>/"

urlpatterns = [
    path(_FILING, filings.filing, name="filing"),
    path(f"{_FILING}resend/", filings.resend, name="resend_filing"),
    path(f"{_FILING}receipt/", filings.enter, name="filing_receipt"),
    path(f"{_FILING}check/", filings.check, name="check_receipt"),
    path(f"{_FILING}turn-down/", filings.turn_down, name="turn_down_receipt"),
    path(f"{_FILING}reject/", filings.reject, name="reject_filing"),
    path(_TIME_STAMP, filings.stamped, name="time_stamp"),
    path(f"{_TIME_STAMP}ask-again/", filings.ask_again, name="ask_time_stamp_again"),
    path("api/callbacks/receipts", callbacks.receipt, name="receipt_callback"),
]

OBJECT_PAGES: dict[str, str] = {
    "filing": "compliance:filing",
    "time_stamp": "compliance:time_stamp",
}
