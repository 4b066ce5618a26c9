"""The page that a person sees when a gate is shut: one file, no script, no image, readable without styles."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._http import Refusal

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
main { max-width: 36rem; margin: 12vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 1rem; }
p { margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 1.5rem 0;
  padding: 1rem 0; border-block: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
a { display: inline-block; padding: .5rem 1rem; border: 1px solid currentColor; border-radius: .375rem;
  color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible { outline: 3px solid currentColor; outline-offset: 3px; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$detail</p>
$facts$again</main>
</body>
</html>
""")


def page(refusal: Refusal, instance: str) -> str:
    """A whole document."""
    return _PAGE.substitute(
        title=escape(refusal.title),
        detail=escape(refusal.detail),
        facts=_facts(refusal),
        again=_again(refusal, instance),
    )


def _facts(refusal: Refusal) -> str:
    rows = [("Asked for", str(one)) for one in refusal.entitlements]
    if refusal.retry_after is not None:
        rows.append(("Try again in", _duration(refusal.retry_after)))
    if not rows:
        return ""
    items = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>\n{items}\n</dl>\n"


def _again(refusal: Refusal, instance: str) -> str:
    if refusal.retry_after is None:
        return ""
    return f'<p><a href="{escape(_local(instance))}">Try again</a></p>\n'


def _local(instance: str) -> str:
    """Never a link to another host, which a path that begins with two slashes would be."""
    return "/" + instance.lstrip("/\\")


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
