"""The display of a drill on a terminal: lines for a width and a height. Colours only repeat what the text says."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaosdrill.watch.event_texts import single_line
from chaosdrill.watch.progress import CLOSED, DIED, ONGOING, DrillProgress

if TYPE_CHECKING:
    from rich.text import Text

# by Okabe and Ito, distinguishable by colour-blind people, too; see https://jfly.uni-koeln.de/color/
BLUE, ORANGE, RED, GREEN, GREY = "#56b4e9", "#e69f00", "#d55e00", "#009e73", "#999999"
OTHERS = ("#cc79a7", "#f0e442")
VERDICTS = {"passed": GREEN, "failed": RED, "interrupted": ORANGE}
UNSERVED, MIXED, NOTHING = "x", "~", "."
LABEL = 9
STRIPS = 3  # lines of the strip, at most
NARROWEST, LOWEST = 30, 6

Line = list[tuple[str, str]]  # parts of a line with their styles


def lines(progress: DrillProgress, now_s: float, width: int, height: int) -> "list[Text]":
    """Return the screen, at most ``height`` lines of at most ``width`` cells.

    :param now_s: the current time in s since the epoch.
    """
    from rich.text import Text

    width, height = max(width, NARROWEST), max(height, LOWEST)
    fixed = [_head(progress, now_s), _where(progress, now_s), _step(progress, now_s), _service(progress, now_s)]
    strips = list(_strips(progress, now_s, width, min(STRIPS, max(1, height - 9))))
    room = height - len(fixed) - len(strips) - 1
    rows = [*fixed, *strips, [("", "")], *_changes(progress, max(0, room))]
    made = []
    for parts in rows[:height]:
        line = Text(no_wrap=True, overflow="ellipsis")
        for text, style in parts:
            line.append(text, style)
        line.truncate(width, overflow="ellipsis")
        made.append(line)
    return made


def _head(progress: DrillProgress, now_s: float) -> Line:
    state = {ONGOING: ("goes on", "bold"), DIED: ("DIED", f"bold {RED}")}.get(progress.state)
    if progress.state == CLOSED:
        word = progress.verdict or "closed"
        state = word.upper(), f"bold {VERDICTS.get(word, ORANGE)}"
    text, style = state or ("", "")
    until_s = now_s if progress.state == ONGOING else progress.ended_s or now_s
    target = progress.target + (f", scale {progress.scale:g}" if progress.scale not in (None, 1.0) else "")
    return [(f"{progress.run}  ", "bold"), (text, style), (f"  {_took(progress.began_s, until_s)}  {target}", GREY)]


def _where(progress: DrillProgress, now_s: float) -> Line:
    style = BLUE if _role(progress, progress.region) == "home" else ORANGE
    steady = progress.region.startswith("serving")
    region = progress.region if steady else f"! {progress.region}"
    return [
        *_label("region"),
        (region, style if steady else f"bold {RED}"),
        (f"  for {_took(progress.region_since_s, _end(progress, now_s))}", GREY),
    ]


def _step(progress: DrillProgress, now_s: float) -> Line:
    planned = f"/{progress.steps_planned}" if progress.steps_planned else ""
    line = [*_label("phase"), (progress.phase, "bold")]
    line.append((f"  for {_took(progress.phase_since_s, _end(progress, now_s))}", GREY))
    if progress.step:
        line += [("  step ", GREY), (progress.step, "bold"), (f" for {_took(progress.step_since_s, now_s)}", GREY)]
    return [*line, (f"  {progress.steps_done}{planned} steps done", GREY)]


def _service(progress: DrillProgress, now_s: float) -> Line:
    beats, ratio = progress.beats, progress.error_ratio
    if ratio is None:
        errors: Line = [("errors not known", GREY)]
    else:
        age_s = now_s - (progress.load_known_until_s or now_s)
        old = f" {age_s:.0f} s ago" if age_s > 6 and progress.state == ONGOING else ""
        errors = [(f"errors {ratio:.1%}", f"bold {RED}" if ratio > 0.01 else ""), (f" (5 s{old})", GREY)]
    if beats.out_since_s is not None:
        known_s = (beats.newest_s or beats.out_since_s) - beats.out_since_s
        since_s = _end(progress, now_s) - beats.out_since_s
        out: Line = [("  OUTAGE ", f"bold reverse {RED}"), (f" {since_s:.0f} s (beats show {known_s:.1f} s)", "bold")]
    elif beats.newest_s is None:
        out = [("  no heartbeat yet", GREY)]
    else:
        out = [("  served", GREEN)]
    past = [one.until_s - one.since_s for one in beats.outages if one.until_s is not None]
    known = f"  outages so far: {', '.join(f'{seconds:.1f} s' for seconds in past[-4:])}" if past else ""
    return [*_label("clients"), *errors, *out, (known, "")]


def _strips(progress: DrillProgress, now_s: float, width: int, most: int) -> Iterator[Line]:
    """Yield a character for each second, newest last: the letter of the region that served, x for an unserved beat."""
    beats, room = progress.beats, width - LABEL
    end_s = int(_end(progress, now_s))
    if beats.newest_s is None:
        yield [*_label("beats"), ("none yet", GREY)]
        return
    first_s = max(min(beats.seconds), end_s - most * room + 1)
    signs = [_sign(progress, second) for second in range(first_s, end_s + 1)]
    for begin in range(0, len(signs), room):
        yield [*_label("beats" if not begin else ""), *_joined(signs[begin : begin + room])]
    yield [*_label(""), *_legend(progress, now_s)]


def _sign(progress: DrillProgress, second: int) -> tuple[str, str]:
    seen = progress.beats.seconds.get(second)
    if seen is None:
        return NOTHING, GREY
    if seen.region is None:
        return UNSERVED, f"bold {RED}"
    letter, colour = _letter(progress, seen.region)
    return (MIXED, colour) if seen.unserved else (letter, colour)


def _joined(signs: Line) -> Iterator[tuple[str, str]]:
    """Merge adjacent characters of one style, which reduces the output for slow terminals."""
    run, style = "", ""
    for sign, other in signs:
        if other != style and run:
            yield run, style
            run = ""
        run, style = run + sign, other
    yield run, style


def _legend(progress: DrillProgress, now_s: float) -> Line:
    regions = dict.fromkeys(one.region for one in progress.beats.seconds.values() if one.region is not None)
    line: Line = []
    for region in list(regions)[:3]:
        letter, colour = _letter(progress, region)
        line += [(letter, colour), (f" {single_line(region) or 'served'}  ", GREY)]
    line += [(UNSERVED, RED), (" unserved  ", GREY), (f"{MIXED} some unserved  ", GREY)]
    age_s = now_s - (progress.beats.newest_s or now_s)
    return line if progress.state != ONGOING else [*line, (f"newest {max(0.0, age_s):.0f} s old", GREY)]


def _letter(progress: DrillProgress, region: str) -> tuple[str, str]:
    role = progress.roles.get(region)
    if role in ("home", "standby"):
        return ("h", BLUE) if role == "home" else ("s", ORANGE)
    return ("o", OTHERS[0]) if region else ("+", GREEN)


def _role(progress: DrillProgress, state: str) -> str:
    return progress.roles.get(state.removeprefix("serving(").removesuffix(")"), "")


def _changes(progress: DrillProgress, room: int) -> Iterator[Line]:
    changes = sorted(progress.changes, key=lambda change: change.at_s)  # beats arrive later than they were sent
    for change in changes[-room:] if room else ():
        loud = change.words.split(" ", 1)[0].rstrip(":").isupper() or change.words.startswith(("failed", "missed"))
        yield [(f"{progress.clock(change.at_s)} ", GREY), (change.words, f"bold {RED}" if loud else "")]


def _label(name: str) -> Line:
    return [(f"{name:<{LABEL}}", GREY)]


def _end(progress: DrillProgress, now_s: float) -> float:
    return now_s if progress.state == ONGOING else progress.ended_s or now_s


def _took(since_s: float | None, until_s: float) -> str:
    if since_s is None:
        return "?"
    seconds = max(0, round(until_s - since_s))
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60:02d} s"
