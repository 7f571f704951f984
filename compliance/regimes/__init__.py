"""Reporting regimes as data, and the arithmetic that turns facts into deadlines.

Everything in this room is pure: no Django, no database, no clock of its own. `load` reads the
packs under `data/`, `facts` reads what a person recorded, `counting` knows how each body of law
counts, `engine` puts the three together. Nothing here is legal advice; what is uncertain carries
a note for counsel in the pack itself.
"""
