"""Ways to reach a regulator: over HTTP with a signed receipt, by hand, and a Null one."""
