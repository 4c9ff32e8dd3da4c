"""Plan files: ``resident`` and ``groups``, read and written (docs/between.md)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema

from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.plan.living import Between, Wrong
from accelsim.mapping.plan.plan import COLUMNS, RESIDENT, ROWS, STREAMED, Group, Home, Mapped, Plan, Span
from accelsim.specs import Count, Spec, key, listed, validate
from accelsim.workload.problem import COUNT_LIMIT
from accelsim.yamlfile import Document, bare, read

KEEPS = {"both": (ROWS, COLUMNS), "columns": (COLUMNS,), "rows": (ROWS,), "none": ()}


def _parts(value: object) -> str:
    """Two counts as text; ValueError for what is none of that, or more than there are."""
    text = str(value).strip()
    stay, slash, blocks = text.partition("/")
    if not slash or not (stay.strip().isdecimal() and blocks.strip().isdecimal()):
        raise ValueError(f"'{text}' is no part: write how many blocks of how many, as in 3/4")
    if not 0 < int(stay) <= int(blocks) < COUNT_LIMIT:
        raise ValueError(f"'{text}' is no part: of {int(blocks)} blocks 1 to {int(blocks)} can stay")
    return f"{int(stay)}/{int(blocks)}"


class HomeSpec(Spec):
    """Where what a layer makes lives."""

    level: str = key("The level: one memory outside the array.")
    until: str = key("The last layer that reads it there; later ones fetch it from the outermost level.", "", "all do")
    parts: Annotated[str, BeforeValidator(_parts)] = key(
        "How many blocks of its channels stay, and of how many: '3/4'. The first ones go to the outermost level.",
        "1/1",
        "all do",
    )

    @property
    def home(self) -> Home:
        """As a value object."""
        stay, blocks = map(int, self.parts.split("/"))
        return Home(self.level, self.until, (1, 1) if stay == blocks else (stay, blocks))


class TileSpec(Spec):
    """A tile of a group: of the last layer's ofmap, or of an attention's scores."""

    P: Count | None = key("Rows.", None, "all", "words")
    Q: Count | None = key("Columns.", None, "all", "words")
    M: Count | None = key("Of an epilogue: channels.", None, "as the search finds", "words")
    rows: Count | None = key("Of an attention: queries of a block.", None, "", "words")
    columns: Count | None = key("Of an attention: keys of a block.", None, "", "words")


class SliceSpec(Spec):
    """A slice of a filter that is streamed in slices."""

    M: Count = key("Output channels (of one group), in the last slice fewer where they do not divide.", unit="words")


def _filter(value: object) -> object:
    """A way of a filter as it is; ValueError for what is none."""
    if isinstance(value, Mapping):
        outer = value.get("M")
        if set(value) == {"M"} and isinstance(outer, int) and not isinstance(outer, bool) and 0 < outer < COUNT_LIMIT:
            return value
    elif value in (RESIDENT, STREAMED):
        return value
    hint = nearest(value, (RESIDENT, STREAMED)) if isinstance(value, str) else ""
    shown = dict(value) if isinstance(value, Mapping) else value
    raise ValueError(
        f"should be '{RESIDENT}', '{STREAMED}', or slices of some output channels, as in {{M: 64}}; got {shown!r}{hint}"
    )


Filter = Annotated[Literal["resident", "streamed"] | SliceSpec, BeforeValidator(_filter)]
Keep = Literal["both", "columns", "rows", "none"]


class GroupSpec(Spec):
    """Layers that run together, tile by tile."""

    layers: Annotated[tuple[str, ...], BeforeValidator(listed)] = key("The layers, in run order; two at least.")
    tile: TileSpec = key("Of the last layer's ofmap.", TileSpec(), "all of it")
    keep: Keep | dict[str, Keep] = key(
        "What two tiles have in common and is kept, not made again; or that by layer, of what it makes.", "both"
    )
    filters: dict[str, Filter] = key(
        "By layer: whether its filter stays for all tiles; {M: 64}: it is streamed in by so many output channels at a "
        "time, each for a pass of its own.", {}, "it is streamed in for every tile, all of it at a time",
    )  # fmt: skip
    outside: Literal["rows", "columns"] | None = key(
        "Of an attention: the blocks that are walked outermost.", None, "scores of a block of rows are held whole"
    )

    epilogue: bool = key(
        "Whether the first layer hands each finished tile of its ofmap to the others, on its way out of the buffer.",
        False, "layers run tile by tile, each whole",
    )  # fmt: skip

    @property
    def group(self) -> Group:
        """As a value object."""
        tile, keep = self.tile, self.keep
        return Group(
            self.layers, tile.P or 0, tile.Q or 0,
            {name: KEEPS[ways] for name, ways in keep.items()} if isinstance(keep, Mapping) else {},
            KEEPS["both" if isinstance(keep, Mapping) else keep],
            {name: way for name, way in self.filters.items() if isinstance(way, str)},
            tile.rows or 0, tile.columns or 0, self.outside or "", tile.M or 0, self.epilogue,
            {name: way.M for name, way in self.filters.items() if isinstance(way, SliceSpec)},
        )  # fmt: skip

    def contradictions(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What cannot be said of one group together: its place, and why."""
        tile = self.tile
        if self.epilogue:
            yield from self._of_an_epilogue()
            return
        if tile.M is not None:
            yield ("tile", "M"), "only tiles of an epilogue are cut along channels (epilogue: true)"
        if tile.rows is None:
            if tile.columns is not None:
                yield ("tile", "columns"), "the tile of an attention has rows too; that of other groups has P and Q"
            if self.outside is not None:
                yield ("outside",), "only blocks of an attention are walked so; its tile has rows and columns"
            return
        for name in ("P", "Q"):
            if getattr(tile, name) is not None:
                yield ("tile", name), "the tile of an attention has rows and columns; that of other groups has P and Q"
        if "keep" in self.model_fields_set:
            yield ("keep",), "blocks of an attention keep nothing; leave it out"

    def _of_an_epilogue(self) -> Iterator[tuple[tuple[str, ...], str]]:
        tile = self.tile
        for name in ("keep", "filters", "outside"):
            if name in self.model_fields_set:
                yield (name,), "an epilogue has one layer that multiplies, mapped as a layer is; leave it out"
        for name in ("rows", "columns"):
            if getattr(tile, name) is not None:
                yield ("tile", name), "the tile of an epilogue has P, Q and M"
        if (tile.P is None) != (tile.Q is None) or (tile.P is None) != (tile.M is None):
            yield ("tile",), "the tile of an epilogue has P, Q and M, or is left to the search"


class SpanSpec(Spec):
    """Layers that run in rounds, some images at a time."""

    layers: Annotated[tuple[str, ...], BeforeValidator(listed)] = key("The layers, in run order.")
    batch_outer: Count = key("Images of a round; the last round may have fewer.", unit="images")


def _nest(value: object) -> LoopNest:
    """The text of a mapping; ValueError naming the word that does not fit."""
    try:
        return LoopNest.parse(str(value))
    except MappingError as error:
        raise ValueError(str(error)) from None


NestText = Annotated[
    LoopNest, PlainValidator(_nest), WithJsonSchema({"type": "string", "examples": ["DRAM: P4 | GLB: M8 C3"]})
]


class MappedSpec(Spec):
    """Mappings of passes of groups, as a search found them."""

    found_for: str = key(
        "A hash of plan, network, machine, dataflow, objective and table; for others they are searched for."
    )
    passes: dict[str, list[NestText]] = key(
        "By group, FIRST..LAST: mappings of its passes that multiply, in the order that they run.", names="GROUP"
    )


def _home(value: object) -> object:
    """A level alone."""
    return {"level": value} if isinstance(value, str) else value


class PlanFile(Spec):
    """What happens between the layers of a network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = key("The network it is a plan of.", "", "any that has these layers")
    resident: dict[str, Annotated[HomeSpec, BeforeValidator(_home)]] = key(
        "By layer: where what it makes lives until it is read.", {}, "all goes to the outermost level", names="LAYER"
    )
    groups: list[GroupSpec] = key("Layers that run together.", [], "every layer runs alone")
    spans: list[SpanSpec] = key("Layers that run some images at a time.", [], "every layer runs the whole batch")
    mapped: MappedSpec | None = key("Mappings of passes of groups that were found.", None, "they are searched for")


def load_plan(path: str | Path) -> tuple[Plan, Document]:
    """Read a plan, and the document it stands in; SpecError with every error in it."""
    document = read(Path(path))
    return plan_of(document), document


def plan_of(document: Document) -> Plan:
    """The plan of a document. SpecError for what no plan says."""
    spec = validate(document, PlanFile)
    for i, group in enumerate(spec.groups):
        if len(group.layers) < 2:
            document.refuse(("groups", i, "layers"), "a group has two layers or more")
        for place, what in group.contradictions():
            document.refuse(("groups", i, *place), what)
    taken: dict[str, int] = {}
    for i, group in enumerate(spec.groups):
        for name in group.layers:
            if taken.setdefault(name, i) != i or group.layers.count(name) > 1:
                document.refuse(("groups", i, "layers"), f"'{name}' is in a group already")
    document.check()
    homes = {name: home.home for name, home in spec.resident.items()}
    for i, span in enumerate(spec.spans):
        if not span.layers:
            document.refuse(("spans", i, "layers"), "a span has one layer or more")
    document.check()
    spans = tuple(Span(span.layers, span.batch_outer) for span in spec.spans)
    groups = tuple(group.group for group in spec.groups)
    return Plan(homes, groups, spec.network, document.file, spans, _mapped(spec.mapped, groups, document))


def _mapped(spec: MappedSpec | None, groups: Iterable[Group], document: Document) -> Mapped | None:
    """Mappings that are known. SpecError where they are of no group."""
    if spec is None:
        return None
    named = [group.name for group in groups]
    for name in spec.passes:
        if name not in named:
            document.refuse(("mapped", "passes", name), f"no group of this plan{nearest(name, named)}", key=True)
    document.check()
    return Mapped(spec.found_for, {name: tuple(nests) for name, nests in spec.passes.items()})


def plan_from(given: Plan | str | Path | Mapping[str, Any]) -> tuple[Plan, Document | None]:
    """A plan as it is given: an object, a file, or what is in it."""
    if isinstance(given, Plan):
        return given, None
    if isinstance(given, Mapping):
        document = Document("plan", bare(given))
        return plan_of(document), document
    return load_plan(given)


def refuse_wrong(between: Between, document: Document | None, groups: Iterable[Wrong] = ()) -> None:
    """Raise for what a plan says that cannot be: SpecError with its lines, or AccelsimError for one without a file.

    groups : what is wrong with groups that are run, looked at where nothing else is.
    """
    plan = between.plan
    document = document and replace(document, issues=[])
    if document and plan.network and plan.network != between.network.name:
        document.refuse(("network",), f"a plan for '{plan.network}', and this network is '{between.network.name}'")
        document.check()
    for found in (between.wrong(), groups):
        told = list(found)
        if document:
            for place, what in told:
                document.refuse(place, what, key=len(place) == 2 and place[0] == "resident")
            document.check()
        elif told:
            raise AccelsimError("\n".join(f"plan: {'.'.join(map(str, place))}: {what}" for place, what in told))


def dump_plan(plan: Plan, comments: Mapping[str, str] | None = None) -> str:
    """The YAML text of a plan; `load_plan` reads it back. comments : what stands above a key."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    tree = CommentedMap()
    if plan.network:
        tree["network"] = plan.network
    if plan.resident:
        tree["resident"] = CommentedMap()
        for name, home in plan.resident.items():
            body = _written_home(home)
            if len(body) == 1:
                tree["resident"][name] = home.level
                continue
            tree["resident"][name] = CommentedMap(body)
            tree["resident"][name].fa.set_flow_style()
    if plan.groups:
        tree["groups"] = CommentedSeq()
        for group in plan.groups:
            body = CommentedMap(written(group))
            body.fa.set_flow_style()
            tree["groups"].append(body)
    if plan.spans:
        tree["spans"] = CommentedSeq()
        for span in plan.spans:
            body = CommentedMap(_written_span(span))
            body.fa.set_flow_style()
            tree["spans"].append(body)
    if plan.mapped:
        passes = {name: list(map(str, nests)) for name, nests in plan.mapped.passes.items()}
        tree["mapped"] = CommentedMap({"found_for": plan.mapped.found_for, "passes": CommentedMap(passes)})
    for name, text in (comments or {}).items():
        if name in tree:
            tree.yaml_set_comment_before_after_key(name, before=text)
    yaml = YAML()
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue() if tree else "{}\n"


def _written_home(home: Home) -> dict[str, str]:
    """A home as its file has it."""
    until = {"until": home.until} if home.until else {}
    return {"level": home.level, **until, **({} if home.whole else {"parts": "/".join(map(str, home.parts))})}


def _written_span(span: Span) -> dict[str, Any]:
    """A span as its file has it."""
    return {"layers": list(span.layers), "batch_outer": span.batch_outer}


def written(group: Group) -> dict[str, Any]:
    """A group as its file has it."""
    names = {ways: name for name, ways in KEEPS.items()}
    out: dict[str, Any]
    if group.attention:
        out = {
            "layers": list(group.layers),
            "tile": {"rows": group.rows, **({"columns": group.columns} if group.columns else {})},
        }
        out |= {"outside": group.outside} if group.outside else {}
        return out | ({"filters": dict(group.filters)} if group.filters else {})
    # a side that is not said is all of it
    tile = {name: size for name, size in (("P", group.P), ("Q", group.Q), ("M", group.M)) if size}
    out = {"layers": list(group.layers), **({"tile": tile} if tile else {})}
    if group.epilogue:
        return {**out, "epilogue": True}
    out["keep"] = {name: names[ways] for name, ways in group.keep.items()} if group.keep else names[group.otherwise]
    if group.filters or group.slices:
        out["filters"] = {**group.filters, **{name: {"M": outer} for name, outer in group.slices.items()}}
    return out


def data_of(plan: Plan) -> dict[str, Any]:
    """A plan as plain data, for documents; `plan_of` reads it back."""
    out: dict[str, Any] = {"network": plan.network} if plan.network else {}
    if plan.resident:
        out["resident"] = {name: _written_home(home) for name, home in plan.resident.items()}
    if plan.groups:
        out["groups"] = [written(group) for group in plan.groups]
    if plan.spans:
        out["spans"] = [_written_span(span) for span in plan.spans]
    return out
