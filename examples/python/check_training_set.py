"""Holds the rows of a training set to what the server answers for the same entities and times: they are the same values.

    MILLRACE_URL=http://127.0.0.1:8080 MILLRACE_TOKEN=mr_… python check_training_set.py delay_model training.parquet origin,destination distance

After the join keys come the fields of the request, where the service asks for any.

Ends with 1 where one differs. A read is about now: rows at or before an entity's newest event are counted, and not compared.
"""

import os
import sys

import pandas

from millrace import Millrace, training_set



def same(wanted, found):
    if isinstance(wanted, (list, dict)) or isinstance(found, (list, dict)):
        return wanted == found
    return (pandas.isna(wanted) and pandas.isna(found)) or wanted == found


service, path, keys, *asked = sys.argv[1:]
keys = keys.split(",")
asked = asked[0].split(",") if asked else None
rows = training_set(path)
features = [column for column in rows.columns if "__" in column]
store = Millrace(os.environ["MILLRACE_URL"], os.environ.get("MILLRACE_TOKEN"))
differing = ahead = 0
for time, group in rows.groupby("event_timestamp"):
    requests = None if asked is None else group[asked].to_dict("records")
    served = store.features(service, group[keys].to_dict("records"), requests, at=time.to_pydatetime())
    for (_, row), (_, read), is_ahead in zip(group.iterrows(), served.iterrows(), served.attrs["ahead"]):
        if is_ahead:
            ahead += 1
            continue
        for feature in features:
            wanted, found = row[feature], read[feature]
            if not same(wanted, found):
                differing += 1
                print(f"{dict(row[keys])} at {time}: {feature} is {wanted!r} in the training set, {found!r} as served")
print(f"{len(rows)} rows, {len(features)} features, {differing} differing, {ahead} rows not compared")
sys.exit(1 if differing > 0 else 0)
