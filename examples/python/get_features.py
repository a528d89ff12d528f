"""Features of a service for some entities, as a table.

    MILLRACE_URL=http://127.0.0.1:8080 MILLRACE_TOKEN=mr_… python get_features.py delay_model '{"origin": "LAS", …}' …
"""

import json
import os
import sys

from millrace import Millrace

service, *entities = sys.argv[1:]
store = Millrace(os.environ["MILLRACE_URL"], os.environ.get("MILLRACE_TOKEN"))
frame = store.features(service, [json.loads(entity) for entity in entities])
print(frame.to_string())
print(frame.dtypes.to_string())
