"""Templates that carry prose: each leaves what a reader would see, in a sentence without a hole."""

from __future__ import annotations

import pytest

from pile_curate.extract.wikitext import to_text
from pile_curate.extract.wikitext_units import date, number

RENDERED = {
    "{{convert|5|km|mi}}": "5 km",
    "{{convert|1234.5|m2}}": "1,234.5 m²",
    "{{convert|5|to|10|C|F}}": "5 to 10 °C",
    "{{convert|5|-|10|mph}}": "5–10 mph",
    "{{convert|6|ft|2|in|cm}}": "6 ft 2 in",
    "{{convert|3|by|4|m|abbr=on}}": "3 by 4 m",
    "{{convert|5|mi|km|adj=on}}": "5-mi",
    "{{convert}}": "",
    "{{val|1.5|e=6|u=km}}": "1.5×10⁶ km",
    "{{val|9|2|ul=m2}}": "9 ± 2 m²",
    "{{pop density|3645257|640081.87|km2|prec=1}}": "5.7 per km²",
    "{{coord|40|26|N|79|58|W|display=inline,title}}": "40°26′N 79°58′W",
    "{{coord|1|2|display=title}}": "",
    "{{lang|fr|bonjour}}": "bonjour",
    "{{lang-fr|bonjour}}": "French: bonjour",
    "{{lang-zz|x}}": "x",
    "{{transl|ar|ALA|kitab}}": "kitab",
    "{{nihongo|'''Kyoto'''|京都|Kyōto}}": "Kyoto (京都, Kyōto)",
    "{{zh|s=汉字|t=漢字|p=hànzì}}": "汉字; 漢字; pinyin: hànzì",
    "{{IPAc-en|audio=x.ogg|ˈ|æ|n|.|ər|,_|b}}": "/ˈæn.ər, b/",
    "{{IPA-fr|a|lang}}": "[a]",
    "{{respell|ASS|kee}}": "ASS-kee",
    "{{frac|3|1|2}} {{frac|1|2}} {{frac|4}}": "3 1/2 1/2 1/4",
    "{{As of|2010|5}} {{as of|2010|lc=y}} {{as of|2010|alt=by then}}": "As of May 2010 as of 2010 by then",
    "{{birth date|1960|3|4|df=y}}": "4 March 1960",
    "{{date|4|mars|1960}}": "4 mars 1960",
    "{{circa|1850}} {{floruit|1400}} {{reign|1|2}}": "c. 1850 fl. 1400 r. 1–2",
    "{{harvtxt|Smith|Jones|2001|p=4}}": "Smith & Jones (2001)",
    "{{USS|Monitor}} {{HMS|Beagle|1820}}": "USS Monitor HMS Beagle (1820)",
    "{{chem|H|2|O}} {{simplenuclide|Carbon|14}}": "H2O carbon-14",
    "{{sic|teh}} {{sic|hide=y|teh}}": "teh [sic] teh",
    "{{abbr|NYC|New York City}} {{tooltip|a|b}}": "NYC a",
    "{{ill|Ada|de|Ada L.}} {{lien|trad=x|fr=Ici}}": "Ada Ici",
    "{{hlist|a|b}}": "a, b",
    "{{ubl|a|b}}": "- a\n- b",
    "{{quote|Less is more.|author=Mies}}": "Less is more.\n\n— Mies",
    "a{{snd}}b{{mdash}}c{{nbsp}}d": "a – b—c d",
    "{{bibleverse|Luke|2:1}} {{cite quran|2|255}}": "Luke 2:1 Quran 2:255",
    "{{formatnum:1234567}} {{nts|1000}} {{gaps|1|000}}": "1,234,567 1,000 1 000",
    "{{s-|XIX|e}}": "XIXe siècle",
    "{{music|flat}} {{pi}} {{okina}}": "♭ π ʻ",
    "{{color|red|warm}}": "warm",
    "{{unichar|20AC|EURO SIGN}}": "U+20AC € EURO SIGN",
    "{{Small|[[a|b]] {{lang|la|c}}}}": "b c",
}


@pytest.mark.parametrize("source", RENDERED)
def test_template(source: str) -> None:
    assert to_text(source) == RENDERED[source].strip()


def test_a_name_is_compared_as_mediawiki_does() -> None:
    assert to_text("{{ Template:Lang_\n|fr|a}} {{NOWRAP|b}} {{subst:nowrap|c}}") == "a b c"


def test_unknown_units_and_arguments_are_shown() -> None:
    assert to_text("{{convert|7|furlong}} {{convert|x|km}}") == "7 furlong x km"


def test_numbers_by_language() -> None:
    assert [number("12345.6", code) for code in ("en", "de", "fr", "ja")] == [
        "12,345.6",
        "12.345,6",
        "12 345,6",
        "12,345.6",
    ]
    assert number("about 5") == "about 5"


def test_dates() -> None:
    assert date("1960") == "1960"
    assert date("1960", "12") == "December 1960"
    assert date("1960", "13", "99") == "13 1960"
