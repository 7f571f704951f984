"""Commands of the roof: demo, docs, run_house."""
