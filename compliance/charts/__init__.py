"""Charts from one specification: an SVG on paper, a live drawing in the page, words and a table."""
