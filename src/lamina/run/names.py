"""Names for containers that were given none: an adjective and somebody who built things."""

from __future__ import annotations

import os

from lamina.errors import Invalid
from lamina.late import re

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"

_ADJECTIVES = """
able agile amber ample ancient ardent autumn azure bold brave breezy bright brisk bronze calm
candid careful cheerful clear clever coastal cool copper coral cosmic crisp curious daring
dapper deft distant eager early earnest easy elegant fair fancy fearless fine firm fleet floral
fluent fond frank fresh frosty gallant gentle gilded glad golden graceful grand grateful handy
happy hardy hazel honest humble ideal indigo jaunty jolly jovial keen kind lavish leafy level
light lively logical loyal lucid lucky lunar mellow merry mild mindful modest mossy musing neat
nimble noble northern novel open patient placid playful polar polite prime proud prudent quick
quiet rapid ready regal robust rosy rustic sage scarlet serene sharp silent silver simple
sincere sleek smooth snowy solar solid sound spirited spry stable steady still stoic sturdy
subtle sunny swift tactful tender thrifty tidy tranquil true trusty upbeat urban valiant velvet
verdant vivid warm watchful willing wise witty woven zealous zesty
"""

_BUILDERS = """
archimedes babbage banu_musa bell bessemer bramante brunel brunelleschi callicrates candela
carnegie cayley chippewa clarke daedalus daguerre davinci diesel dieudonne eads eiffel ellet
fazlur ferranti fuller gaudi gutenberg hadid harrison hero heron hooke hopper huygens ictinus
imhotep isidore jacquard jenney jones kahn kay khan kwolek lamarr latrobe lovelace maillart
mansart marconi maudslay meikle mestral michelangelo mies minard monge montgolfier morgan morse
murray nasmyth nervi newcomen niemeyer otto palladio papin paxton peto piranesi plumier polhem
rennie roebling saarinen savery senmut shukhov siemens sinan smeaton soane sostratus stephenson
stevin su_song telford tesla torroja trevithick tull utzon vauban vitruvius volta watt
wheatstone whitworth wren wright wyatt zhang_heng zonca
"""


def random_name(attempt: int = 0) -> str:
    """A random `adjective_builder`; later attempts get a number, for the plain ones run out."""
    # Not `random`, whose import takes longer than all the rest of this room's.
    number = int.from_bytes(os.urandom(8), "little")
    adjectives, builders = _ADJECTIVES.split(), _BUILDERS.split()
    number, first = divmod(number, len(adjectives))
    number, second = divmod(number, len(builders))
    name = f"{adjectives[first]}_{builders[second]}"
    return name if attempt < 5 else f"{name}{number % 10 ** (attempt - 3)}"


def check_name(name: str) -> str:
    """`name` without a leading slash; Invalid unless Docker would take it for a container."""
    bare = name.removeprefix("/")
    if not re.fullmatch(_NAME, bare):
        raise Invalid(
            f'"{name}" is not a container name',
            hint="use at least two of a-z A-Z 0-9 _ . - and begin with a letter or digit",
        )
    return bare
