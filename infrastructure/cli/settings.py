"""The settings of a command that runs something itself: from the environment, bad ones refused by name."""

from typing import TYPE_CHECKING, Any

from infrastructure.cli.session import USAGE, fail

if TYPE_CHECKING:
    from infrastructure.settings import Settings


def load_settings(**given: Any) -> "Settings":
    """`OPTAIC_MLOPS_*`, and what the command line says; ends the command where one is malformed."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from infrastructure.settings import Settings

    try:
        return Settings(**given)
    except SettingsError as error:
        fail(
            {"code": "setting.malformed", "detail": f"{error}", "remedy": "It is JSON; see docs/cli.md."},
            USAGE,
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = "OPTAIC_MLOPS_" + "_".join(str(part) for part in first["loc"]).upper()
        problem = {
            "code": "setting.malformed",
            "detail": f"{name}: {first['msg']}",
            "remedy": "See docs/cli.md.",
        }
        fail(problem, USAGE)
