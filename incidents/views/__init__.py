"""The second floor's pages: fetch and authorise, call one verb, answer."""
