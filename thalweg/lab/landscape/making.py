"""The parts of the work behind `thalweg landscape`, in the order in which they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from thalweg.lab.landscape.basins import FACTORS, Basin, basin
from thalweg.lab.landscape.entrants import Entrant
from thalweg.lab.landscape.race import Plan, Race, run_each
from thalweg.lab.landscape.surface import Surface, ground
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.whole_file import whole_file

__all__ = ["CONTOUR", "FILES", "Part", "Work"]

CONTOUR, FILM, SADDLE, BASINS, PAGE = FILES = (
    "contour.png",
    "contour.gif",
    "saddle.gif",
    "basins.png",
    "landscape.html",
)


class Part(NamedTuple):
    """One part: what it does in words, how long it takes beside the others, and itself, which
    yields wherever it may be stopped."""

    title: str
    weight: float
    run: Callable[[], Iterator[None]]


class Work:
    """What is done so far: the files `written`, and in sentences what is `lacking` in them."""

    def __init__(self, surface: Surface, entrants: Sequence[Entrant], plan: Plan) -> None:
        self.entrants, self.race = entrants, Race(surface, plan, ground(surface))
        self.on_saddle = self.race
        if surface.saddle is None:
            saddle = SURFACES["saddle"]
            steps = replace(plan, start=saddle.start, steps=saddle.steps)
            self.on_saddle = Race(saddle, steps, ground(saddle))
        self.basins: dict[str, list[Basin]] = {}
        self.written: list[str] = []
        self.lacking: list[str] = []

    @property
    def races(self) -> list[Race]:
        """The races that have begun."""
        both = [self.race] if self.on_saddle is self.race else [self.race, self.on_saddle]
        return [race for race in both if race.runs]

    def parts(self, folder: Path) -> list[Part]:
        """Everything, in order."""
        many = len(self.entrants)
        on_saddle = [] if self.on_saddle is self.race else [self.on_saddle]
        return [
            *(self._walking(race, 0.5 * many) for race in (self.race, *on_saddle)),
            Part(CONTOUR, 1, lambda: self.draw_contour(folder)),
            Part(PAGE, 1, lambda: self._page(folder)),
            Part(FILM, 4, lambda: self._film(folder)),
            Part(SADDLE, 4, lambda: self._saddle(folder)),
            Part(BASINS, 1.5 * many, lambda: self._basins(folder)),
        ]

    def draw_contour(self, folder: Path) -> Iterator[None]:
        """The one picture that an interrupted run has, too."""
        from thalweg.lab.landscape.drawing import contour

        contour(folder / CONTOUR, self.race)
        self.written.append(CONTOUR)
        yield

    def _walking(self, race: Race, weight: float) -> Part:
        return Part(f"{race.surface.name}: walking", weight, lambda: self._walk(race))

    def _walk(self, race: Race) -> Iterator[None]:
        for _ in run_each(race, self.entrants):
            yield

    def _film(self, folder: Path) -> Iterator[None]:
        from thalweg.lab.landscape.drawing import moving

        moving(folder / FILM, self.race)
        self.written.append(FILM)
        yield

    def _saddle(self, folder: Path) -> Iterator[None]:
        from thalweg.lab.landscape.drawing import moving_saddle

        moving_saddle(folder / SADDLE, self.on_saddle)
        self.written.append(SADDLE)
        yield

    def _basins(self, folder: Path) -> Iterator[None]:
        from thalweg.lab.landscape.drawing import basins

        surface, plan = self.race.surface, self.race.plan
        for run in self.race.runs:
            panes = self.basins.setdefault(run.label, [])
            for factor in FACTORS:
                panes.append(basin(run.entrant, surface, factor * run.tuned.lr, plan.steps))
                yield
        basins(folder / BASINS, self.race, self.basins)
        self.written.append(BASINS)

    def _page(self, folder: Path) -> Iterator[None]:
        from thalweg.lab.landscape.page import page_text

        text, lacking = page_text(self.race)
        self.lacking += lacking
        yield
        if text:
            with whole_file(folder / PAGE) as file:
                file.write(text.encode())
            self.written.append(PAGE)
