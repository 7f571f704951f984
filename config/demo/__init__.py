"""The demo: the main job played end to end, with real processes."""
