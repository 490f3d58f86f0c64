"""Every chart says what it promises: order, scale, selection, title; and every one becomes a file."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import vl_convert
from PIL import Image

from charts import theme
from charts.attention_pattern import attention_pattern
from charts.bars import bars
from charts.effect_grid import effect_grid
from charts.export import image
from charts.head_grid import head_grid
from charts.lens_heatmap import lens_cells, lens_heatmap
from charts.lines import lines
from charts.pair_grid import pair_grid
from charts.picture_style import SIZES, Style
from charts.ready import ready, with_rows
from charts.rows import in_rows
from charts.shift import shift
from charts.strengths import strengths
from charts.token_strip import token_strip


def lens_frame(n_layers=4, n_pos=3):
    layer, pos = (axis.ravel() for axis in np.indices((n_layers + 1, n_pos)))
    stage = np.where(layer == n_layers, "resid_post", "resid_pre")
    size = len(layer)
    return pd.DataFrame(
        {"layer": layer, "stage": stage, "pos": pos, "token": ["·the"] * size, "prediction": ["·a"] * size}
        | {"probability": np.linspace(0, 1, size), "entropy": np.linspace(0, 9, size)}
    )


def pattern_frame(n=4):
    query, key = (axis.ravel() for axis in np.indices((n, n)))
    weight = (key <= query) / (query + 1)
    return pd.DataFrame(
        {"query_pos": query, "query_token": "·the", "key_pos": key, "key_token": "·the", "weight": weight}
    )


def head_frame(n_layers=2, n_heads=3):
    layer, head = (axis.ravel() for axis in np.indices((n_layers, n_heads)))
    heads = pd.DataFrame({"layer": layer, "head": head, "contribution": np.linspace(-1, 4, len(layer))})
    mlp = pd.DataFrame({"layer": [0], "head": [pd.NA], "contribution": [9.0]})
    return pd.concat([heads.astype({"head": "Int64"}), mlp.astype({"head": "Int64"})])


def pair_frame(n_layers=3, n_heads=4):
    """Every pair of heads of which one comes before the other; the strongest is the last."""
    layer, head = (axis.ravel() for axis in np.indices((n_layers, n_heads)))
    one, other = np.nonzero(layer[:, None] < layer[None])
    ends = {"from_layer": layer[one], "from_head": head[one], "to_layer": layer[other], "to_head": head[other]}
    return pd.DataFrame(ends | {"sd_above_chance": np.linspace(-5, 30, len(one))})


def strip_frame(n=5):
    values = np.linspace(-1, 2, n)
    return pd.DataFrame({"pos": range(n), "token": ["·the"] * n, "contribution": values})


def line_frame(n=5):
    return pd.DataFrame({"layer": range(n), "rank": np.geomspace(500, 1, n), "probability": np.linspace(0, 1, n)})


def shift_frame(n=3):
    before, after = np.linspace(0.1, 0.5, n), np.linspace(0.6, 0.2, n)
    return pd.DataFrame({"token": ["·the"] * n, "probability_before": before, "probability_after": after})


def strength_frame(n=5):
    states = ["fine", "too surprising", "repeats itself"]
    return pd.DataFrame(
        {"strength": np.linspace(-1, 1, n), "perplexity": np.geomspace(2, 1e5, n), "probability": np.linspace(0, 1, n)}
        | {"token": "·the", "state": [states[i % 3] for i in range(n)]}
    )


def effect_frame(n_layers=4, n_pos=3):
    layer, pos = (axis.ravel() for axis in np.indices((n_layers, n_pos)))
    restored = np.linspace(-0.25, 1, len(layer))
    return pd.DataFrame({"layer": layer, "pos": pos, "token": ["·the"] * len(layer), "restored": restored})


CHARTS = {
    "lens_heatmap": lambda k: lens_heatmap(lens_frame(12 if k else 4, 420 if k else 3), title="Finding", pos=1),
    "lines": lambda k: lines(line_frame(6000 if k else 5), title="Finding", value="rank"),
    "bars": lambda k: bars(strip_frame(6000 if k else 5), title="Finding", label="token", value="contribution"),
    "head_grid": lambda k: head_grid(head_frame(80 if k else 2, 64 if k else 3), title="Finding"),
    "pair_grid": lambda k: pair_grid(
        pair_frame(9 if k else 3, 16 if k else 4), title="Finding", value="sd_above_chance"
    ),
    "attention_pattern": lambda k: attention_pattern(pattern_frame(101 if k else 4), title="Finding", pos=1),
    "token_strip": lambda k: token_strip(strip_frame(5001 if k else 5), title="Finding", value="contribution"),
    "effect_grid": lambda k: effect_grid(effect_frame(12 if k else 4, 420 if k else 3), title="Finding"),
    "strengths": lambda k: strengths(
        strength_frame(6000 if k else 5), title="Finding", value="perplexity", rule=8.0, rule_label="broken above 8"
    ),
    "shift": lambda k: shift(shift_frame(6000 if k else 3), title="Finding"),
}


def mark(spec, kind):
    return next(layer for layer in spec["layer"] if layer["mark"]["type"] == kind)


def selections(spec):
    return {param["name"]: param["select"]["fields"] for param in spec.get("params", [])}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_has_title_description_and_no_colours_of_one_theme(name):
    spec = CHARTS[name](False).to_dict(validate=True)
    assert spec["title"]["text"] == ["Finding"]
    assert spec["description"].startswith("Finding. ") and "values from" in spec["description"]
    assert "config" not in spec or spec["config"].keys() <= {"view"}


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("dark", [pytest.param(False, marks=pytest.mark.slow), True])  # the large ones are light
def test_exports_with_more_rows_than_altair_allows(name, dark):
    spec = ready(CHARTS[name](not dark))
    style = Style(theme="dark" if dark else "light")
    png, svg = image(spec, "png", style=style), image(spec, "svg", style=style).decode()
    assert png.startswith(b"\x89PNG")
    assert "Finding" in svg and (theme.DARK if dark else theme.LIGHT)["background"].lower() in svg.lower()


def test_pdf():
    assert image(ready(CHARTS["bars"](False)), "pdf").startswith(b"%PDF")


def test_lens_runs_from_embeddings_to_output_and_selects_a_cell():
    spec = lens_heatmap(lens_frame(), title="Finding", answer="·a").to_dict()
    cells = mark(spec, "rect")
    assert cells["encoding"]["y"]["scale"]["domain"] == [
        "embeddings",
        "after 0",
        "after 1",
        "after 2",
        "after 3 · output",
    ]
    assert cells["encoding"]["x"]["scale"]["domain"] == ["0 ·the", "1 ·the", "2 ·the"]
    assert cells["encoding"]["color"]["scale"]["domain"] == [0, 1]
    assert selections(spec) == {"cell": ["layer", "pos"]}
    assert mark(spec, "text")["mark"]["fontWeight"]["expr"].startswith("datum.prediction === '\\u00b7\\u0061'")


def test_lens_half_layers_stand_between_their_layers():
    frame = lens_frame(2, 1)
    middle = frame[frame["layer"] < 2].assign(stage="resid_mid")
    spec = lens_heatmap(pd.concat([middle, frame]), title="Finding").to_dict()
    rows = mark(spec, "rect")["encoding"]["y"]["scale"]["domain"]
    assert rows == ["embeddings", "within 0", "after 0", "within 1", "after 1 · output"]


def test_lens_columns_scroll_instead_of_shrinking_until_a_browser_could_not_draw_them():
    widths = [lens_heatmap(lens_frame(1, n), title="Finding").to_dict()["width"] for n in (9, 40, 2000)]
    assert widths[0] / 9 >= 64 and widths[1] / 40 == 64 and widths[2] <= 8000


def test_lens_cells_joins_one_row_per_cell():
    lens = pd.concat([lens_frame().assign(rank=rank) for rank in (1, 2)])
    target = lens_frame()[["layer", "stage", "pos", "probability", "entropy"]].assign(rank=7, kl_to_final=0.5)
    cells = lens_cells(lens.drop(columns="entropy"), target)
    assert len(cells) == len(lens_frame())
    assert set(cells["target_rank"]) == {7}
    assert cells["target_probability"].tolist() == lens_frame()["probability"].tolist()


def test_pair_grid_draws_the_heads_of_the_strongest_pairs_and_selects_one():
    spec = pair_grid(pair_frame(), title="Finding", value="sd_above_chance").to_dict()
    assert mark(spec, "rect")["encoding"]["y"]["scale"]["domain"] == [f"L{i}H{h}" for i in (0, 1) for h in range(4)]
    assert mark(spec, "rect")["encoding"]["x"]["scale"]["domain"] == [f"L{i}H{h}" for i in (1, 2) for h in range(4)]
    assert selections(spec) == {"pair": ["from_layer", "from_head", "to_layer", "to_head"]}
    many = with_rows(ready(pair_grid(pair_frame(6, 16), title="Finding", value="sd_above_chance")))
    rows = many["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert len(rows) < 20 and "Heads of the 100 strongest of 3,840 pairs." in " ".join(many["title"]["subtitle"])
    assert many["usermeta"]["room"]["columns"][-1] == "L5H15"


def test_head_grid_is_centred_at_zero_and_leaves_out_other_parts():
    spec = head_grid(head_frame(), title="Finding").to_dict()
    scale = mark(spec, "rect")["encoding"]["color"]["scale"]
    assert scale["domain"] == [-4, -3, -2, -1, 0, 0, 1, 2, 3, 4] and scale["range"] == "diverging"
    assert selections(spec) == {"head": ["layer", "head"]}
    assert "text" in [layer["mark"]["type"] for layer in spec["layer"]]


def test_head_grid_writes_only_signs_in_more_than_150_cells():
    spec = head_grid(head_frame(16, 10), title="Finding").to_dict()
    cells, signs = spec["layer"]
    assert cells["mark"]["type"] == "rect"
    assert signs["mark"]["text"] == "−"
    svg = vl_convert.vegalite_to_svg(with_rows(ready(head_grid(head_frame(16, 10), title="Finding"))))
    drawn = theme.written(head_frame(16, 10)["contribution"], "contribution")
    assert texts(svg).count("−") == sum(number.startswith("−") for number in drawn) > 20


def test_bars_sort_by_size_and_keep_repeated_names_apart():
    frame = pd.DataFrame({"token": ["·a", "·b", "·b", "·c"], "effect": [0.5, -3, 2, np.nan]})
    spec = bars(frame, title="Finding", label="token", value="effect").to_dict()
    encoding = mark(spec, "bar")["encoding"]
    assert encoding["y"]["scale"]["domain"] == ["·b", "·b (2)", "·a"]
    low, high = encoding["x"]["scale"]["domain"]
    assert low < -3 and high > 2


def test_bars_keep_the_largest_in_either_order_and_say_so():
    frame = pd.DataFrame({"token": list("abcd"), "effect": [1, -5, 0.1, 4]})
    for sort, expected in ((True, ["b", "d"]), (False, ["b", "d"]), (None, ["b", "d"])):
        spec = bars(frame, title="Finding", label="token", value="effect", most=2, sort=bool(sort)).to_dict()
        assert mark(spec, "bar")["encoding"]["y"]["scale"]["domain"] == expected
    assert spec["title"]["subtitle"] == ["The 2 largest of 4."]
    unsorted = bars(frame, title="Finding", label="token", value="effect", sort=False).to_dict()
    assert mark(unsorted, "bar")["encoding"]["y"]["scale"]["domain"] == list("abcd")


def test_bars_select_only_where_asked():
    frame = pd.DataFrame({"name": ["x"], "feature": [3], "activation": [1.0]})
    plain = bars(frame, title="Finding", label="name", value="activation").to_dict()
    picked = bars(frame, title="Finding", label="name", value="activation", pick=("feature",)).to_dict()
    assert selections(plain) == {} and selections(picked) == {"bar": ["feature"]}


def test_attention_pattern_starts_at_the_top_left_and_shows_no_later_token():
    chart = attention_pattern(pattern_frame(), title="Finding")
    spec = chart.to_dict()
    encoding = mark(spec, "rect")["encoding"]
    assert (
        encoding["x"]["scale"]["domain"] == encoding["y"]["scale"]["domain"] == ["0 ·the", "1 ·the", "2 ·the", "3 ·the"]
    )
    assert encoding["x"]["axis"]["orient"] == "top" and encoding["color"]["scale"]["domain"] == [0, 1]
    assert selections(spec) == {"query": ["query_pos"]}
    (rows,) = spec["datasets"].values()
    assert len(rows) == 10 and all(row["key_pos"] <= row["query_pos"] for row in rows)


def test_token_strip_keeps_repeated_tokens_apart_and_selects_a_position():
    spec = token_strip(strip_frame(), title="Finding", value="contribution").to_dict()
    assert mark(spec, "bar")["encoding"]["x"]["scale"]["domain"] == [f"{i} ·the" for i in range(5)]
    assert selections(spec) == {"token": ["pos"]}


def test_ranks_are_logarithmic_with_the_first_at_the_top():
    spec = lines(line_frame(), title="Finding", value="rank").to_dict()
    scale = mark(spec, "line")["encoding"]["y"]["scale"]
    assert scale["type"] == "log" and scale["domain"] == [500, 1]
    assert mark(spec, "line")["encoding"]["y"]["axis"]["values"] == [1, 10, 100]


def headed_frame(n_heads=30, n_pos=3):
    """Head n of layer 0 has an effect of up to −n at its last position."""
    head, pos = (axis.ravel() for axis in np.indices((n_heads, n_pos)))
    heads = pd.array(head, dtype="Int64")
    return pd.DataFrame({"layer": 0, "head": heads, "pos": pos, "token": "·the", "restored": -1.0 * head * (pos == 2)})


def test_effect_grid_of_heads_draws_the_strongest_in_their_order_and_says_so():
    spec = effect_grid(headed_frame(), title="Finding", most=5).to_dict()
    cells = spec["layer"][0]["encoding"]
    assert cells["y"]["scale"]["domain"] == [f"L0H{head}" for head in range(25, 30)]
    assert spec["title"]["subtitle"] == ["The 5 strongest of 30 heads."]
    chosen = next(one for one in spec["params"] if one["name"] == "cell")
    assert chosen["select"]["fields"] == ["layer", "head", "pos"]
    whole = effect_grid(headed_frame(4), title="Finding").to_dict()
    assert whole["title"]["subtitle"] == [] and len(whole["layer"][0]["encoding"]["y"]["scale"]["domain"]) == 4


@pytest.mark.parametrize("grid", [effect_grid, head_grid])
def test_marked_cells_bear_a_sign_that_is_no_colour(grid):
    frame = effect_frame() if grid is effect_grid else head_frame().assign(restored=1.0)
    marked = frame.assign(disagrees=[True] + [False] * (len(frame) - 1))
    spec = grid(marked, title="Finding", value="restored", mark="disagrees").to_dict()
    sign = next(layer for layer in spec["layer"] if layer["mark"].get("text") == "≠")
    assert sign["transform"] == [{"filter": "datum['disagrees']"}]
    plain = grid(frame.assign(disagrees=False), title="Finding", value="restored", mark="disagrees").to_dict()
    assert all(layer["mark"].get("text") != "≠" for layer in plain["layer"])


def test_effect_grid_is_centred_at_zero_and_keeps_repeated_tokens_apart():
    spec = effect_grid(effect_frame(), title="Finding").to_dict()
    encoding = mark(spec, "rect")["encoding"]
    domain = encoding["color"]["scale"]["domain"]
    assert domain == [-1, -0.75, -0.5, -0.25, 0, 0, 0.25, 0.5, 0.75, 1]
    assert encoding["color"]["scale"]["range"] == "diverging"
    assert encoding["x"]["scale"]["domain"] == ["0 ·the", "1 ·the", "2 ·the"]
    assert encoding["y"]["scale"]["domain"] == [0, 1, 2, 3]
    assert selections(spec) == {"cell": ["layer", "pos"]}


def test_strengths_tell_broken_texts_by_shape_and_tokens_by_colour():
    spec = strengths(strength_frame(), title="Finding", value="probability", series="token").to_dict()
    points = mark(spec, "point")["encoding"]
    assert points["shape"]["scale"]["domain"] == ["fine", "too surprising", "repeats itself"]
    assert len(set(points["shape"]["scale"]["range"])) == 3
    assert points["color"]["field"] == "token" and points["y"]["scale"]["domain"] == [0, 1]
    assert points["x"]["axis"]["values"] == [-1, -0.5, 0, 0.5, 1]
    assert points["x"]["axis"]["format"] == ".3~g", "without a precision Vega would write −0.75 as −0.8"


def test_perplexities_are_drawn_on_a_logarithmic_axis_with_their_limit():
    spec = CHARTS["strengths"](False).to_dict()
    assert mark(spec, "point")["encoding"]["y"]["scale"]["type"] == "log"
    assert any("broken above 8" in str(rows) for rows in spec["datasets"].values())


def test_shift_names_its_two_values():
    spec = shift(shift_frame(), title="Finding", names=("foretold", "measured")).to_dict()
    assert mark(spec, "point")["encoding"]["shape"]["scale"]["domain"] == ["foretold", "measured"]


def test_shift_puts_the_largest_change_first():
    spec = shift(shift_frame(), title="Finding").to_dict()
    (rows,) = [rows for rows in spec["datasets"].values() if len(rows) == 3]
    assert [row["_change"] for row in rows] == sorted((row["_change"] for row in rows), key=abs, reverse=True)
    assert [row["_number"] for row in rows] == ["+50.0%", "−30.0%", "+10.0%"]


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.99668, "probability", "99.7%"), (0.0002, "probability", "<0.1%"), (0.0, "probability", "0.0%"),
        (0.99998, "probability", ">99.9%"), (1.0, "probability", "100.0%"),
        (-0.001, "contribution", "0.00"), (-1.5, "contribution", "−1.50"), (2.0, "contribution", "+2.00"),
        (1234.0, "rank", "1,234"), (float("nan"), "logit", ""),
    ],
)  # fmt: skip
def test_numbers_as_text(value, column, text):
    assert theme.written(pd.Series([value]), column) == [text]


@pytest.mark.parametrize("grid", [effect_grid, head_grid])
@pytest.mark.parametrize("value", ["kl", "probability"])
def test_what_cannot_be_negative_is_coloured_from_pale_to_full(grid, value):
    frame = effect_frame() if grid is effect_grid else head_frame()
    frame = frame.assign(**{value: np.linspace(0, 0.5, len(frame))})
    scale = mark(grid(frame, title="Finding", value=value).to_dict(), "rect")["encoding"]["color"]["scale"]
    cells = frame if grid is effect_grid else frame.dropna(subset=["head"])
    assert scale == {"domain": [0, cells[value].max()], "range": "ramp"}


@pytest.mark.parametrize("name", CHARTS)
def test_a_ready_chart_is_what_altair_would_send_with_the_same_rows(name):
    """The data travel as Arrow; read back, they are Altair's own rows, frame by frame."""
    chart = CHARTS[name](False)
    plain, spec = chart.to_dict(validate=True), with_rows(ready(chart))
    rows = [plain["datasets"][data["name"]] for data in frames(plain)]
    assert [spec["datasets"][data["name"]] for data in frames(spec)] == rows
    assert len(rows) >= 1 and "config" not in spec


def frames(spec):
    """The references to data in a chart, in their order."""
    return [part["data"] for part in (spec, *spec["layer"]) if "data" in part]


def test_a_ready_chart_holds_no_infinities_where_it_becomes_a_picture():
    frame = pd.DataFrame({"token": ["·a", "·b"], "effect": [1.0, 2.0], "odds": [np.inf, np.nan]})
    spec = ready(bars(frame, title="Finding", label="token", value="effect"))
    (rows,) = [rows for rows in with_rows(spec)["datasets"].values() if len(rows) == 2]
    assert [row["odds"] for row in rows] == [None, None]
    assert image(spec, "svg")


def test_text_in_every_cell_stands_out_from_its_colour():
    """At least 3.5 : 1 over both ramps and diverging scales, with the ink the charts choose."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    expression = theme.ink("x").to_dict()["expr"]
    limit, white, black = re.search(r"< ([\d.]+) \? '(#\w+)' : '(#\w+)'", expression).groups()
    for palette in (theme.LIGHT, theme.DARK):
        for colour in palette["ramp"] + palette["diverging"]:
            ground = luminance(colour)
            ink = luminance(white if ground < float(limit) else black)
            low, high = sorted((ground, ink))
            assert (high + 0.05) / (low + 0.05) >= 3.5, colour


def test_labels_that_would_touch_are_left_out():
    assert theme.readable("abcdefg", theme.DENSE) == list("abcdefg")
    assert theme.readable("abcdefg", theme.DENSE - 1) == list("aceg")
    assert theme.readable("abcdefg", 1) == ["a"]


WIDE = {
    "lens_heatmap": lambda n: lens_heatmap(lens_frame(2, n), title="Finding", pos=n - 2),
    "attention_pattern": lambda n: attention_pattern(
        pattern_frame(n).assign(weight=lambda frame: frame["key_pos"] / n), title="Finding", pos=n - 2
    ),
    "effect_grid": lambda n: effect_grid(effect_frame(2, n), title="Finding"),
    "head_grid": lambda n: head_grid(head_frame(2, n), title="Finding"),
    "token_strip": lambda n: token_strip(strip_frame(n), title="Finding", value="contribution", pos=n - 2),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_chart_of_columns_says_how_wide_it_may_be_and_where_its_finding_is(name):
    spec = WIDE[name](15).to_dict(validate=True)
    room = spec["usermeta"]["room"]
    assert len(room["columns"]) == 15 and 10 <= room["least"] < room["most"]
    assert room["beside"] + 15 * room["least"] < 840, "it fits a page 1280 pixels wide"
    assert 0.8 < room["at"] < 1
    x = spec["layer"][0]["encoding"]["x"]["axis"]
    assert x["labelOverlap"] is False and len(x.get("values", room["columns"])) == 15, "no label is left out"


@pytest.mark.parametrize("name", ["lens_heatmap", "attention_pattern", "effect_grid", "head_grid"])
def test_what_stands_above_the_cells_is_low(name):
    """Rendered: from the top of the picture to the first cell, with title, axis title and labels, legend below."""
    spec = with_rows(ready(WIDE[name](15))) | {"config": theme.config()}
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))
    cells, legend = drop(root, "mark-rect role-mark", "path"), drop(root, "role-legend", "text")
    assert cells < 120 and legend > cells + 30


def drop(root, kind, tag):
    """Pixels from the top of an SVG to the place of the first element of a tag within one of a class."""

    def walk(node, y, inside):
        moved = re.search(r"translate\([-\d.]+,([-\d.]+)\)", node.get("transform", ""))
        y, inside = y + (float(moved[1]) if moved else 0), inside or kind in node.get("class", "")
        if inside and node.tag.endswith(tag):
            return y
        return next((found for child in node if (found := walk(child, y, inside)) is not None), None)

    return walk(root, 0.0, False)


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK])
def test_zero_is_the_colour_of_the_ground(palette):
    assert palette["ramp"][0] == palette["background"]
    assert palette["diverging"][4:6] == [palette["background"]] * 2
    frame = head_frame().assign(contribution=[-4.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0])
    config = theme.config(dark=palette is theme.DARK)
    svg = vl_convert.vegalite_to_svg(with_rows(ready(head_grid(frame, title="Finding"))) | {"config": config})
    fills = re.findall(r'aria-label="head: 1; layer: 0[^"]*"[^>]*fill="(rgb[^"]*)"', svg)
    red, green, blue = (int(palette["background"][i : i + 2], 16) for i in (1, 3, 5))
    assert fills == [f"rgb({red}, {green}, {blue})"]


def test_a_change_that_is_too_small_for_a_number_still_has_its_sign():
    assert theme.written(pd.Series([0.0002, -0.0002]), "probability_change") == ["+<0.1%", "−<0.1%"]


def test_rows_that_do_not_move_are_left_out_and_counted():
    moves = pd.DataFrame(
        {"token": list("abcd"), "probability_before": [0.5, 0.3, 0.1, 0.0], "probability_after": [0.2, 0.6, 0.1, 2e-4]}
    )
    spec = shift(moves, title="Finding").to_dict()
    assert mark(spec, "point")["encoding"]["y"]["scale"]["domain"] == ["a", "b"]
    assert spec["title"]["subtitle"] == ["2 more do not move."]
    still = shift(moves.assign(probability_after=moves["probability_before"]), title="Finding").to_dict()
    assert len(mark(still, "point")["encoding"]["y"]["scale"]["domain"]) == 4, "that nothing moves can be seen"


# As files ------------------------------------------------------------------------------------------------------------


def texts(svg):
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_as_large_as_its_size_says(size):
    spec = ready(WIDE["lens_heatmap"](65))
    with Image.open(io.BytesIO(image(spec, "png", style=Style(size)))) as picture:
        wide, dpi = picture.width, picture.info["dpi"][0]
    if (millimetres := SIZES[size].millimetres) is not None:
        assert wide / dpi * 25.4 == pytest.approx(millimetres, abs=0.2) and dpi == pytest.approx(300, abs=1)
        pdf = image(spec, "pdf", style=Style(size))
        box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ", pdf)
        assert float(box[1]) / 72 * 25.4 == pytest.approx(millimetres, abs=0.2)
        assert f'width="{millimetres}mm"' in image(spec, "svg", style=Style(size)).decode()
    else:
        assert wide == 1600 if size == "slide" else 1000 < wide <= 2300


@pytest.mark.parametrize("name", ["lens_heatmap", "effect_grid", "token_strip"])
def test_many_tokens_break_into_rows_and_none_is_lost(name):
    spec = with_rows(ready(WIDE[name](65)))
    parts = in_rows(spec, 768)
    domains = [part["layer"][0]["encoding"]["x"]["scale"]["domain"] for part in parts]
    assert len(parts) > 1 and [label for domain in domains for label in domain] == spec["usermeta"]["room"]["columns"]
    assert all(part["width"] + part["usermeta"]["room"]["beside"] <= 769 for part in parts)
    shown = [
        {row[spec["usermeta"]["room"]["field"]] for row in rows} for part in parts for rows in part["datasets"].values()
    ]
    assert shown == [set(domain) for domain in domains]
    colours = {str(part["layer"][0]["encoding"]["color"]["scale"]) for part in parts}
    assert len(colours) == 1, "every row has the same scale"
    svg = image(ready(WIDE[name](65)), "svg", style=Style("page")).decode()
    assert texts(svg).count("Finding") == 1
    assert len(re.findall(r'\bid="([^"]+)"', svg)) == len(set(re.findall(r'\bid="([^"]+)"', svg)))


def test_few_tokens_stay_in_one_row():
    assert len(in_rows(with_rows(ready(WIDE["lens_heatmap"](6))), 768)) == 1


def test_a_caption_stands_below_in_lines_that_fit():
    long = "Prompt: “" + "word " * 80 + "<b>&”"
    svg = image(ready(CHARTS["bars"](False)), "svg", (long, "Loupe 1.2.3"), Style("column")).decode()
    lines = texts(svg)[-10:]
    assert "Loupe 1.2.3" in lines and any("<b>&”" in line for line in lines)
    assert sum(line.count("word") for line in texts(svg)) == 80
    assert max(map(len, lines)) * 5.0 < 400
    without = image(ready(CHARTS["bars"](False)), "svg", (), Style("column")).decode()
    assert "Loupe" not in without


@pytest.mark.parametrize(
    ("style", "corner"),
    [
        (Style(), (0xFD, 0xFC, 0xFA, 255)),
        (Style(theme="dark"), (0x17, 0x16, 0x14, 255)),
        (Style(ground="white", theme="dark"), (255, 255, 255, 255)),
        (Style(ground="transparent"), (0, 0, 0, 0)),
    ],
)
def test_the_ground_is_the_one_that_was_chosen(style, corner):
    with Image.open(io.BytesIO(image(ready(CHARTS["shift"](False)), "png", ("Loupe",), style))) as picture:
        assert picture.convert("RGBA").getpixel((1, 1)) == corner
        assert len(picture.convert("RGBA").getcolors(2**24)) > 20, "there is something on it"


def test_a_picture_bears_any_caption():
    spec = ready(CHARTS["bars"](False))
    hostile = ("a\x00b\x07 \ud800 \u202eabc\u202c =1+1 </text><script>1</script> 🙂",)
    svg = ElementTree.fromstring(image(spec, "svg", hostile))
    assert "a␀b␇ � ⟨U+202E⟩abc⟨U+202C⟩ =1+1 </text><script>1</script> 🙂" in "".join(svg.itertext())
    assert not [each for each in svg.iter() if each.tag.endswith("script")]
    with Image.open(io.BytesIO(image(spec, "png", hostile))) as picture:
        assert picture.height > 100
    assert image(spec, "pdf", hostile).startswith(b"%PDF")
