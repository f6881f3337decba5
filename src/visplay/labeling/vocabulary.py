"""Words of noun phrases: which of them exclude one another, and which leave a thing what its last word says.

The tables are short on purpose. What is in none of them is not known, and has to be asked.
"""

from __future__ import annotations

SHADES = frozenset("light dark bright pale deep".split())

# Modifiers that leave a thing what its head says: an "old car" is a car, but a "toy car" or a "hot dog" may not be.
ADJECTIVES = SHADES | frozenset(
    "young elderly old new open closed empty full broken wet dry clean dirty shiny round square rectangular flat thick "
    "thin striped spotted dotted plain patterned bare left right upper lower front back middle top bottom parked "
    "moving standing sitting seated smiling single other visible nearby distant adult male female".split()
)

# Whole nouns although their first word could be an adjective: a red panda is no panda, an orange tree is not orange.
COMPOUNDS = frozenset(
    "red panda|big wheel|white board|black board|green house|orange tree|orange juice|orange peel|orange slice|"
    "orange soda|orange grove|gold fish|navy ship|navy officer|navy uniform".split("|")
)

MALE = frozenset("man boy guy gentleman father groom policeman fireman waiter businessman".split())
FEMALE = frozenset("woman girl lady mother bride policewoman waitress businesswoman".split())
GROUPS_OF_PEOPLE = frozenset("crowd family audience team couple".split())
PEOPLE = (
    MALE
    | FEMALE
    | GROUPS_OF_PEOPLE
    | frozenset(
        "person child kid baby adult toddler teenager driver pedestrian cyclist passenger rider player worker officer "
        "firefighter doctor nurse patient teacher student chef soldier tourist skier surfer snowboarder skateboarder "
        "swimmer runner dancer singer musician photographer farmer passerby spectator".split()
    )
)

# In each group, no thing has two of the names.
APART = (
    frozenset(
        "person dog cat horse cow sheep goat pig elephant giraffe zebra bear lion tiger monkey rabbit bird fish snake "
        "car bus truck train bicycle motorcycle airplane helicopter boat tree hat shirt dress shoe chair sofa bed "
        "apple banana carrot pizza cloud".split()
    ),
    frozenset("circle ellipse triangle rectangle square rhombus pentagon hexagon octagon cross star crescent".split()),
    frozenset("bar slice legend title axis".split()),
)

# Exceptions: names and colours of which one thing may have two.
NEAR = tuple(
    frozenset(words.split())
    for words in (
        "square rectangle rhombus",
        "circle ellipse",
        "gray silver white",
        "black gray navy",
        "white beige tan",
        "brown tan beige gold orange maroon",
        "red maroon pink magenta orange",
        "yellow gold orange beige",
        "green teal turquoise cyan",
        "blue navy teal turquoise cyan purple violet",
        "purple violet magenta pink maroon",
    )
)

# Plurals that are no more than one thing; a pair of them is one as well.
PLURAL_ONLY = frozenset(
    "glasses scissors pants jeans shorts trousers goggles binoculars pliers tweezers tights".split()
)

MANY = frozenset("some several many few multiple various numerous countless both all".split())

# "A row of bottles" is bottles. "A slice of pizza" is a slice, and there is pizza. A "statue of a man" is no man.
COLLECTIONS = frozenset(
    "row pair group bunch crowd stack pile set line collection herd flock lot couple dozen number variety series "
    "hundred ten thousand plenty cluster array range school team".split()
)
PORTIONS = frozenset(
    "slice piece glass cup mug bottle bowl plate bag box basket can jar loaf bucket carton pot tray bouquet crate vase "
    "bite half part".split()
)

# A phrase with such a word says what may be there.
HEDGES = frozenset(
    "possibly maybe perhaps probably likely possible or either like looks look seems appears might could may unclear "
    "unknown not never fake".split()
)

PHRASE_OF_VIEW = r"(?: (?:visible|present|shown|in sight|in view|at all|(?:in|on) the (?:image|picture|photo|scene)))*"
