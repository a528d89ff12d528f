"""Millrace from Python: features over HTTP, and training sets, as pandas frames with exact types.

The standard library, pandas and pyarrow are all it needs: copy the file, or import it from here.
"""

import datetime
import decimal
import json
import urllib.error
import urllib.request

import pandas
import pyarrow.parquet


class MillraceError(Exception):
    """What the server refused, with its code and what to do about it."""

    def __init__(self, status, code, message, remedy):
        super().__init__(f"{code} (HTTP {status}): {message} {remedy}")
        self.status = status
        self.code = code


class Millrace:
    """A server of features.

    >>> store = Millrace("https://features.example", token="mr_…")
    >>> store.features("delay_model", [{"origin": "LAS", "destination": "PHL"}], [{"distance": 2176}])
    """

    def __init__(self, url, token=None, timeout_s=5.0):
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._types = None

    def features(self, service, entities, requests=None, at=None, on_error="fail"):
        """The features of entities (join key to value, as JSON has them), one row each, in their order.

        `requests` has, per entity, what the service asks for beside its keys. Columns are the join keys, then `<view or role>__<feature>`, then what the
        service derives, `<service>__<feature>`, as in a training set. `at` is a datetime with a zone; default now.
        A feature that has an error beside its null raises ValueError, unless `on_error` is "null". `frame.attrs["ahead"]` has, per row,
        whether a state holds events at or after `at`: then the row is not what was known at that time.
        """
        if requests is not None:
            entities = [{"keys": keys, "request": request} for keys, request in zip(entities, requests, strict=True)]
        request = {"service": service, "entities": entities}
        if at is not None:
            if at.tzinfo is None:
                raise ValueError(f"expected a time with a zone, received {at!r}")
            request["at"] = at.isoformat()
        rows, types, ahead = [], {}, []
        for result in self._call("/v1/features", request)["results"]:
            row = dict(result["entity"])
            derived = {} if "derived" not in result else {service: result["derived"]}
            for block, read in {**result["views"], **derived}.items():
                if read["errors"] is not None and on_error != "null":
                    raise ValueError(f"{block} of {result['entity']}: {read['errors']}")
                for feature, value in read["values"].items():
                    column = f"{block}__{feature}"
                    types[column] = self._type(service, block, feature)
                    row[column] = None if value is None else reader(types[column])(value)
            rows.append(row)
            ahead.append(any(read["ahead"] for read in result["views"].values()))
        frame = pandas.DataFrame([{name: value for name, value in row.items() if name not in types} for row in rows])
        for column, text in types.items():
            # Each by its own type from the start: a frame of rows makes doubles of integers where one is null.
            frame[column] = pandas.Series([row.get(column) for row in rows], dtype=DTYPES.get(kind(text), "object"))
        frame.attrs["ahead"] = ahead
        return frame

    def _type(self, service, block, feature):
        # A view that is flipped to another definition may have new features: they are asked for once they are met.
        if self._types is None or (service, block, feature) not in self._types:
            views = {view["view"]: view["features"] for view in self._call("/v1/views")["views"]}
            # What a service answers under one name is a view, or a view in a role.
            services = self._call("/v1/services")["services"]
            blocks = [(one["service"], block) for one in services for block in one["blocks"]]
            self._types = {(of, b["name"], f["name"]): f["type"] for of, b in blocks for f in views.get(b["view"], [])}
            # And what it derives of them stands under its own name.
            self._types |= {(one["service"],) * 2 + (f["name"],): f["type"] for one in services for f in one["derived"]}
        return self._types[(service, block, feature)]

    def _call(self, path, body=None):
        headers = {"content-type": "application/json"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        content = None if body is None else json.dumps(body, default=as_json).encode()
        request = urllib.request.Request(self._url + path, content, headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            error = json.load(refused)
            raise MillraceError(refused.code, error["code"], error["message"], error["remedy"]) from None


def training_set(path):
    """A training set as a frame: pyarrow's types where pandas has none that is exact (decimals, integers with nulls); lists and dicts as they are."""
    table = pyarrow.parquet.read_table(path)
    frame = table.to_pandas(types_mapper=pandas.ArrowDtype)
    for field in table.schema:
        if pyarrow.types.is_nested(field.type):
            values = [plain(field.type, value) for value in table[field.name].to_pylist()]
            frame[field.name] = pandas.Series(values, dtype="object", index=frame.index)
    return frame


def plain(arrow, value):
    """A value of a nested Arrow type: a map, which is a list of pairs there, as a dict."""
    if value is None:
        return None
    if pyarrow.types.is_map(arrow):
        return {key: plain(arrow.item_type, each) for key, each in value}
    if pyarrow.types.is_list(arrow):
        return [plain(arrow.value_type, each) for each in value]
    return value


def as_json(value):
    """What JSON has no type for: times in ISO, all else (decimals) as text."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def kind(type_name):
    """`decimal(10,2)` is a decimal, `list of int` a list."""
    return type_name.split("(")[0].split(" ")[0]


def reader(type_name):
    """What makes of a value as JSON has it what it is: a list of a list, of a map a dict by its keys."""
    if type_name.startswith("list of "):
        item = reader(type_name.removeprefix("list of "))
        return lambda values: [item(value) for value in values]
    if type_name.startswith("map of "):
        key, value = type_name.removeprefix("map of ").split(" to ", 1)
        of, each = KEYS[kind(key)], reader(value)
        return lambda entries: {of(name): None if entry is None else each(entry) for name, entry in entries.items()}
    return READ[kind(type_name)]


# What JSON holds as text, since its numbers are doubles, comes out as what it is.
READ = {
    "string": str,
    "enum": str,
    "boolean": bool,
    "int": int,
    "int64": int,
    "double": float,
    "decimal": decimal.Decimal,
    "timestamp": pandas.Timestamp,
    "date": datetime.date.fromisoformat,
}
# Keys of objects are texts.
KEYS = {
    "string": str,
    "enum": str,
    "boolean": lambda text: text == "true",
    "int": int,
    "int64": int,
    "date": datetime.date.fromisoformat,
}
DTYPES = {
    "string": "string",
    "enum": "string",
    "boolean": "boolean",
    "int": "Int64",
    "int64": "Int64",
    "double": "Float64",
    "decimal": "object",
    "timestamp": "datetime64[us, UTC]",
    "date": "object",
}
