"""How a URL is told to people."""

import re


def without_secrets(url: str) -> str:
    """A URL without its user, password, query and fragment: each may hold a credential."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/]*@", "//", bare, count=1)
