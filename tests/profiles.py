"""How many random examples a test runs: the profile `ci` is part of make test, `full` is make test-full."""

from hypothesis import HealthCheck, settings

settings.register_profile("ci", deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
settings.register_profile("full", settings.get_profile("ci"))
settings.load_profile("ci")


def examples(ci: int, full: int) -> settings:
    """Return settings with the number of examples that the profile asks for."""
    return settings(max_examples=full if settings.get_current_profile_name() == "full" else ci)
