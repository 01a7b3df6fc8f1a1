"""Models of Hugging Face's transformers, an extra that nothing else waits for."""

from __future__ import annotations

from types import ModuleType

from vis_bench.errors import InputError

INSTALL = "pip install 'vis-bench[transformers]'"


def import_transformers(method: str, *names: str) -> ModuleType:
    """The package; imported here and nowhere else, since that takes seconds.

    Args:
        method: what the message says needs it.
        names: classes that are used; older versions lack some.

    Raises:
        InputError: where it is not installed, or too old.
    """
    try:
        import transformers
    except ImportError:
        raise InputError(
            f"method {method} needs Hugging Face's transformers, which is not installed; "
            f"install it with: {INSTALL}"
        ) from None
    for name in names:
        if not hasattr(transformers, name):
            raise InputError(
                f"method {method} needs {name}, which transformers {transformers.__version__} "
                f"lacks; expected 5.4 or newer: {INSTALL}"
            )
    return transformers
