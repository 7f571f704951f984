"""Where a rollback is carried out: over HTTP, on a local target, or honestly nowhere."""
