"""Trains a classifier on a training set of `millrace export`, and writes it as ONNX.

    python train.py training.parquet late.onnx metrics.json [--label late] [--test test.parquet]

Inputs are the columns of the manifest, in its order: what the program that serves the model has to give it in, too.
"""

import argparse
import json

import pandas
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def columns_of(manifest: dict) -> list[str]:
    """The numeric features: those of the views, then those that the service derives."""
    parts = [*manifest["views"], *([manifest["derived"]] if "derived" in manifest else [])]
    numeric = {"int", "int64", "double", "decimal"}
    return [f["column"] for part in parts for f in part["features"] if f["type"]["kind"] in numeric]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("training")
    parser.add_argument("model")
    parser.add_argument("metrics")
    parser.add_argument("--label", default="late")
    parser.add_argument("--test", help="another training set, to measure on; default: the set itself")
    given = parser.parse_args()

    with open(f"{given.training}.manifest.json", encoding="utf-8") as file:
        columns = columns_of(json.load(file))
    rows = pandas.read_parquet(given.training)
    # Nulls are NaN, and so is what is imputed: the graph that is exported does it as training did.
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(rows[columns].astype("float32").to_numpy(), rows[given.label].astype(int))

    # Without zipmap the probabilities are a tensor, which every runtime reads.
    graph = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, len(columns)]))],
        options={id(model): {"zipmap": False}},
    )
    with open(given.model, "wb") as file:
        file.write(graph.SerializeToString())

    test = rows if given.test is None else pandas.read_parquet(given.test)
    likely = model.predict_proba(test[columns].astype("float32").to_numpy())[:, 1]
    truth = test[given.label].astype(int)
    base = float(rows[given.label].mean())
    metrics = {
        "logLoss": float(log_loss(truth, likely, labels=[0, 1])),
        "logLossBase": float(log_loss(truth, [base] * len(truth), labels=[0, 1])),
        "rows": len(test),
    }
    with open(given.metrics, "w", encoding="utf-8") as file:
        json.dump(metrics, file)
    print(json.dumps(metrics))


main()
