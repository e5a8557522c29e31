r"""Renders samples as JSON lines for the import endpoint of VictoriaMetrics.

    {"metric":{"__name__":"agtop_requests_total","agent":"claude"},"values":[1],"timestamps":[0]}

Timestamps are in milliseconds. Format:
<https://docs.victoriametrics.com/victoriametrics/single-server-victoriametrics/#json-line-format>.
"""

from collections.abc import Iterable, Mapping

import msgspec

from agtop_exporter.metrics import Samples

_encode_lines = msgspec.json.Encoder().encode_lines


def import_lines(samples: Iterable[Samples], labels: Mapping[str, str]) -> bytes:
    """Return one line for each series. `labels` are added to every series."""
    return _encode_lines(
        {
            "metric": {
                "__name__": one.metric.name,
                **dict(zip(one.metric.labels, one.labels, strict=True)),
                **labels,
            },
            "values": one.values,
            "timestamps": [time * 1000 for time in one.times],
        }
        for one in samples
    )
