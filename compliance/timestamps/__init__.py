"""An outside word for when something existed: RFC 3161 authorities, and a Null one that gives none."""
