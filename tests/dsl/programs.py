"""Valid programs for the front end's tests, and ways to damage or to shake them."""

from __future__ import annotations

import random

from codeai.dsl.parser import parse

EVERY_FORM = r"""# everything
param service                       # required
param regions = ["eu", "us",]

var image = "registry.local/${service}"; var raw = 'a\b${c}'

function tag(version, suffix,) {
    # inside
    return image + ":" + version + suffix
}
function nothing() { }

var version = exec { git describe --tags --always }
var big = -9223372036854775808
exec(timeout: "10m", retry: 2,) {
    docker build -t "$image:$version" .   # it's }
    cat <<EOF
    it's } "open
    EOF
} undo(when: "succeeded") {
    docker rmi "$image:$version"
}
for i, region in regions {
    if region == "eu" and not (i > 3) { continue } else if region in ["us"] {
        break
    }

    # otherwise
    else { image += "x" }
}
while len(regions) >= 10 or false { regions = slice(regions, 1, to: 3) }
var m = {
    if: 1, "quoted key": [1, 2.5, 1e6, null, true],   # a keyword as key
    nested: {a: {b: -1}},
}
m.if = m["nested"].a.b * 2 / 3 % 4 - - 1
m.nested["a"] -= 1
try { fail("stop ${version + "${1 + 1}"} \u{1F680}\n") } catch e {
    log("warn", e.message)
}
var all = parallel(limit: 2, on_error: "collect") for region in regions {
    exec { ./switch.sh "$region" } undo { ./switch.sh "$region" previous }
    return exec(check: false) { echo "$region" }.stdout
}
parallel for x in [1] { log("${x}") }
sleep("1s")
if version.stdout != tag(version, suffix: "") {
    nothing()
    return;
}
return { version: str(version),
    lines: "two
lines", all: all
}
"""

SMALL = (
    "",
    "# only a comment\n",
    "return 1",
    "var a = 1 return a + 2 * 3",
    "var a = {exec: 1, undo: 2} if a.exec { log('x') }",
    'var a = "${"${"${1}"}"}"',
    "exec { }\nexec { true } undo { false }",
    "if true { } else if false { } else { }",
    "var a = [[], {}, [[1]]] return a[0][1].b",
    "var a = 1\n-3",
    "return\n1",
    "function f(a, b) { return f(b, a: 1) } f(1, 2)",
)

PIECES = (
    *("{", "}", "(", ")", "[", "]", '"', "'", "${", "exec {", "exec(", "undo {", "if ", "else ", "for x in "),
    *(
        "while ",
        "return ",
        "var a = ",
        "function f(",
        "parallel ",
        "try {",
        "catch e {",
        "\\",
        "\n",
        ";",
        ":",
    ),
    *(
        ",",
        ".",
        "+",
        "-",
        "not ",
        "in ",
        "==",
        "<",
        "<<E\n",
        "$(",
        "`",
        "#",
        "$((",
        "case x in ",
        "1",
        "1.5e3",
    ),
    *(
        "a",
        '"a${b}"',
        "\u2066",
        "é",
        "\0",
        "\r",
        "param p",
        "=",
        "break",
        "and",
        "&&",
        "!",
        "@",
        "\U0001f680",
    ),
)


def shaken(source: str, chance: random.Random, rate: float) -> str:
    """The same program with other white space and more comments between its tokens."""
    tokens, text = parse(source).tokens, parse(source).source.text
    made: list[str] = []
    at, before = 0, ""
    for kind, _, start, end in tokens:
        gap = text[at:start]
        in_string = kind in ("STR_TEXT", "STR_END", "${") or before in ("STR_TEXT", "STR_START")
        if not in_string and chance.random() < rate:
            gap += chance.choice((" ", "\n", "\n\n\n", " # more\n", "\n# own\n", "\n\n# own\n\n", "\t"))
        made.append(gap + text[start:end])
        at, before = end, kind
    return "".join(made)


def damaged(source: str, chance: random.Random) -> str:
    """A program with a few pieces taken out, doubled, swapped or put in."""
    parts = [source[start:end] for _, _, start, end in parse(source).tokens]
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        place = chance.randrange(len(parts))
        change = chance.randrange(4)
        if change == 0 and len(parts) > 1:
            del parts[place]
        elif change == 1:
            parts.insert(place, chance.choice(PIECES))
        elif change == 2:
            parts[place] = chance.choice(PIECES)
        else:
            parts.insert(place, parts[chance.randrange(len(parts))])
    return "".join(part + chance.choice((" ", "\n", "")) for part in parts)
