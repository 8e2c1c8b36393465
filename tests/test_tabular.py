"""Tables: bicycles that are the same for the same seed, CSV files as tensors, and what is said about bad ones."""

import csv

import numpy as np
import pytest

import minigrad as mg
from minigrad import datasets
from minigrad.utils.data import DataLoader

GOOD = "age,colour,price\n1,red,10\n2,blue,20\n3,red,30\n4,red,40\n5,blue,60\n"


def csv_file(folder, content):
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def raw(table):
    """{feature or target: values of the training and then of the validation rows}."""
    features = mg.cat([table.train.features, table.validation.features]).numpy()
    targets = mg.cat([table.train.targets, table.validation.targets]).numpy().reshape(-1)
    return dict(zip(table.features, features.T)) | {"target": targets}


# -------------------------------------------------------------------------------------------------------- bicycles


@pytest.fixture(scope="module")
def bicycles():
    return datasets.tabular()


def test_bicycles(bicycles):
    assert (len(bicycles.train), len(bicycles.validation)) == (8000, 2000)
    assert bicycles.train.features.shape == (8000, 21) and bicycles.train.features.dtype == mg.float32
    assert bicycles.train.targets.shape == (8000,) and bicycles.train.targets.dtype == mg.int64
    assert len(bicycles.features) == 21 and bicycles.features[0] == "brand=Albatros" and bicycles.features[-1] == "price"
    kinds = {name: column.kind for name, column in bicycles.columns.items()}
    assert [name for name, kind in kinds.items() if kind == "category"] == ["brand", "frame", "use", "motor"]
    assert bicycles.target.name == "sold" and bicycles.target.categories == ["later", "month", "week"]
    shares = np.bincount(bicycles.train.targets.numpy()) / 8000
    assert shares.min() > 0.3


def test_a_table_and_its_columns_are_shown_in_a_few_words(bicycles):
    assert repr(bicycles) == "<8000 rows to train and 2000 for validation, 21 features of 10 columns, target 'sold'>"
    assert repr(bicycles.columns["age"]) == "<column 'age': 10000 numbers>"
    assert repr(bicycles.target) == "<column 'sold': 10000 words in 3 categories>"


def test_bicycles_are_those_of_their_seed(bicycles):
    again, other = datasets.tabular(), datasets.tabular(seed=43)
    assert mg.equal(again.train.features, bicycles.train.features)
    assert mg.equal(again.validation.targets, bicycles.validation.targets)
    assert not mg.equal(other.train.features, bicycles.train.features)
    assert len(datasets.tabular(rows=10).train) == 8


def test_columns_are_skewed_and_have_heavy_tails(bicycles):
    def moment(column, power):
        return (((column.values - column.values.mean()) / column.values.std()) ** power).mean()

    skewness = {name: moment(c, 3) for name, c in bicycles.columns.items() if c.kind == "number"}
    assert abs(skewness.pop("weight")) < 1 and all(value > 1.5 for value in skewness.values())
    assert moment(bicycles.columns["repairs"], 4) > 50  # 3 for the normal distribution


def test_training_rows_are_normalised(bicycles):
    numbers = bicycles.train.features[:, 15:]
    np.testing.assert_allclose(numbers.mean(0).numpy(), 0, atol=1e-5)
    np.testing.assert_allclose(numbers.std(0, correction=0).numpy(), 1, atol=1e-5)
    held_out = bicycles.validation.features[:, 15:]
    assert held_out.mean(0).abs().max().item() > 1e-3  # by the numbers of the training rows, not by its own
    words = bicycles.train.features[:, :15]
    assert set(words.unique().tolist()) == {0, 1} and (words.sum(1) == 4).all().item()


def test_sold_can_be_learned(bicycles):
    """The class of the nearest of a thousand others is right much more often than chance."""
    (known, labels), (asked, answers) = bicycles.train[:1000], bicycles.validation[:500]
    known, asked = known.numpy(), asked.numpy()
    distances = (asked**2).sum(1)[:, None] - 2 * asked @ known.T + (known**2).sum(1)
    assert (labels.numpy()[distances.argmin(1)] == answers.numpy()).mean() > 0.42


def test_rows_are_a_data_set(bicycles):
    features, target = bicycles.validation[3]
    assert features.shape == (21,) and target.shape == ()
    loader = DataLoader(bicycles.validation, 300)
    x, y = next(iter(loader))
    assert mg.equal(x, bicycles.validation.features[:300]) and mg.equal(y, bicycles.validation.targets[:300])
    assert sum(len(y) for _, y in loader) == 2000
    assert repr(bicycles.validation) == "<2000 rows of 21 features>"


def test_bicycles_written_to_a_file_are_the_same(bicycles, tmp_path):
    columns = [*bicycles.columns.values(), bicycles.target]
    with (tmp_path / "bicycles.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[c.name for c in columns], *zip(*(c.values for c in columns))])
    again = datasets.tabular(tmp_path / "bicycles.csv", "sold")
    for a, b in ((again.train, bicycles.train), (again.validation, bicycles.validation)):
        assert mg.equal(a.features, b.features) and mg.equal(a.targets, b.targets)


# ------------------------------------------------------------------------------------------------------- CSV files


def test_numbers_and_words_of_a_file(tmp_path):
    table = datasets.tabular(csv_file(tmp_path, GOOD), "price")
    assert table.features == ["age", "colour=blue", "colour=red"] and (len(table.train), len(table.validation)) == (4, 1)
    found, age, price = raw(table), table.columns["age"], table.target
    order = np.argsort(found["age"])
    np.testing.assert_allclose(found["age"][order] * age.std + age.mean, [1, 2, 3, 4, 5], 1e-5)
    np.testing.assert_allclose(found["target"][order] * price.std + price.mean, [10, 20, 30, 40, 60], 1e-5)
    assert found["colour=red"][order].tolist() == [1, 0, 1, 1, 0] and found["colour=blue"][order].tolist() == [0, 1, 0, 0, 1]
    assert table.train.targets.shape == (4, 1)
    assert abs(table.train.features[:, 0].mean().item()) < 1e-6


def test_words_as_target(tmp_path):
    table = datasets.tabular(csv_file(tmp_path, GOOD), "colour", seed=1, validation=0.4)
    assert table.target.categories == ["blue", "red"] and table.features == ["age", "price"]
    found = raw(table)
    assert found["target"][np.argsort(found["age"])].tolist() == [1, 0, 1, 1, 0]


def test_numbers_as_categories(tmp_path):
    path = csv_file(tmp_path, "zone,y\n1,0\n2,1\n,0\n1,1\n2,0\n,1\n1,0\n2,1\n")
    table = datasets.tabular(path, "y", categorical=["zone", "y"])
    assert table.features == ["zone=", "zone=1", "zone=2"]  # an empty cell is a category where categories are asked for
    assert table.train.targets.dtype == mg.int64 and table.target.categories == ["0", "1"]


def test_a_category_that_training_lacks_is_no_feature(tmp_path):
    path = csv_file(tmp_path, "word,y\n" + "".join(f"w{i},{i}\n" for i in range(5)))
    table = datasets.tabular(path, "y")
    assert len(table.features) == 4 and table.validation.features.sum().item() == 0


def test_dialects(tmp_path):
    expected = datasets.tabular(csv_file(tmp_path, GOOD), "price")
    for content in (
        "\ufeff" + GOOD,  # a byte order mark
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),  # blank lines
        GOOD.replace(",", " , "),
        GOOD.replace("red", '"red"').rstrip("\n"),
    ):
        table = datasets.tabular(csv_file(tmp_path, content), "price")
        assert table.features == expected.features and mg.equal(table.train.features, expected.train.features)
    table = datasets.tabular(str(csv_file(tmp_path, GOOD.replace(",", ";"))), "price", delimiter=";")
    assert mg.equal(table.train.features, expected.train.features)


def test_constant_column_becomes_zeros(tmp_path):
    path = csv_file(tmp_path, "one,x,y\n" + "".join(f"7,{i},{i}\n" for i in range(5)))
    assert (raw(datasets.tabular(path, "y"))["one"] == 0).all()


@pytest.mark.parametrize("rows", [4, 8])
def test_constant_column_whose_mean_is_rounded_becomes_zeros(tmp_path, rows):
    lines = [f"0.1,{i},{i % 3}" for i in range(rows)]
    table = datasets.tabular(csv_file(tmp_path, "\n".join(["a,b,y", *lines])), "y")
    assert (table.columns["a"].mean, table.columns["a"].std) == (0.1, 0)
    assert not raw(table)["a"].any()


BAD = {
    "empty": ("", "is empty"),
    "blank": ("\n\n", "is empty"),
    "header alone": ("a,b\n", "0 rows below its header"),
    "one row": ("a,y\n1,2\n", "1 rows below its header"),
    "short row": ("a,y\n1,2\n3\n4,5\n", "line 3: expected 2 cells as in the header, got 1"),
    "long row": ("a,y\n1,2\n3,4,5\n", "line 3: expected 2 cells as in the header, got 3"),
    "same name": ("a,a,y\n1,2,3\n", "line 1: two columns have the name 'a'"),
    "no target": ("a,b\n1,2\n3,4\n", "no column 'y', only a, b"),
    "target alone": ("y\n1\n2\n", "no column besides the target 'y'"),
    "typing error": ("a,y\n1,2\n2,2\n3o,4\n4,5\n", "line 4, column 'a': expected a finite number .* got '3o'"),
    "missing number": ("a,y\n1,2\n,2\n3,4\n", "line 3, column 'a': expected a finite number .* got ''"),
    "nan": ("a,y\n1,2\nnan,2\n3,4\n", "line 3, column 'a': expected a finite number .* got 'nan'"),
    "too large": ("a,y\n1,2\n2,2\n3,1e999\n", "line 4, column 'y': expected a finite number .* got '1e999'"),
    "missing word": ("a,y\nu,2\n,2\nv,4\n", "column 'a': some cells are empty"),
    "a line in quotes": ('a,y\n"1\n",2\nx,2\n3,4\n', "line 4, column 'a': .* got 'x'"),
    "open quote": ('a,y\n"1,2\n3,4\n', "line 3: unexpected end of data"),
    "not text": (b"a,y\n\xff\xfe,2\n3,4\n", "is not UTF-8 text"),
    "names": ("a,y\n" + "".join(f"n{i},{i}\n" for i in range(200)), "column 'a': 160 different values such as 'n"),
    "decimal commas": (
        "a,y\n" + "".join(f'"{i},5",{i}\n' for i in range(200)),
        "160 different values .* written 1234.5",
    ),
    "rare target": ("a,y\n" + "".join(f"{i},w{i}\n" for i in range(5)), "no training row has the target 'y' = 'w"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=f"tabular: .*table.csv.*{message}"):
        datasets.tabular(csv_file(tmp_path, content), "y")


def test_bad_arguments(tmp_path):
    path = csv_file(tmp_path, GOOD)
    with pytest.raises(FileNotFoundError):
        datasets.tabular(tmp_path / "missing.csv", "price")
    with pytest.raises(ValueError, match="name the column to be found out"):
        datasets.tabular(path)
    with pytest.raises(ValueError, match="no column 'shape', only age, colour, price"):
        datasets.tabular(path, "price", categorical=["shape"])
    with pytest.raises(ValueError, match="no column 'cost', only brand"):
        datasets.tabular(target="cost")
    for share in (0, 1, -0.1, 2):
        with pytest.raises(ValueError, match="validation to be a share between 0 and 1"):
            datasets.tabular(path, "price", validation=share)
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        datasets.tabular(rows=1)
