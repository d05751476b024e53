"""What people call clothes and colours, in English and German. Names of the store itself are known
without being listed here."""

from __future__ import annotations

from types import MappingProxyType

COLOURS = MappingProxyType(
    {
        "schwarz": "black",
        "weiß": "white",
        "weiss": "white",
        "grau": "grey",
        "gray": "grey",
        "rot": "red",
        "orangefarben": "orange",
        "gelb": "yellow",
        "grün": "green",
        "gruen": "green",
        "blau": "blue",
        "lila": "purple",
        "violett": "purple",
        "violet": "purple",
        "rosa": "pink",
        "braun": "brown",
        "cream": "beige",
        "creme": "beige",
        "marine": "navy",
        "marineblau": "navy",
        "dunkelblau": "navy",
        "dark blue": "navy",
    }
)
#: Word -> labels and categories it may mean.
GARMENTS = MappingProxyType(
    {
        "jacke": ("jacket",),
        "mantel": ("coat",),
        "mäntel": ("coat",),
        "hose": ("pants",),
        "trousers": ("pants",),
        "denim": ("jeans",),
        "jeanshose": ("jeans",),
        "leggins": ("leggings",),
        "shorts": ("shorts",),
        "kurze hose": ("shorts",),
        "rock": ("skirt",),
        "röcke": ("skirt",),
        "kleid": ("dress",),
        "hemd": ("shirt",),
        "bluse": ("blouse",),
        "tee": ("t-shirt",),
        "tshirt": ("t-shirt",),
        "t shirt": ("t-shirt",),
        "pullover": ("sweater", "jumper"),
        "pulli": ("sweater", "jumper"),
        "kapuzenpulli": ("hoodie",),
        "kapuzenpullover": ("hoodie",),
        "weste": ("vest",),
        "strickjacke": ("cardigan",),
        "sakko": ("blazer",),
        "anzug": ("suit",),
        "hut": ("hat",),
        "hüte": ("hat",),
        "mütze": ("hat",),
        "kappe": ("hat",),
        "cap": ("hat",),
        "beanie": ("hat",),
        "schal": ("scarf",),
        "tuch": ("scarf",),
        "handschuh": ("gloves", "glove"),
        "krawatte": ("tie",),
        "gürtel": ("belt",),
        "schuh": ("shoes", "shoe"),
        "turnschuh": ("sneakers",),
        "trainers": ("sneakers",),
        "stiefel": ("boots",),
        "sandale": ("sandals",),
        "socke": ("socks", "sock"),
        "strumpfhose": ("tights", "stockings"),
        "tasche": ("bag", "purse"),
        "handtasche": ("purse", "bag"),
        "handbag": ("purse", "bag"),
        "rucksack": ("bag",),
        "backpack": ("bag",),
        "brille": ("glasses",),
        "sonnenbrille": ("sunglasses",),
        "uhr": ("watch",),
        "armbanduhr": ("watch",),
        "oberteil": ("upper garment", "top"),
        "unterteil": ("lower garment",),
    }
)
#: Word -> attribute's value.
ATTRIBUTES = MappingProxyType(
    {
        "striped": "pattern=striped",
        "stripes": "pattern=striped",
        "gestreift": "pattern=striped",
        "plaid": "pattern=plaid",
        "checked": "pattern=plaid",
        "kariert": "pattern=plaid",
        "printed": "pattern=printed",
        "bedruckt": "pattern=printed",
        "plain": "pattern=plain",
        "einfarbig": "pattern=plain",
        "uni": "pattern=plain",
        "long sleeve": "sleeve=long",
        "long sleeved": "sleeve=long",
        "langärmlig": "sleeve=long",
        "short sleeve": "sleeve=short",
        "short sleeved": "sleeve=short",
        "kurzärmlig": "sleeve=short",
    }
)
AND = frozenset({"and", "und", "with", "mit", "plus", ",", "+", "&"})
OR = frozenset({"or", "oder"})
NOT = frozenset({"not", "without", "no", "nicht", "ohne", "kein", "keine", "keinen"})
#: What the shipped models call clothes, whether or not a store has seen it yet.
LABELS = frozenset(
    (
        *("accessories", "bag", "belt", "blazer", "blouse", "bodysuit", "boots", "bracelet"),
        *("cape", "cardigan", "clogs", "coat", "dress", "earrings", "flats", "glasses", "gloves"),
        *("hat", "heels", "hoodie", "jacket", "jeans", "jumper", "leggings", "loafers"),
        *("necklace", "pants", "pumps", "purse", "ring", "romper", "sandals", "scarf", "shirt"),
        *("shoes", "shorts", "skirt", "sneakers", "socks", "stockings", "suit", "sunglasses"),
        *("sweater", "sweatshirt", "t-shirt", "tie", "tights", "top", "vest", "wallet", "watch"),
        "wedges",
    )
)
#: Words that say nothing.
FILLING = frozenset(
    (
        *("a", "an", "the", "in", "at", "on", "of", "from", "to", "somebody", "someone"),
        *("person", "people", "wearing", "who", "wears", "between", "last"),
        *("ein", "eine", "einen", "einem", "einer", "der", "die", "das", "den", "dem", "im"),
        *("am", "an", "bei", "von", "bis", "jemand", "personen", "trägt", "zwischen"),
    )
)
