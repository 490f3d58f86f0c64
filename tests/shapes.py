"""Every array that goes into or comes out of mi_core has the axes that its annotation says, wherever a test runs it.

Arrays only: `basedpyright` reads the other types, and a test may pass a wrong word on purpose.
"""

from collections.abc import Callable
from typing import Any, get_args, get_origin

from beartype import beartype
from jaxtyping import AbstractArray


def arrays(function: Callable) -> Callable:
    """The function, which raises where an argument or result annotated as an array has another shape or type.

    Args:
        function: One that jaxtyping made from a signature: its annotations are types, not strings.
    """
    kept = {name: hint for name, hint in function.__annotations__.items() if _names_an_array(hint)}
    if not kept:
        return function
    function.__annotations__ = dict.fromkeys(function.__annotations__, Any) | kept
    return beartype(function)


def _names_an_array(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    # what a function takes and gives is seen when it is called
    return get_origin(hint) is not Callable and any(map(_names_an_array, get_args(hint)))
