"""HTML fragments to text: structure is kept, markup is not, and hostile input costs linear time."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.fragment import fragment_text

CASES = {
    "plain": ("a  b\n c", "a b c"),
    "paragraphs": ("<p>a\nb</p>\n\n<p>c</p>", "a b\n\nc"),
    "break": ("<p>a<br>b<br/> c</p>", "a\nb\nc"),
    "entities": ("<p>a &lt;b&gt; &amp;amp; &eacute;</p>", "a <b> &amp; é"),
    "inline marks": ("<p><strong>a</strong> <em>b</em> <a href='x'>c</a><img src=y alt=z></p>", "a b c"),
    "inline code": ("<p>a <code>b  &lt; c</code> <code>d`e</code></p>", "a `b < c` `` d`e ``"),
    "code block": ("<p>a</p><pre><code>x\n  y\n</code></pre>", "a\n\n```\nx\n  y\n```"),
    "code language": ('<pre class="lang-py prettyprint"><code>x\n</code></pre>', "```py\nx\n```"),
    "code language hint": ("<!-- language: lang-js -->\n<pre><code>x</code></pre>", "```js\nx\n```"),
    "code with tags": ("<pre><code>a <span>b</span><br>c <p>d</code></pre>", "```\na b\nc d\n```"),
    "code with fences": ("<pre><code>```\n</code></pre>", "````\n```\n````"),
    "list": ("<ul>\n<li>a</li>\n<li><p>b</p></li>\n</ul>", "- a\n- b"),
    "ordered list": ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b"),
    "nested list": ("<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>", "- a\n  1. b\n  2. c\n- d"),
    "code in a list": (
        "<ol><li>a<pre><code>b\nc</code></pre></li></ol>",
        "1. a\n\n   ```\n   b\n   c\n   ```",
    ),
    "quotation": ("<blockquote><p>a</p><p>b</p></blockquote><p>c</p>", "> a\n>\n> b\n\nc"),
    "headings and rules": ("<h2>a</h2>b<hr>c", "a\n\nb\n\nc"),
    "table": (
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 3</td></tr></table>",
        "a | b\n1 | 2 3",
    ),
    "superscripts": ("<p>x<sup>2</sup> <sup>a remark</sup> e<sup>ix</sup></p>", "x² a remark e^(ix)"),
    "silent": ("<p>a</p><script>b</script><style>c</style><p>d</p>", "a\n\nd"),
    "quoted angle bracket": ("<a title='b > c'>d</a>", "d"),
    "never closed": ("<ul><li>a<blockquote>b", "- a\n\n  > b"),
    "never opened": ("</li></ul>a</blockquote>", "a"),
    "no tag": ("1 < 2 and <3 & 4 <", "1 < 2 and <3 & 4 <"),
    "formula": ("<p>so $a &lt; b$\nand</p>", "so $a < b$ and"),
    "empty": ("<p></p><ul><li></li></ul>", ""),
    "declarations": ("<!DOCTYPE html><![CDATA[a]]><?x?>b<!-- c", "b"),
}


@pytest.mark.parametrize("case", CASES)
def test_fragment(case: str) -> None:
    markup, expected = CASES[case]
    assert fragment_text(markup) == expected


@pytest.mark.parametrize(
    "unit",
    ["<b>", "<blockquote>", "<ul><li>", "<!--", "<", "<a ", "<a b='", "<a b=\"'", "<![", "<?", "a<sup>", "&", "</", "<code>",
     "<td>x</td>", "<td></td>", "<pre>", "</li>", "<br>"],
)  # fmt: skip
def test_time_is_linear_on_hostile_input(unit: str) -> None:
    def seconds(count: int) -> float:
        begin = time.process_time()
        fragment_text(unit * count + "x")
        return time.process_time() - begin

    small = min(seconds(2_000) for _ in range(2))
    assert seconds(16_000) < 24 * small + 0.25
