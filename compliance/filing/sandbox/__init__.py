"""A regulator to practise with: takes simulated filings and signs for them.

    python -m compliance.filing.sandbox --port 8801 --state var/sandbox --fail-first 1

    POST /filings              a package, with an Idempotency-Key; a signed receipt comes back
    GET  /filings?key=KEY      the receipt of what was filed under a key
    GET  /filings/REFERENCE    the receipt of a filing; /document.pdf and /data.json below it
    GET  /key                  the public key the receipts are signed with
    POST /time-stamps          a time-stamp (RFC 3161) of a digest, by an authority that is none
    GET  /time-stamps/root.pem the certificate those lead to
    POST /plan                 how to fail from now on (`faults.Plan`)
    GET  /                     what was received, for people

It is a process of its own with a key of its own, so that what the product does towards a regulator
is done towards somebody else. It refuses whatever is not marked as a simulation, and fails in
every way a real authority does, when it is told to.
"""

from compliance.filing.sandbox.regulator import RETRY_AFTER_SECONDS, Sandbox
from compliance.filing.sandbox.store import Filed

__all__ = ["RETRY_AFTER_SECONDS", "Filed", "Sandbox"]
