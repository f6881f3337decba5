"""Writings whose case has a meaning: chemical formulas (`CO`, `Co`), pairs of genes (`Aa`), symbols of units (`mW`)."""

from __future__ import annotations

import re

from visplay.answers.units import is_symbol

_ELEMENTS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th U Pu"
).split()
_FORMULA = re.compile(rf"(?:(?:{'|'.join(sorted(_ELEMENTS, key=len, reverse=True))})[0-9]{{0,3}})+")
_GENES = re.compile(r"(?:([A-Za-z])(?i:\1))+")
_LONGEST = 8


def meaningful_case(text: str) -> str:
    """`text` if it is a writing whose case has a meaning, else nothing."""
    if len(text) > _LONGEST or " " in text:
        return ""
    return text if is_symbol(text) or _FORMULA.fullmatch(text) or _GENES.fullmatch(text) else ""
