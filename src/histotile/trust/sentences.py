"""What the terminal and the pages say of a slide's familiarity."""

from histotile.trust.judging import Familiarity

MEANING = (
    "Familiar is no promise of a right score: it says that nothing about the slide was new, not "
    "that the model is good at such slides."
)


def tell(found: Familiarity) -> str:
    """One or two sentences, e.g. "foreign to the model: 4.2 times the limit, in colour ..."."""
    if found.distance is None:
        return (
            "whether it is like the slides taught on is unknown: the model carries nothing to tell "
            "by; train it again"
        )
    where = f", {'; '.join(found.reasons)}" if found.reasons else ""
    distance = f"distance {found.distance:.2f}, foreign from 1{where}"
    if found.flag == "foreign":
        return f"foreign to the model ({distance}). Its score may mean nothing"
    if found.flag == "unusual":
        return f"unusual for the model ({distance}). Its score may mean less than others"
    return f"familiar to the model ({distance})"


def tell_rate(found: Familiarity) -> str:
    """What the limit rests on, and how often it errs."""
    if found.distance is None:
        return ""
    held = f"limit from {found.patients} held-out training patients"
    if found.false_alarms is None:
        return f"{held}: too few to say how often a slide of the same kind is called foreign"
    rate = f"{100 * found.false_alarms:g} %"
    return f"{held}: at most {rate} of slides of the same kind are called foreign"
