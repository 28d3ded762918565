"""How many random examples a test runs: the profile `ci` is for every change, `full` is make test-full, make faults."""

from hypothesis import HealthCheck, settings

settings.register_profile("ci", deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
settings.register_profile("full", settings.get_profile("ci"))
settings.load_profile("ci")


def rounds(ci: int, full: int) -> int:
    """Return the number that the profile asks for; the profile is known once a test runs, not at import."""
    return full if settings.get_current_profile_name() == "full" else ci


def examples(ci: int, full: int) -> settings:
    """Return settings with the number of examples that the profile asks for."""
    return settings(max_examples=rounds(ci, full))
