"""Tables: rows of numbers and words as tensors, from a CSV file or from a table that the program makes up itself.

The made-up table is about second-hand bicycles: how long an advertisement stands until the bicycle is sold. Its columns
are of the kinds that tables in the world have: some skewed, some with heavy tails, some with words.
"""

import csv
import math
from typing import NamedTuple

import numpy as np

from ..creation import rand, randn, randperm, tensor
from ..random import Generator
from ..utils.data import Dataset

NUMBER, CATEGORY = "number", "category"
MOST_CATEGORIES = 100  # a column with more is taken for names, or for numbers written in another way


class Column(NamedTuple):
    """A column of a table: its name, its kind ("number" or "category") and its values in all rows, as they were given.

    `values`: float64 NumPy array, or list of str. `mean` and `std` (with n): of the training rows' numbers; None for
    categories. `categories`: those of the training rows in sorted order; None for numbers.
    """

    name: str
    kind: str
    values: np.ndarray | list[str]
    mean: float | None
    std: float | None
    categories: list[str] | None

    def __repr__(self):
        kind = "numbers" if self.categories is None else f"words in {len(self.categories)} categories"
        return f"<column {self.name!r}: {len(self.values)} {kind}>"


class Rows(Dataset):
    """Part of a table's rows: sample i is (features i, target i), and any other index of tensors takes a batch.

    `features`: (N, F), float32. `targets`: (N, 1), float32, for a column of numbers; (N), int64, for categories.
    """

    takes_batches = True  # a DataLoader need not index row by row

    def __init__(self, features, targets):
        self.features, self.targets = features, targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.features[index], self.targets[index]

    def __getitems__(self, indices):
        return list(zip(*self[indices]))

    def __repr__(self):
        return f"<{len(self)} rows of {self.features.shape[1]} features>"


class Table(NamedTuple):
    """Rows to learn from and rows to judge by, and the columns that they came from.

    `columns`: {name: Column} of what is known. `target`: the Column to be found out. `features`: the names of the columns
    of `train.features`: "age" for numbers, "frame=steel" for each category.
    """

    train: Rows
    validation: Rows
    columns: dict[str, Column]
    target: Column
    features: list[str]

    def __repr__(self):
        rows = f"{len(self.train)} rows to train and {len(self.validation)} for validation"
        return f"<{rows}, {len(self.features)} features of {len(self.columns)} columns, target {self.target.name!r}>"


def tabular(path=None, target=None, *, categorical=(), delimiter=",", validation=0.2, rows=10000, seed=42):
    """The Table of a CSV file with a header, whose column `target` is to be found out; without a path, bicycles.

    Numbers are less their mean and divided by their standard deviation, both of the training rows (1 instead of a
    deviation of 0); a category is a 1 in a feature of its own, and no feature at all where it is not among the training
    rows. A column is one of numbers if most of its cells are, unless it is named in `categorical`; then, and only then,
    an empty cell is a category like any other. The target is treated alike, but its categories are numbered in sorted order.

    `validation`: the share of the rows, drawn by `seed`, that is kept for validation. `rows`: how many bicycles to make
    up, the same for the same seed, to be sold within a "week", a "month" or "later" (column `sold`). ValueError for
    a file that is no table of this kind, with the line and column that is the cause.
    """
    if not 0 < validation < 1:
        raise ValueError(f"tabular: expected validation to be a share between 0 and 1, got {validation}")
    generator = Generator().manual_seed(seed)
    if path is None:
        if rows < 2:
            raise ValueError(f"tabular: expected at least 2 rows, got {rows}")
        order = shuffled(rows, generator)
        cells, source, target = bicycles(rows, generator), "the bicycles", target or "sold"
        lines = range(1, rows + 1)
    else:
        if target is None:
            raise ValueError("tabular: name the column to be found out: target=...")
        (cells, lines), source = read_csv(path, delimiter), str(path)
        order = shuffled(len(lines), generator)
    for name in (target, *categorical):
        if name not in cells:
            raise ValueError(f"tabular: {source} has no column {name!r}, only {', '.join(cells)}")
    if len(cells) < 2:
        raise ValueError(f"tabular: {source} has no column besides the target {target!r}")
    held = min(max(round(validation * len(lines)), 1), len(lines) - 1)
    parts = order[held:], order[:held]
    columns = {
        name: column_of(name, values, lines, name in categorical, parts[0], f"tabular: {source}")
        for name, values in cells.items()
    }
    wanted = columns.pop(target)
    missing = set(wanted.values) - set(wanted.categories) if wanted.categories else []
    if missing:
        raise ValueError(
            f"tabular: {source}: no training row has the target {target!r} = {min(missing)!r}; it is too rare to be learned"
        )
    features = np.concatenate([encoded(column) for column in columns.values()], 1)
    targets = encoded_target(wanted)
    train, held_out = (Rows(tensor(features[part]), tensor(targets[part])) for part in parts)
    return Table(train, held_out, columns, wanted, [name for column in columns.values() for name in names_of(column)])


def shuffled(count, generator):
    """The numbers from 0 to count - 1 in random order."""
    return randperm(count, generator=generator).numpy()


# ------------------------------------------------------------------------------------------------------- CSV files


def read_csv(path, delimiter):
    """{column: list of its cells, without space around them} of a CSV file, and the line on which each row ends."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                header, rows, lines = rows_of(reader, path)
            except csv.Error as error:
                raise ValueError(f"tabular: {path}, line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"tabular: {path} is not UTF-8 text: {error}") from error
    if len(rows) < 2:
        raise ValueError(f"tabular: {path} has {len(rows)} rows below its header; at least 2 are needed")
    return dict(zip(header, map(list, zip(*rows)))), lines


def rows_of(reader, path):
    """The header of a CSV file, its rows, as long as the header, and their lines."""
    header, rows, lines = None, [], []
    for row in reader:
        row = [cell.strip() for cell in row]
        if not any(row) and len(row) < 2:  # a blank line
            continue
        if header is None:
            header = row
            repeated = next((name for i, name in enumerate(header) if name in header[:i]), None)
            if repeated is not None:
                raise ValueError(f"tabular: {path}, line {reader.line_num}: two columns have the name {repeated!r}")
            continue
        if len(row) != len(header):
            raise ValueError(
                f"tabular: {path}, line {reader.line_num}: expected {len(header)} cells as in the header, got {len(row)}"
            )
        rows.append(row)
        lines.append(reader.line_num)
    if header is None:
        raise ValueError(f"tabular: {path} is empty")
    return header, rows, lines


# --------------------------------------------------------------------------------------------------------- columns


def column_of(name, values, lines, is_category, training, place):
    """The Column of these cells: str, or floats already; `training` are the indices of the training rows."""
    if not isinstance(values, np.ndarray):
        numbers = [number(cell) for cell in values]
        known = sum(value is not None for value in numbers)
        if is_category or 2 * known <= len(numbers):
            return categories(name, values, training, place, is_category)
        if known < len(numbers):
            i = numbers.index(None)
            raise ValueError(
                f"{place}, line {lines[i]}, column {name!r}: expected a finite number as in most of its rows, got "
                f"{values[i]!r}; complete it, leave the row out, or name the column in categorical=[...]"
            )
        values = np.array(numbers)
    elif is_category:
        return categories(name, [f"{value:g}" for value in values], training, place, is_category)
    known = values[training]
    if known.min() == known.max():  # their mean may be rounded, which a deviation of next to nothing would blow up
        return Column(name, NUMBER, values, float(known[0]), 0.0, None)
    return Column(name, NUMBER, values, float(known.mean()), float(known.std()), None)


def number(cell):
    """A cell as a finite float, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def categories(name, values, training, place, asked):
    if not asked and "" in values:
        raise ValueError(
            f"{place}, column {name!r}: some cells are empty; complete them, leave the rows out, or name the column in "
            "categorical=[...], where an empty cell is a category like any other"
        )
    found = sorted({values[i] for i in training})
    if len(found) > MOST_CATEGORIES:
        some = ", ".join(repr(value) for value in found[:3])
        raise ValueError(
            f"{place}, column {name!r}: {len(found)} different values such as {some} are no categories (at most "
            f"{MOST_CATEGORIES}); numbers are written 1234.5; leave the column out if it holds names"
        )
    return Column(name, CATEGORY, values, None, None, found)


def encoded(column):
    """(rows, features) of a column, float32."""
    if column.kind == NUMBER:
        return ((column.values - column.mean) / (column.std or 1)).astype("float32")[:, None]
    return (np.array(column.values)[:, None] == np.array(column.categories)).astype("float32")


def encoded_target(column):
    if column.kind == NUMBER:
        return encoded(column)
    places = {category: i for i, category in enumerate(column.categories)}
    return np.array([places[value] for value in column.values])


def names_of(column):
    return [column.name] if column.kind == NUMBER else [f"{column.name}={value}" for value in column.categories]


# -------------------------------------------------------------------------------------------------------- bicycles

# of each category: its share, and what is added to the logarithm of the price
FRAMES = {"aluminium": (0.5, 0.0), "carbon": (0.15, 0.6), "steel": (0.3, -0.2), "titanium": (0.05, 0.8)}
BRANDS = {"Albatros": (0.3, 0.0), "Corvo": (0.25, 0.2), "Merle": (0.2, -0.1), "Sturm": (0.15, 0.3), "Wren": (0.1, -0.3)}
USES = {"cargo": (0.1, 0.5), "city": (0.4, -0.2), "mountain": (0.25, 0.2), "road": (0.25, 0.1)}
MOTORS = {"no": (0.75, 0.0), "yes": (0.25, 0.7)}
WEIGHTS = {"cargo": 24.0, "city": 16.0, "mountain": 13.0, "road": 9.0}  # kg, without a motor
THRESHOLDS = -0.4, 0.37  # of the score that says how soon a bicycle is sold; they leave a third between them


def bicycles(rows, generator):
    """{column: values} of advertisements; `sold` depends on most columns, above all on the price for what is offered."""

    def uniform():
        return 1 - rand(rows, generator=generator).numpy().astype("float64")  # in (0, 1]

    def normal():
        return randn(rows, generator=generator).numpy().astype("float64")

    def choice(kinds):
        shares = np.cumsum([share for share, _ in kinds.values()])
        places = np.minimum(np.searchsorted(shares, uniform()), len(kinds) - 1)
        words = [list(kinds)[i] for i in places]
        return words, np.array([kinds[word][1] for word in words])

    brand, brand_worth = choice(BRANDS)
    frame, frame_worth = choice(FRAMES)
    use, use_worth = choice(USES)
    motor, motor_worth = choice(MOTORS)
    motorised = np.array([word == "yes" for word in motor])
    age = -5 * np.log(uniform())  # years: skewed
    distance = np.exp(5.5 + np.log1p(age) + 0.9 * normal())  # km: log-normal
    repairs = 60 * (uniform() ** (-1 / 2.5) - 1)  # euros: Pareto, a heavy tail
    weight = np.array([WEIGHTS[word] for word in use]) + 6 * motorised + 1.5 * normal()
    photos = np.floor(-3 * np.log(uniform()))
    worth = 6.2 + brand_worth + frame_worth + use_worth + motor_worth - 0.12 * age - 0.1 * np.log(distance / 1000)
    price = np.exp(worth + 0.5 * normal())  # euros: log-normal
    score = 1.6 * (worth - np.log(price)) + 0.35 * np.log1p(photos) - 0.25 * np.log1p(repairs / 60) - 0.3
    score = score + np.where(motorised & (age > 5), -0.6, 0.1) + 0.1 * normal()
    sold = [("later", "month", "week")[i] for i in np.searchsorted(THRESHOLDS, score)]
    return {
        "brand": brand, "frame": frame, "use": use, "motor": motor,
        "age": age.round(1), "distance": distance.round(), "repairs": repairs.round(2), "weight": weight.round(1),
        "photos": photos, "price": price.round(), "sold": sold,
    }  # fmt: skip
