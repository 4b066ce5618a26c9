"""``{% load meterguard %}``: ask in a template, and take nothing."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.base import Parser, Token

from ...django_project import installed

register = template.Library()


def entitled(parser: Parser, token: Token) -> EntitledNode:
    """Parse the tag: content for those whose licence covers it, and content for others.

    ::

        {% entitled "Seats" 2 "Count" %}...{% else %}...{% endentitled %}

    Value and unit are as for :func:`~meterguard.has_entitlement`, which gives the answer: no unit is taken, and while
    the service cannot be asked the answer is no, unless grace or ``on_unknown`` says yes.
    """
    tag, *arguments = token.split_contents()
    if not 1 <= len(arguments) <= 3:
        example = f'{{% {tag} "Seats" 1 "Count" %}}'
        raise template.TemplateSyntaxError(f"{tag} takes a name, and may take value and unit: {example}")
    asked = [parser.compile_filter(argument) for argument in arguments]
    shown = parser.parse(("else", f"end{tag}"))
    instead = None
    if parser.next_token().contents == "else":
        instead = parser.parse((f"end{tag}",))
        parser.delete_first_token()
    return EntitledNode(asked, shown, instead)


register.tag("entitled", entitled)


class EntitledNode(template.Node):  # type: ignore[misc,unused-ignore] # Django has no types
    """One ``{% entitled %}``, with what it encloses."""

    child_nodelists = ("shown", "instead")

    def __init__(self, asked: list[Any], shown: template.NodeList, instead: template.NodeList | None) -> None:
        self.asked, self.shown, self.instead = asked, shown, instead

    def render(self, context: template.Context) -> Any:
        """Render the content for those whose licence covers it, or the content for others."""
        question = [one.resolve(context) for one in self.asked]
        chosen = self.shown if installed().guard.has_entitlement(*question) else self.instead
        return "" if chosen is None else chosen.render(context)
