"""Features of a service for some entities, as a table.

    MILLRACE_URL=http://127.0.0.1:8080 MILLRACE_TOKEN=mr_… python get_features.py delay_model '{"keys": {"origin": "LAS", …}, "request": {"distance": 2176}}' …

Of a service that asks for nothing the join keys alone do.
"""

import json
import os
import sys

from millrace import Millrace

service, *entities = sys.argv[1:]
store = Millrace(os.environ["MILLRACE_URL"], os.environ.get("MILLRACE_TOKEN"))
entries = [json.loads(entity) for entity in entities]
has_requests = any("request" in entry for entry in entries)
keys = [entry["keys"] for entry in entries] if has_requests else entries
frame = store.features(service, keys, [entry["request"] for entry in entries] if has_requests else None)
print(frame.to_string())
print(frame.dtypes.to_string())
