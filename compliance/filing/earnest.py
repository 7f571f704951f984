"""Exercises and earnest never meet: what every channel asks before it sends."""

from compliance.filing.base import FilingError, FilingPackage


def check_simulation(package: FilingPackage, *, channel_is_simulation: bool) -> None:
    """Refuse a simulation on a real channel, and anything real on a simulated one.

    Raises:
        FilingError: they differ; nothing was sent; permanent.
    """
    if package.simulation == channel_is_simulation:
        return
    theirs, ours = (
        "a simulation" if each else "in earnest"
        for each in (channel_is_simulation, package.simulation)
    )
    raise FilingError(
        f"this channel is {theirs} and the package is {ours}; nothing was sent", permanent=True
    )
