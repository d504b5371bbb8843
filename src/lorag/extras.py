"""The optional packages, and the extra of lorag that installs each of them."""

from lorag.errors import ParamsError

_EXTRA_OF = {
    **dict.fromkeys(
        ("bitsandbytes", "optuna", "peft", "sentence_transformers", "torch", "transformers"),
        "train",
    ),
    "weaviate": "weaviate",
    **dict.fromkeys(("mcp", "mcp_types"), "mcp"),
    **dict.fromkeys(("dask", "distributed", "prefect_dask", "prefect_ray", "ray"), "clusters"),
}


def explain_missing(error: ImportError) -> ParamsError | None:
    """Return the error that names the extra to install; None if the package belongs to no extra."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRA_OF.get(package)
    if extra is None:
        return None
    return ParamsError(
        f"the package {package} is not installed",
        where=f"the extra `{extra}` of lorag",
        do=f"install lorag[{extra}], or choose settings that do not need it (docs/guide.md, Installation)",
    )
