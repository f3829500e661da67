"""How hard hypothesis tries: `quick` each time, `torture` with --hypothesis-profile=torture."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

QUICK = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink a failure takes minutes: torture does
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TORTURE = settings(
    QUICK,
    max_examples=1000,
    stateful_step_count=60,
    derandomize=False,
    phases=list(Phase),
    print_blob=True,
)
settings.register_profile("plain", deadline=None)  # a busy machine is no failure
settings.load_profile("plain")
settings.register_profile("quick", QUICK)
settings.register_profile("torture", TORTURE)


def chosen() -> settings:
    """Return the settings of a state machine: of `torture` if that is loaded, else of `quick`."""
    return TORTURE if settings.get_current_profile_name() == "torture" else QUICK
