"""File names from the names of rows."""

from __future__ import annotations


def slug(name: str, keep: str = "") -> str:
    """Words of letters, digits and the characters to keep, joined by hyphens.

    Examples
    --------
    >>> slug("fractional (-0.5)"), slug("fractional (-0.5)", keep=".-")
    ('fractional-0-5', 'fractional--0.5')
    """
    return "-".join("".join(c if c.isalnum() or c in keep else " " for c in name).split())
