"""Download the public raw dumps that the sources read: politely, resumably, and byte for byte.

``catalogue`` knows where each component's files are published, ``listing`` turns that into URLs, ``client``
speaks HTTP under the rules of ``hosts`` (robots.txt, pace, one connection a host), ``download`` brings one
file home through ``part``, ``checks`` and ``sums``, ``ledger`` remembers it, and ``run`` does all of them.
"""
