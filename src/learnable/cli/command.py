"""`learnable train RECIPE --help` shows the recipe's own flags below those that every recipe has."""

import sys
from typing import Any

from typer.core import TyperCommand

from learnable import catalog


class RecipeCommand(TyperCommand):
    """A command that takes a recipe's settings as flags."""

    def format_help(self, context: Any, formatter: Any) -> None:
        super().format_help(context, formatter)
        named = [word for word in sys.argv if word in catalog.recipe_names()]
        if named:
            from learnable.cli.pages import recipe_flags

            recipe_flags(named[0])
