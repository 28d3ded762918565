"""The entities that every contender stores: each a pure function of its number, so that all sizes share a beginning."""

import hashlib
from random import Random
from typing import Any

Entity = dict[str, Any]

SEED = 20_261_124
SLUG = "customer"
SEARCH_FIELDS = ("name", "email", "city", "notes")
SCHEMA = {
    "name": "string", "email": "string", "plan": "string", "age": "number", "city": "string",
    "account": "string", "signedUp": "string", "tags": "array", "notes": "string",
}  # fmt: skip
BEGINNING = 1_767_225_600_000  # 2026-01-01 in Unix milliseconds, when the first entity was made
SHARING, BLOCK = 20, 1_000  # entities of one account; they lie scattered within a block

ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
FIRST_NAMES = [
    "Ada", "Amélie", "Boris", "Carmen", "Chidi", "Dana", "Elif", "Emil", "Farah", "Gustav", "Hana", "Ines",
    "Ivan", "Jane", "Kim", "Lars", "Lucía", "Mads", "Nadia", "Noor", "Olga", "Pedro", "Priya", "Ravi", "Sam",
    "Sofia", "Tomás", "Uma", "Viktor", "Wei", "Yusuf", "Zoë",
]  # fmt: skip
SYLLABLES = [
    "bar", "den", "fel", "gor", "han", "jen", "kal", "lin", "mor", "nes", "pol", "ril", "sten", "tov", "var",
    "wick",
]  # fmt: skip
PLANS = ("free",) * 11 + ("pro",) * 6 + ("team",) * 2 + ("enterprise",)
CITIES = [
    "Accra", "Athens", "Bergen", "Berlin", "Bogotá", "Boston", "Busan", "Cairo", "Chennai", "Cusco", "Dakar",
    "Delhi", "Dublin", "Gdańsk", "Geneva", "Hanoi", "Havana", "Istanbul", "Kyoto", "Lagos", "Leeds", "Lima",
    "Lisbon", "Lyon", "Málaga", "Montréal", "Nairobi", "Oslo", "Perth", "Porto", "Prague", "Quito", "Riga",
    "Rome", "Seoul", "Sydney", "Tbilisi", "Tokyo", "Vienna", "Zürich",
]  # fmt: skip
TAGS = [
    "beta", "billing", "churned", "import", "invoice", "loyal", "mobile", "partner", "referral", "support",
    "trial", "vip",
]  # fmt: skip
ADJECTIVES = ["amber", "brisk", "calm", "deep", "eager", "fair", "gentle", "hazy", "ivory", "jolly"]
NOUNS = ["anchor", "bridge", "canyon", "dune", "ember", "forest", "glacier", "harbor", "island", "jungle"]
TOPICS = [adjective + noun for adjective in ADJECTIVES for noun in NOUNS]  # each in the notes of one entity in 100
COMMON_WORDS = ("customer", "since", "prefers", "account", "orders")  # in the notes of every entity


def entity(number: int) -> Entity:
    """Return an entity as the API shows it; its data is about 300 bytes of JSON."""
    time = BEGINNING + number * 1_000
    return {
        "id": entity_id(number),
        "type": SLUG,
        "status": "active",
        "data": data(number),
        "createdAt": time,
        "updatedAt": time,
    }


def entity_id(number: int) -> str:
    """Return the id of an entity, in the form of the product's own."""
    digest = hashlib.blake2b(b"%d %d" % (SEED, number), digest_size=29).digest()
    return "k17" + digest.translate(ALPHABET * 8).decode()


def data(number: int) -> dict[str, Any]:
    """Return the fields of an entity."""
    dice = Random(SEED * 10**9 + number)
    first, last = dice.choice(FIRST_NAMES), "".join(dice.choices(SYLLABLES, k=3)).capitalize()
    year, month, day = dice.randint(2015, 2025), dice.randint(1, 12), dice.randint(1, 28)
    return {
        "name": f"{first} {last}",
        "email": f"{last.lower()}.{number:07x}@example.com",
        "plan": dice.choice(PLANS),
        "age": dice.randint(18, 80),
        "city": dice.choice(CITIES),
        "account": account(number),
        "signedUp": f"{year}-{month:02}-{day:02}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:00Z",
        "tags": dice.sample(TAGS, 2),
        "notes": f"Customer since {year}, prefers {dice.choice(TOPICS)}; account {account(number)} has "
        f"{dice.randint(1, 99)} orders, and the next call is in {month} weeks",
    }


def account(number: int) -> str:
    """Return the account of an entity, which it shares with 19 others near it: a rare word."""
    accounts = BLOCK // SHARING
    return f"q{number // BLOCK * accounts + number % accounts:06x}"
