"""Render the templates of numbers, units, dates and places: ``{{convert|5|km}}`` is ``5 km``.

``{{convert}}`` shows its input and a conversion; the conversion is for readers of the other system and is left
out. Unit codes become the symbols that the template shows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pile_curate.extract.wikitext_names import names
from pile_curate.extract.wikitext_tags import GONE, HOLE, superscript

if TYPE_CHECKING:
    from pile_curate.extract.wikitext_shapes import Args

_UNITS = {
    "km2": "km²", "m2": "m²", "cm2": "cm²", "mm2": "mm²", "m3": "m³", "cm3": "cm³", "km3": "km³", "sqkm": "km²", "sqm": "m²",
    "sqmi": "sq mi", "sqft": "sq ft", "sqin": "sq in", "sqyd": "sq yd", "mi2": "sq mi", "ft2": "sq ft", "cuft": "cu ft",
    "cumi": "cu mi", "cuin": "cu in", "cuyd": "cu yd", "c": "°C", "f": "°F", "k": "K", "c-change": "°C", "f-change": "°F",
    "°c": "°C", "°f": "°F", "kmh": "km/h", "km/h": "km/h", "kph": "km/h", "mph": "mph", "nmi": "nmi", "ozt": "troy oz",
    "m/s": "m/s", "ft/s": "ft/s", "usgal": "US gal", "impgal": "imp gal", "u.s.gal": "US gal", "l": "L", "kn": "kn",
    "t": "t", "long": "long tons", "short": "short tons", "longton": "long tons", "shortton": "short tons", "lt": "long tons",
    "acre": "acres", "ha": "ha", "st": "st", "mpgus": "mpg", "mpgimp": "mpg", "/sqkm": "per km²", "/km2": "per km²",
    "/sqmi": "per square mile", "pd/sqkm": "per km²", "pd/sqmi": "per square mile", "inhg": "inHg", "bbl": "barrels",
    "foot": "feet", "inch": "inches", "mile": "miles", "yard": "yards", "m3/s": "m³/s", "cuft/s": "cu ft/s", "miles": "miles",
    "ton": "tons", "tonne": "tonnes", "lbf": "lbf", "hp": "hp", "e6km2": "million km²", "kg/m3": "kg/m³", "g/cm3": "g/cm³",
}  # fmt: skip
_RANGES = {
    "to": " to ", "-": "–", "–": "–", "and": " and ", "by": " by ", "x": " × ", "×": " × ", "or": " or ", "to(-)": "–",
    "&": " and ", "+/-": " ± ", "±": " ± ", "xx": " × ", "and(-)": " and ", "to about": " to about ", "*": " × ",
}  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PLAIN_NUMBER = re.compile(r"([+\-−]?)([0-9]{1,15})(\.[0-9]+)?")
_SEPARATORS = {
    **dict.fromkeys(names("ca da de el es gl hr id is it nl pt ro sl sr tr vi"), (".", ",")),
    **dict.fromkeys(names("be bg cs et fi fr hu lt lv nb nn no pl ru sk sv uk"), (" ", ",")),
}
"""Thousands and decimal separators where they are not the English ones (CLDR, with a plain space)."""
_SMALL_FRACTION = re.compile(r"(\d+)\+(\d+)/(\d+)")


def number(text: str, language: str = "en") -> str:
    """Write a plain number as ``{{formatnum:}}`` does in a language; leave anything else as it is.

    >>> number("1234567.5"), number("1234567.5", "de"), number("12,5")
    ('1,234,567.5', '1.234.567,5', '12,5')
    """
    text = text.strip()
    found = _PLAIN_NUMBER.fullmatch(text)
    if not found:
        return text
    group, point = _SEPARATORS.get(language, (",", "."))
    whole = f"{int(found[2]):,}".replace(",", group) if len(found[2]) > 3 else found[2]
    return found[1] + whole + (found[3] or "").replace(".", point)


def _unit(code: str) -> str:
    return _UNITS.get(code.lower(), code)


def _amount(text: str, language: str) -> str:
    """Write ``5+1/2`` as ``5 1/2`` and ``1.2e6`` as it is."""
    text = text.strip()
    mixed = _SMALL_FRACTION.fullmatch(text)
    return f"{mixed[1]} {mixed[2]}/{mixed[3]}" if mixed else number(text, language)


def convert(args: Args) -> str:
    """Render ``{{convert|amount|unit|…}}``, with ranges (``5|to|10|km``) and compound units (``5|ft|6|in``)."""
    parts = list(args.listed())
    if not parts:
        return GONE
    hyphen = args["adj"] in ("on", "mid", "j")
    said = _amount(parts[0], args.language)
    at = 1
    while at + 1 < len(parts) and parts[at].lower() in _RANGES:
        said += _RANGES[parts[at].lower()] + _amount(parts[at + 1], args.language)
        at += 2
    if at < len(parts):
        said += ("-" if hyphen and parts[at][:1].isalpha() else "" if parts[at] in ("%",) else " ") + _unit(
            parts[at]
        )
        at += 1
    compound = {"ft": "in", "lb": "oz", "st": "lb", "yd": "ft", "mi": "yd", "foot": "in"}
    if at + 1 < len(parts) and compound.get(parts[at - 1].lower()) == parts[at + 1].lower():
        said += f" {_amount(parts[at], args.language)} {_unit(parts[at + 1])}"
    middle = args["adj"] == "mid" and args["3"]
    return f"{said} {middle}".rstrip() if middle and middle.startswith("-") else said


def value(args: Args) -> str:
    """Render ``{{val|1.5|0.2|e=6|u=kg}}``."""
    said = args["p"] + number(args[1], args.language)
    if args[2]:
        said += f" ± {args[2]}" if not args[3] else f" +{args[2].lstrip('+')} −{args[3].lstrip('-')}"
    if args["e"]:
        said += "×10" + superscript("0", args["e"])
    unit = args.first("u", "ul", "up", "upl")
    per = args["up"] or args["upl"]
    unit = re.sub(r"\b([a-zA-Z]+)(-?[2-4])\b", lambda found: found[1] + superscript(found[1], found[2]), unit)
    return f"{said}{'/' if per else ' ' if unit and unit not in ('%', '°') else ''}{unit}"


def date(year: str, month: str = "", day: str = "", *, day_first: str | bool = False) -> str:
    """Write a date given as year, month, day (numbers or names).

    >>> date("1960", "3", "4"), date("1960", "3", "4", day_first=True), date("4", "mars", "1960")
    ('March 4, 1960', '4 March 1960', '4 mars 1960')
    """
    if len(day) == 4 and day.isdigit() and not (len(year) == 4 and year.isdigit()):
        return " ".join(part for part in (year, month, day) if part)
    if month.isdigit() and 1 <= int(month) <= 12:
        month = _MONTHS[int(month) - 1]
    elif not month:
        return year
    if not (day.isdigit() and 1 <= int(day) <= 31):
        return f"{month} {year}"
    return f"{int(day)} {month} {year}" if day_first else f"{month} {int(day)}, {year}"


_COMPASS = frozenset("NSEW")


def coordinates(args: Args) -> str:
    """Write ``{{coord|40|26|N|79|58|W}}`` if it shows in the text, not only beside the title."""
    where = args["display"] or "inline"
    if "inline" not in where and where not in ("i", "it"):
        return GONE
    said: list[str] = []
    signs = iter("°′″")
    for part in args.listed():
        if part.upper() in _COMPASS:
            said.append(f"{part.upper()} ")
            signs = iter("°′″")
            if len([p for p in said if p.strip() in _COMPASS]) == 2:
                break
        elif re.fullmatch(r"[+\-−]?\d+(\.\d+)?", part):
            said.append(part + next(signs, "″"))
        else:
            break
    if not any(part.strip() in _COMPASS for part in said):
        return ", ".join(part.rstrip("°′″") + "°" for part in said[:2]) or GONE
    return "".join(said).strip() or GONE


def height(args: Args) -> str:
    """Write a person's height in the units given."""
    if args["ft"] or args["in"]:
        return " ".join(f"{args[unit]} {unit}" for unit in ("ft", "in") if args[unit])
    for unit in ("m", "cm"):
        if args[unit]:
            return f"{args[unit]} {unit}"
    return GONE


def density(args: Args) -> str:
    """Work out ``{{pop density|people|area|unit|prec=1}}``."""
    try:
        people, area = (float(args[key].replace(",", "")) for key in (1, 2))
        places = min(6, max(0, int(args["prec"] or 0)))
        return f"{people / area:,.{places}f} per {_unit(args[3] or 'km2')}"
    except (ValueError, ZeroDivisionError):
        return HOLE
