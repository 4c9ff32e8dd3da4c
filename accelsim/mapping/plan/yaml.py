"""Plan files: ``resident`` and ``groups``, read and written (docs/between.md)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict

from accelsim.errors import AccelsimError
from accelsim.mapping.plan.living import Between, Wrong
from accelsim.mapping.plan.plan import COLUMNS, ROWS, Group, Home, Plan
from accelsim.specs import Count, Spec, key, listed, validate
from accelsim.yamlfile import Document, bare, read

KEEPS = {"both": (ROWS, COLUMNS), "columns": (COLUMNS,), "rows": (ROWS,), "none": ()}


class HomeSpec(Spec):
    """Where what a layer makes lives."""

    level: str = key("The level: one memory outside the array.")
    until: str = key("The last layer that reads it there; later ones fetch it from the outermost level.", "", "all do")


class TileSpec(Spec):
    """A tile of a group: of the last layer's ofmap, or of an attention's scores."""

    P: Count | None = key("Rows.", None, "all", "words")
    Q: Count | None = key("Columns.", None, "all", "words")
    rows: Count | None = key("Of an attention: queries of a block.", None, "", "words")
    columns: Count | None = key("Of an attention: keys of a block.", None, "", "words")


Keep = Literal["both", "columns", "rows", "none"]


class GroupSpec(Spec):
    """Layers that run together, tile by tile."""

    layers: Annotated[tuple[str, ...], BeforeValidator(listed)] = key("The layers, in run order; two at least.")
    tile: TileSpec = key("Of the last layer's ofmap.", TileSpec(), "all of it")
    keep: Keep | dict[str, Keep] = key(
        "What two tiles have in common and is kept, not made again; or that by layer, of what it makes.", "both"
    )
    filters: dict[str, Literal["resident", "streamed"]] = key(
        "By layer: whether its filter stays for all tiles.", {}, "it is streamed in for every tile"
    )
    outside: Literal["rows", "columns"] | None = key(
        "Of an attention: the blocks that are walked outermost.", None, "scores of a block of rows are held whole"
    )

    @property
    def group(self) -> Group:
        """As a value object."""
        tile, keep = self.tile, self.keep
        return Group(
            self.layers, tile.P or 0, tile.Q or 0,
            {name: KEEPS[ways] for name, ways in keep.items()} if isinstance(keep, Mapping) else {},
            KEEPS["both" if isinstance(keep, Mapping) else keep], dict(self.filters),
            tile.rows or 0, tile.columns or 0, self.outside or "",
        )  # fmt: skip


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
    taken: dict[str, int] = {}
    for i, group in enumerate(spec.groups):
        for name in group.layers:
            if taken.setdefault(name, i) != i or group.layers.count(name) > 1:
                document.refuse(("groups", i, "layers"), f"'{name}' is in a group already")
    document.check()
    homes = {name: Home(home.level, home.until) for name, home in spec.resident.items()}
    return Plan(homes, tuple(group.group for group in spec.groups), spec.network, document.file)


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
            if not home.until:
                tree["resident"][name] = home.level
                continue
            tree["resident"][name] = CommentedMap(level=home.level, until=home.until)
            tree["resident"][name].fa.set_flow_style()
    if plan.groups:
        tree["groups"] = CommentedSeq()
        for group in plan.groups:
            body = CommentedMap(written(group))
            body.fa.set_flow_style()
            tree["groups"].append(body)
    for name, text in (comments or {}).items():
        if name in tree:
            tree.yaml_set_comment_before_after_key(name, before=text)
    yaml = YAML()
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue() if tree else "{}\n"


def written(group: Group) -> dict[str, Any]:
    """A group as its file has it."""
    names = {ways: name for name, ways in KEEPS.items()}
    out: dict[str, Any]
    if group.attention:
        out = {
            "layers": list(group.layers),
            "tile": {"rows": group.rows, **({"columns": group.columns} if group.columns else {})},
        }
        return out | ({"outside": group.outside} if group.outside else {})
    # a side that is not said is all of it
    tile = {name: size for name, size in (("P", group.P), ("Q", group.Q)) if size}
    out = {"layers": list(group.layers), **({"tile": tile} if tile else {})}
    out["keep"] = {name: names[ways] for name, ways in group.keep.items()} if group.keep else names[group.otherwise]
    if group.filters:
        out["filters"] = dict(group.filters)
    return out


def data_of(plan: Plan) -> dict[str, Any]:
    """A plan as plain data, for documents; `plan_of` reads it back."""
    out: dict[str, Any] = {"network": plan.network} if plan.network else {}
    if plan.resident:
        out["resident"] = {
            name: {"level": home.level, **({"until": home.until} if home.until else {})}
            for name, home in plan.resident.items()
        }
    if plan.groups:
        out["groups"] = [written(group) for group in plan.groups]
    return out
