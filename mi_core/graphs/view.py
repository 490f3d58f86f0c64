"""What is shown of a graph: pruned, what is pinned kept, nodes put together where someone or something groups them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.graphs.influence import EDGES, MOST_DRAWN, NODES, prune
from mi_core.graphs.kinds import ANSWER, BIAS, ERROR, OTHERS, REST, START, TOKEN

GROUP = "group"
ALIKE = 0.8  # cosine of signed profiles
UNGROUPED = (TOKEN, ANSWER, BIAS, ERROR, OTHERS, REST, START, GROUP)


@dataclass(frozen=True)
class View:
    """`nodes`: name, kind, level, pos, number, label, score, influence, effect, members. `edges`: from, to, score,
    effect. Everything in logits but influence, a share.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame


def view(
    nodes: pd.DataFrame,
    edge: Float[np.ndarray, "reader source"],
    effect: Float[np.ndarray, "reader source"],
    *,
    node_share: float = NODES,
    edge_share: float = EDGES,
    most: int | None = MOST_DRAWN,
    pinned: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
) -> View:
    """Prune a graph and put groups together.

    Args:
        nodes: Every node, in the order of the edges' axes, with the columns of `View.nodes` but `members`.
        edge: What of a reader's score came through each source.
        effect: The same as measured; NaN where it was not.
        node_share: Share of the influence that nodes keep.
        edge_share: Share that edges keep.
        most: Nodes at most.
        pinned: Names that stay, and members of groups.
        groups: By the name of a group its members; the edges of a group are the sums of theirs.
    """
    names = nodes["name"].tolist()
    at = {name: i for i, name in enumerate(names)}
    grouped = {name: group for group, members in (groups or {}).items() for name in members if name in at}
    stay = [at[name] for name in (*pinned, *grouped) if name in at]
    kept = prune(nodes["kind"].tolist(), edge, node_share, edge_share, most, stay)
    shown = np.flatnonzero(kept.nodes)
    reader, source = np.nonzero(kept.edges)
    edges = pd.DataFrame(
        {
            "from": [grouped.get(names[i], names[i]) for i in source],
            "to": [grouped.get(names[i], names[i]) for i in reader],
            "score": edge[reader, source],
            "effect": effect[reader, source],
        }
    )
    if grouped:
        edges = pd.DataFrame(edges[edges["from"] != edges["to"]])
        summed = edges.groupby(["from", "to"], sort=False).agg(
            score=("score", "sum"), effect=("effect", "first"), count=("score", "size")
        )
        summed.loc[summed["count"] > 1, "effect"] = np.nan  # what several do together was not measured
        edges = summed.drop(columns="count").reset_index()
    order = np.argsort(-np.abs(edges["score"].to_numpy()), kind="stable")
    drawn = nodes.iloc[shown].assign(members="")
    return View(_together(drawn, grouped), edges.iloc[order].reset_index(drop=True))


def _together(nodes: pd.DataFrame, grouped: Mapping[str, str]) -> pd.DataFrame:
    """A row for each group, where its strongest member stood."""
    if not grouped:
        return nodes.reset_index(drop=True)
    rows, seen = [], set()
    for row in nodes.to_dict("records"):
        group = grouped.get(row["name"])
        if group is None:
            rows.append(row)
        elif group not in seen:
            seen.add(group)
            members = nodes[[grouped.get(name) == group for name in nodes["name"]]]
            score, through = (np.array(members[column].tolist()) for column in ("score", "influence"))
            best = members.iloc[int(np.abs(score).argmax())].to_dict()
            sums = {"score": float(score.sum()), "influence": float(through.sum())}
            several = {"effect": float("nan"), "members": ", ".join(members["name"])}
            rows.append({**best, **sums, **several, "name": group, "kind": GROUP, "label": ""})
    return pd.DataFrame(rows, columns=nodes.columns)


def alike(shown: View, least: float = ALIKE) -> dict[str, list[str]]:
    """Groups that suggest themselves: nodes of one level whose edges, in and out, are in proportion.

    Complete linkage on the cosine of signed profiles: every two of a group are as alike as that.

    Args:
        shown: The nodes and edges to look at.
        least: The smallest cosine within a group.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    names = shown.nodes["name"].tolist()
    at = {name: i for i, name in enumerate(names)}
    profile = np.zeros((len(names), 2 * len(names)))
    for start, end, score in zip(shown.edges["from"], shown.edges["to"], shown.edges["score"], strict=True):
        profile[at[start], at[end]] += score
        profile[at[end], len(names) + at[start]] += score
    size = np.linalg.norm(profile, axis=1, keepdims=True)
    profile = profile / np.where(size > 0, size, 1.0)
    found: dict[str, list[str]] = {}
    free = shown.nodes[~shown.nodes["kind"].isin(UNGROUPED)]
    for _, rows in free.groupby(["level", "kind"], sort=True):
        members = [at[name] for name in rows["name"] if size[at[name], 0] > 0]
        if len(members) < 2:
            continue
        apart = np.clip(1 - profile[members] @ profile[members].T, 0, 2)
        joined = linkage(squareform(apart, checks=False), "complete")
        clusters = fcluster(joined, 1 - least, "distance")
        for cluster in np.unique(clusters):
            inside = [names[members[i]] for i in np.flatnonzero(clusters == cluster)]
            if len(inside) > 1:
                found[f"group {len(found) + 1}"] = inside
    return found
