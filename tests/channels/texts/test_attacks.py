"""What a hostile or careless text can use up: every one is refused or cut short, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from restock.channels.texts.checking import check_part
from restock.channels.texts.layout import compile_layout
from restock.channels.texts.liquid import compile_text, render_text
from restock.channels.texts.parts import part_of
from restock.channels.texts.scanning import MOST_MARKS
from restock.channels.texts.values import Stage, TextError
from restock.channels.texts.variables import sample, values_of
from restock.channels.values import ChannelName

CPU_SECONDS = 1.0
MOST_BYTES = 20_000_000
VALUES = values_of(sample(Stage.restock, "en"), ChannelName.email)

READING = {
    "braces without end": "{{" * 30_000,
    "one brace after the other": "{" * 60_000,
    "tags without end": "{%" * 30_000,
    "spaces without end": "{{" + " " * 60_000,
    "spaces in the middle": "{{ a" + " " * 250 + "b }}",
    "spaces again and again": ("{{ a" + " " * 280 + "}}") * 200,
    "raw within raw": "{% raw %}" * 6_000,
    "comments without end": "{% comment %}" * 4_000,
    "too many marks": "{{ a }}" * (MOST_MARKS + 1),
    "a long expression": "{{ a" + " | upcase" * 2_000 + " }}",
    "deep brackets": "{{ " + "a[" * 90 + "b" + "]" * 90 + " }}",
    "deep blocks": "{% if a %}" * 150 + "{% endif %}" * 150,
    "a file": '{% include "/etc/passwd" %}',
    "another text": '{% render "x" %}',
    "a range in a filter": '{{ (1..30000000) | join: "" }}',
    "a range in a loop": "{% for i in (1..1000000000) %}{% endfor %}",
    "a range in a question": '{% if (1..30000000) contains "x" %}{% endif %}',
    "a range kept": '{% assign r = (1..30000000) %}{{ r | join: "" }}',
    "unescaping": "{{ product.title | safe }}",
    "decoding": "{{ product.title | base64_decode }}",
    "decoding an address": "{{ product.title | url_decode }}",
    "the time of day": '{{ "now" | date: "%s" }}',
    "liquid in lines": "{% liquid\n echo a\n %}",
    "the program's own": "{% import os %}",
}
WRITING = {
    "a number that grows": "{% assign a = 9999999 %}" + "{% assign a = a | times: a %}" * 18 + "{{ a }}",
    "a text that doubles": '{% assign a = "0123456789" %}' + "{% assign a = a | append: a %}" * 30 + "{{ a }}",
    "a text that explodes": '{% assign a = "aaaaaaaaaa" %}' + '{% assign a = a | replace: "a", a %}' * 9 + "{{ a }}",
    "a list that explodes": '{% assign a = "' + "a" * 280 + '" %}{% assign b = a | append: a %}'
    '{% assign c = b | split: "" %}{% for x in c %}{% for y in c %}{% for z in c %}{{ z }}' + "{% endfor %}" * 3,
    "loops side by side": '{% assign c = "' + "a," * 120 + '" | split: "," %}'
    + "{% for x in c %}{% assign q = x %}{% endfor %}" * 120,
    "words without end": '{% assign c = "' + "a," * 120 + '" | split: "," %}'
    + "{% for x in c %}" + "word " * 300 + "{% endfor %}",
    "kept again and again": "".join(f"{{% assign v{n} = product.title | append: '{'x' * 200}' %}}" for n in range(390)),
    "captures": '{% assign c = "' + "a," * 120 + '" | split: "," %}{% for x in c %}{% capture k %}{{ k }}'
    + "y" * 400 + "{% endcapture %}{% endfor %}",
    "infinity": '{{ 1.5 | times: 999999999999 | times: 999999999999 }}',
    "nothing to divide by": "{{ 1 | divided_by: 0 }}",
    "a cut of any size": "{{ product.title | truncate: 99999999999999999999 }}",
    "rounding nonsense": '{{ "x" | round: "y" }}{{ product | plus: links }}',
}  # fmt: skip


class Bounded:
    """Fails when what happens inside takes too much of the machine."""

    def __enter__(self) -> None:
        tracemalloc.start()
        self.began = time.process_time()

    def __exit__(self, *_: object) -> None:
        spent = time.process_time() - self.began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert spent < CPU_SECONDS
        assert peak < MOST_BYTES


@pytest.mark.parametrize("text", READING.values(), ids=READING.keys())
def test_what_cannot_be_read_safely_is_refused_at_once(text: str) -> None:
    with Bounded():
        try:
            said = render_text(compile_text(text), VALUES)
        except TextError:
            return
    assert text in ("{" * 60_000, READING["deep brackets"]) or said == ""


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("text", WRITING.values(), ids=WRITING.keys())
def test_what_takes_too_much_is_cut_short(text: str, html: bool) -> None:
    with Bounded():
        try:
            said = render_text(compile_text(text, html=html), VALUES)
        except TextError:
            return
    assert len(said) <= 200_000


LAYOUTS = {
    "elements without end": "<mjml>" + "<mj-section>" * 4_000,
    "deep and closed": "<mjml><mj-body>" + "<b>" * 900 + "</b>" * 900 + "</mj-body></mjml>",
    "deep behind comments": "<mjml><mj-body>" + "<b><!-- </b> -->" * 900 + "</mj-body></mjml>",
    "deep behind quotes": "<mjml><mj-body>" + '<b title="</b>">' * 900 + "</mj-body></mjml>",
    "deep behind marks": "<mjml><mj-body>" + "<b>{{ '</b>' }}" * 300 + "</mj-body></mjml>",
    "comments without end": "<mjml>" + "<!--" * 14_000,
    "quotes without end": "<mjml>" + '<a "' * 14_000,
    "brackets without end": "<mjml>" + "<" * 59_000,
    "an entity bomb": '<!DOCTYPE x [<!ENTITY a "aaaa">]><mjml><mj-body>&a;</mj-body></mjml>',
    "a file": '<mjml><mj-body><mj-include path="/etc/passwd" /></mj-body></mjml>',
    "a script": "<mjml><mj-body><mj-raw><script>alert(1)</script></mj-raw></mj-body></mjml>",
    "a handler": '<mjml><mj-body><mj-raw><p onclick="alert(1)">x</p></mj-raw></mj-body></mjml>',
    "a script's address": '<mjml><mj-body><mj-button href="javascript:alert(1)">x</mj-button></mj-body></mjml>',
    "a form": "<mjml><mj-body><mj-raw><form></form></mj-raw></mj-body></mjml>",
    "nothing of the kind": "hello",
}


@pytest.mark.parametrize("source", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_layout_that_would_harm_the_compiler_or_a_reader_never_gets_there(source: str) -> None:
    with Bounded(), pytest.raises(TextError):
        compile_layout(source)


def test_a_layout_as_large_as_may_be_is_compiled_in_time() -> None:
    row = "<mj-section><mj-column><mj-text>{{ shop.name }} and more of it</mj-text></mj-column></mj-section>"
    source = f"<mjml><mj-body>{row * 320}</mj-body></mjml>"
    began = time.process_time()
    html = compile_layout(source)
    assert time.process_time() - began < CPU_SECONDS
    assert "fonts.googleapis.com" not in html
    assert html.count("{{ shop.name }}") == 320
    assert '<html lang="{{ locale }}"' in html


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a\nb\n{{ prodct.title }}", 3, "did you mean product.title?"),
        ("{{ title }}", 1, "did you mean product.title?"),
        ("{{ product }}", 1, "did you mean product.title?"),
        ("{{ shop[locale] }}", 1, "write out which variable"),
        ("a\n{% if missed_before == 7 %}{{ price | uppcase }}{% endif %}", 2, "did you mean upcase?"),
        ("a\nb {{ x", 2, "{{ without its }}"),
        ("{% iff x %}", 1, "{% iff %}, which cannot be used here"),
        ("{{ price }}\n{{ links.decline }}\n{{ qty }}", 3, "qty is not known here"),
    ],
)
def test_a_fault_is_told_with_its_line_and_how_to_mend_it(text: str, line: int, says: str) -> None:
    part = part_of(ChannelName.email, "lead")
    assert part is not None
    (fault,) = check_part(text, part, Stage.restock)
    assert fault.field == "lead"
    assert fault.message.startswith(f"line {line}: ")
    assert says in fault.message
