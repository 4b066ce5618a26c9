"""The page that a person sees when a gate is shut: one file, no script, no image, readable without styles."""

from __future__ import annotations

from html import escape
from string import Template

from ..model import Entitlement
from ..units import Unit
from .refusal import Refusal

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --line: #d0d7de; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --paper: #0d1117; --line: #30363d; --link: #79b8ff; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, sans-serif; }
main { max-width: 34rem; margin: clamp(1.5rem, 14vh, 8rem) auto 2rem; padding: 0 1.5rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; }
.status { color: var(--soft); font-size: .9375rem; margin: 0 0 .5rem; }
dl { display: grid; grid-template-columns: fit-content(45%) 1fr; gap: .25rem 1.5rem; margin: 1.5rem 0;
  padding: 1rem 0; border-block: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
a { display: inline-block; padding: .5rem 1.25rem; border: 1px solid var(--link); border-radius: .375rem;
  background: var(--link); color: var(--paper); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 3px; }
</style>
</head>
<body>
<main>
<p class="status">Status $status</p>
<h1>$title</h1>
<p>$detail</p>
$facts$again</main>
</body>
</html>
""")


def page(refusal: Refusal) -> str:
    """Return a whole HTML document."""
    return _PAGE.substitute(
        status=refusal.status,
        title=escape(refusal.title),
        detail=escape(refusal.detail),
        facts=_facts(refusal),
        again="" if refusal.retry_after is None else _AGAIN,
    )


# An empty address is the page itself: with its query, below whatever path the application is mounted, on this host.
_AGAIN = '<p><a href="">Try again</a></p>\n'


def _facts(refusal: Refusal) -> str:
    rows = [("Needed", _asked(one)) for one in refusal.entitlements]
    if refusal.ahead is not None:
        rows.append(("Waiting before you", f"{refusal.ahead} at most" if refusal.ahead else "nobody"))
    if refusal.retry_after is not None:
        rows.append(("Try again in", _duration(refusal.retry_after)))
    if not rows:
        return ""
    items = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>\n{items}\n</dl>\n"


def _asked(entitlement: Entitlement) -> str:
    """Return an entitlement as people say it: they count seats, and *Count* is a word of the service."""
    if entitlement.unit is not Unit.COUNT:
        return str(entitlement)
    return entitlement.name if entitlement.value == 1 else f"{entitlement.name} ({entitlement.value})"


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
