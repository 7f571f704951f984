"""The cases of `bench.scan`: what is read, our side, the peers' side, and the machine's own limits."""
