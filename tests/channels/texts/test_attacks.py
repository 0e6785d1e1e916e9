"""What a hostile or careless text can use up: every one is refused or cut short, in bounded time and memory."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from dataclasses import replace

import pytest

from restock.channels.texts.checking import check_part, check_texts, read_key
from restock.channels.texts.layout import compile_layout
from restock.channels.texts.liquid import compile_text, render_text
from restock.channels.texts.liquid.scanning import MOST_MARKS
from restock.channels.texts.parts import part_of
from restock.channels.texts.safety import check_html
from restock.channels.texts.values import Stage, TextError
from restock.channels.texts.variables import sample, values_of
from restock.channels.texts.written import read, say_parts
from restock.channels.values import ChannelName
from tests.spent import at_most

CPU_SECONDS = 3.0  # a fortieth of it is usual, ten times as much was possible
CLOSING = "</mj-column></mj-section></mj-body></mjml>"
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
        self.cpu = at_most(CPU_SECONDS)
        self.cpu.__enter__()

    def __exit__(self, *_: object) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.cpu.__exit__(None, None, None)
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


LIST = "{% assign c = '" + "a," * 120 + "' | split: ',' %}"
MANY = " or ".join(["1==2"] * 34)
ONES = ",".join(["1"] * 100)
COMPUTING = {
    "branches never taken": "{% if 1==2 %}" + f"{{% elsif {MANY} %}}" * 200 + "{% endif %}",
    "the same in loops": LIST + "{% for x in c %}{% for y in c limit:2 %}{% if 1==2 %}"
    + f"{{% elsif {MANY} %}}" * 20 + "{% endif %}{% endfor %}{% endfor %}",
    "a case that is so a hundred times": f"{{% case 1 %}}{{% when {ONES} %}}" * 8 + " " + "{% endcase %}" * 8,
    "lists of cases": LIST + "{% for x in c %}{% case x %}" + f"{{% when {ONES} %}}y" * 20
    + "{% endcase %}{% endfor %}",
    "literals side by side": LIST + ("{% for x in c %}{% cycle " + ONES + " %}{% endfor %}") * 20,
    "spaces over and over": LIST + "{% for x in c %}" + " " * 50_000 + "{% endfor %}",
    "a captured text over and over": "{% capture k %}" + "y" * 50_000 + "{% endcapture %}" + LIST
    + "{% for x in c %}{% if k contains 'yyyyyyyyyyyyyyyyyyyyyyyyyyyx' %}{% endif %}{% endfor %}" * 4,
    "comparisons of captured texts": "{% capture k %}" + "y" * 25_000 + "{% endcapture %}{% capture l %}" + "y" * 25_000
    + "{% endcapture %}" + LIST + "{% for x in c %}{% if k == l %}{% endif %}{% endfor %}",
}  # fmt: skip


@pytest.mark.parametrize("text", COMPUTING.values(), ids=COMPUTING.keys())
def test_whatever_a_text_computes_is_paid_for_and_the_line_is_told(text: str) -> None:
    """Comparing, branching and saying again too, where no variable or filter is asked for."""
    with at_most(CPU_SECONDS), pytest.raises(TextError) as refused:
        render_text(compile_text("Dear reader,\n" + text, html=True), VALUES)
    assert refused.value.reason == "too_much"
    assert refused.value.line == 2


@pytest.mark.parametrize("text", COMPUTING.values(), ids=COMPUTING.keys())
def test_saving_a_layout_that_computes_too_much_is_refused_at_once(text: str) -> None:
    links = '<a href="{{ links.action }}">a</a><a href="{{ links.unsubscribe }}">b</a>'
    body = f"<mjml><mj-body><mj-section><mj-column>\n<mj-text>\n{text}\n{links}</mj-text>{CLOSING}"
    with at_most(CPU_SECONDS):
        checked = check_texts(read_key("email", "restock", "en"), {"body": body})
    assert [(fault.field, fault.code) for fault in checked.faults] == [("body", "TEXT_TOO_MUCH")]
    assert checked.faults[0].message.startswith("line 3: "), "of what was typed, not of what it became"


def test_an_ordinary_layout_with_a_loop_in_it_is_far_from_the_limit() -> None:
    row = "{{ shop.name }}: {{ product.title | upcase }} {% if quantity > 1 %}x {{ quantity }}{% endif %}"
    rows = f"<mj-text>{row}</mj-text>"
    loop = LIST.replace("a," * 120, "a," * 50) + "{% for x in c %}<p>{{ x }} {{ price }}</p>{% endfor %}"
    links = '<a href="{{ links.action }}">a</a><a href="{{ links.unsubscribe }}">b</a>'
    body = f"<mjml><mj-body><mj-section><mj-column>{rows * 60}<mj-text>{loop}{links}</mj-text>{CLOSING}"
    assert check_texts(read_key("email", "restock", "en"), {"body": body}).faults == ()


def test_a_text_full_of_unknown_words_is_refused_at_once() -> None:
    body = "".join(
        "{{ " + f"a{n}".ljust(18, "z") + "".join(f" | b{n}x{m}" for m in range(20)) + " }}" for n in range(200)
    )
    part = part_of(ChannelName.email, "body")
    assert part is not None
    with at_most(CPU_SECONDS):
        faults = check_part(f"<mjml><mj-body><mj-raw>{body}</mj-raw></mj-body></mjml>", part, Stage.restock)
    assert 10 < len(faults) < 50, "enough to begin with"


UNSAFE = {
    "an address in entities": '<mj-raw><a href="java&#115;cript:alert(1)">x</a></mj-raw>',
    "an address in named entities": '<mj-raw><a href="javascript&colon;alert(1)">x</a></mj-raw>',
    "an address around what is missing": '<mj-raw><a href="java{{ turn.minutes }}script:alert(1)">x</a></mj-raw>',
    "an address around a comment": '<mj-raw><a href="java{% comment %}x{% endcomment %}script:alert(1)">x</a></mj-raw>',
    "an address with a tab": '<mj-raw><a href="java&#9;script:alert(1)">x</a></mj-raw>',
    "an address with a control": '<mj-raw><a href="&#1;java&#10;script:alert(1)">x</a></mj-raw>',
    "a button": '<mj-button href="java&#115;cript:alert(1)">x</mj-button>',
    "a page as data": '<mj-raw><a href="da{{ turn.minutes }}ta:text/html,x">x</a></mj-raw>',
    "an address from a text": '{% assign a = "javascript:" %}<mj-button href="{{ a }}alert(1)">x</mj-button>',
    "an address from a filter": """<mj-button href="{{ 'java' | append: 'script:alert(1)' }}">x</mj-button>""",
    "an address from a capture": '{% capture a %}vbscript{% endcapture %}<mj-button href="{{ a }}:x">x</mj-button>',
    "an element kept in a comment": "<!-- {% assign lt = '<' %} --><mj-text>{{ lt }}script>{{ lt }}/script></mj-text>",
    "an element cut": "<mj-text>{% capture t %}<b>x</b>{% endcapture %}{{ t | slice: 0 }}script></mj-text>",
    "a handler between attributes": '<mj-raw><img src="x" on{{ turn.minutes }}error="alert(1)" /></mj-raw>',
    "a style's import": "<mj-raw><style>@im{{ turn.minutes }}port url(https://evil.example/x.css);</style></mj-raw>",
    "a style's import in escapes": "<mj-raw><style>@\\69mport url(https://evil.example/x.css);</style></mj-raw>",
    "a style's import around a comment": "<mj-raw><style>@im/**/port url(https://evil.example/x.css);</style></mj-raw>",
    "a style that runs": '<mj-raw><p style="width:exp&#114;ession(alert(1))">x</p></mj-raw>',
    "a refresh": '<mj-raw><{{ "meta" }} http-equiv="refresh" content="0" /></mj-raw>',
    "what Outlook alone reads": "<mj-raw><!--[if mso]><scr{{ turn.minutes }}ipt>x</script><![endif]--></mj-raw>",
}  # fmt: skip


@pytest.mark.parametrize("inside", UNSAFE.values(), ids=UNSAFE.keys())
def test_a_layout_is_judged_by_what_is_sent_not_by_what_is_typed(inside: str) -> None:
    links = '<mj-text><a href="{{ links.action }}">a</a><a href="{{ links.unsubscribe }}">b</a></mj-text>'
    body = f"<mjml><mj-body><mj-section><mj-column>\n{inside}{links}{CLOSING}"
    with Bounded():
        checked = check_texts(read_key("email", "restock", "en"), {"body": body})
    assert {(fault.field, fault.code) for fault in checked.faults} == {("body", "INVALID_TEXT")}


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("<mj-style>@im{{ turn.minutes }}port url(https://evil.example/x.css);</mj-style>", 2),
        ("<mj-style>\n@font{{ turn.minutes }}-face { src: url(https://evil.example) }</mj-style>", 3),
    ],
)
def test_a_style_in_the_head_is_judged_alike(head: str, line: int) -> None:
    links = '<a href="{{ links.action }}">a</a><a href="{{ links.unsubscribe }}">b</a>'
    body = f"<mjml><mj-head>\n{head}</mj-head><mj-body><mj-section><mj-column><mj-text>{links}</mj-text>{CLOSING}"
    (fault,) = check_texts(read_key("email", "restock", "en"), {"body": body}).faults
    assert fault.code == "UNKNOWN_VARIABLE" or fault.message.startswith(f"line {line}: ")


def test_what_only_another_message_would_make_unsafe_is_seen_when_that_is_sent() -> None:
    """No sample has this title; the part is then said in our words."""
    trap = "{% if product.title == 'Trap' %}"
    turn = trap + "java{% else %}https://a.example/{% endif %}" + trap + "script:x{% endif %}"
    links = '<a href="{{ links.action }}">a</a><a href="{{ links.unsubscribe }}">b</a>'
    body = f'<mjml><mj-body><mj-section><mj-column><mj-text><a href="{turn}">x</a>{links}</mj-text>{CLOSING}'
    checked = check_texts(read_key("email", "restock", "en"), {"body": body})
    written = read(checked.source, ChannelName.email)
    assert checked.faults == ()
    assert written.looks_at_each
    notice = sample(Stage.restock, "en")
    assert notice.product is not None
    assert "body" in say_parts(written, notice, ChannelName.email)[0]
    words, faults = say_parts(
        written, replace(notice, product=replace(notice.product, title="Trap")), ChannelName.email
    )
    assert (words, faults["body"].reason) == ({}, "unsafe")


def test_an_ordinary_layout_is_not_looked_at_again_for_each_message() -> None:
    body = (
        '<mjml><mj-body><mj-section><mj-column><mj-image src="{{ product.image_url }}" /><mj-text>{{ product.title }}'
        '{% if price %}{{ price }}{% endif %}</mj-text><mj-button href="{{ links.action }}">Buy</mj-button>'
        f'<mj-text><a href="{{{{ links.unsubscribe }}}}">no more</a></mj-text>{CLOSING}'
    )
    checked = check_texts(read_key("email", "restock", "en"), {"body": body})
    assert checked.faults == ()
    assert not read(checked.source, ChannelName.email).looks_at_each


ENDLESS = (
    "<!--",
    "<!--x-->",
    "<a ",
    "<a>",
    '<a b="',
    '<a b=">',
    "<![",
    "<!",
    "<?",
    "&#",
    "&",
    "<style>",
    "</",
    "<",
    "/*",
    "\\6",
)


@pytest.mark.parametrize("again", ENDLESS)
@pytest.mark.parametrize("before", ["", "<style>", '<p style="', "<!--[if mso]>"])
def test_looking_at_a_message_takes_bounded_time(before: str, again: str) -> None:
    html = before + again * (200_000 // len(again))
    with at_most(CPU_SECONDS), suppress(TextError):
        check_html(html)


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
    with at_most(CPU_SECONDS):
        html = compile_layout(source)
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
