"""The scorecard's checks of clocks and filings, F01 to F12, run against real servers.

    python -m tests.checks                    all of them, in full
    python -m tests.checks F05 F10            some
    python -m tests.checks --small            bounded: what the suite runs
    python -m tests.checks --json FILE        the figures, for history

Each prints one line: PASS or FAIL, with its figures. It brings up a PostgreSQL of its own, kills
processes of its own alone, and leaves nothing behind. Exit status 1 when a check failed.
"""
