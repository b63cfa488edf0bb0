# SPDX-License-Identifier: Apache-2.0
# Purpose: metrics as tests send them, and what they expect: every sample of every series, by an account
# of its own of what src/model/point.h says, compared with what the API answers.
import json
import math

from sonde import attribute, check, equal, http

YOUNG_MS = 5 * 60 * 1000  # model/point.h: a counter that began so lately began from 0

JSON = {"Content-Type": "application/json"}


def gauge(name, points, unit=""):
    return {"name": name, "unit": unit, "gauge": {"dataPoints": points}}


def total(name, points, unit="", delta=False, monotonic=True):
    return {"name": name, "unit": unit,
            "sum": {"aggregationTemporality": 1 if delta else 2, "isMonotonic": monotonic,
                    "dataPoints": points}}


def number(time_ms, value, start_ms=0, **attributes):
    return {"timeUnixNano": str(time_ms * 10**6), "startTimeUnixNano": str(start_ms * 10**6),
            "asInt" if type(value) is int else "asDouble": str(value) if type(value) is int else value,
            "attributes": [attribute(k, v) for k, v in attributes.items()]}


def of_resource(attributes, metrics, scope="lib"):
    """A request of metrics of one resource."""
    return {"resourceMetrics": [{"resource": {"attributes": [attribute(k, v) for k, v in attributes.items()]},
                                 "scopeMetrics": [{"scope": {"name": scope}, "metrics": metrics}]}]}


def request(service, metrics, namespace="", instance="i-1", scope="lib"):
    resource = {"service.name": service, "service.instance.id": instance}
    if namespace:
        resource["service.namespace"] = namespace
    return of_resource(resource, metrics, scope)


def send(server, body, status=200):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    code, answer = http(server.otlp + "/v1/metrics", body, JSON)
    equal(code, status, "the status of POST /v1/metrics: %r" % answer[:300])
    return json.loads(answer)


class Expected:
    """Every series with its samples, by an account of its own of what model/point.h says."""

    def __init__(self):
        self.series = {}  # (name, labels as a sorted tuple) -> {ms: value}

    def add(self, name, labels, time_ms, value, start_ms=None):
        samples = self.series.setdefault((name, tuple(sorted(labels.items()))), {})
        if start_ms is not None and 0 < start_ms < time_ms and time_ms - start_ms <= YOUNG_MS:
            samples[math.ceil(start_ms) - 1] = 0
        samples[time_ms] = value

    def distribution(self, name, labels, time_ms, count, total_, low, high, buckets, start_ms):
        """buckets: (upper bound, how many at or below it) without the last."""
        for bound, below in list(buckets) + [(math.inf, count)]:
            self.add(name + "_bucket", dict(labels, le=float(bound)), time_ms, below, start_ms)
        self.totals(name, labels, time_ms, count, total_, low, high, start_ms)

    def exponential(self, name, labels, time_ms, count, total_, low, high, scale, zero_threshold, buckets, start_ms):
        """buckets: {the label bucket.index: how many}; only "all" says that it began from 0."""
        shape = dict(labels, **{"bucket.scale": str(scale)})
        if zero_threshold:
            shape["bucket.zero"] = "%.15g" % zero_threshold
        for index, n in buckets.items():
            if n:
                self.add(name + "_bucket", dict(shape, **{"bucket.index": index}), time_ms, n)
        self.add(name + "_bucket", dict(shape, **{"bucket.index": "all"}), time_ms, count, start_ms)
        self.totals(name, labels, time_ms, count, total_, low, high, start_ms)

    def totals(self, name, labels, time_ms, count, total_, low, high, start_ms):
        self.add(name + "_count", labels, time_ms, count, start_ms)
        if total_ is not None:
            self.add(name + "_sum", labels, time_ms, total_, start_ms)
        for suffix, value in (("_min", low), ("_max", high)):
            if value is not None:
                self.add(name + suffix, labels, time_ms, value)

    def names(self):
        return sorted({name for name, _ in self.series})


def cumulated(counts):
    sums, below = [], 0
    for n in counts:
        below += n
        sums.append(below)
    return sums


def check_steps(what, samples, points, step_ms=1000):
    """samples: {ms: value}; the points are values by steps."""
    steps = {}
    for ms in sorted(samples):
        if not math.isnan(samples[ms]):
            steps.setdefault(ms // step_ms * step_ms, []).append(samples[ms])
    seen = {p["time_unix_ms"]: p for p in points}
    equal(sorted(seen), sorted(steps), "the steps of %s" % (what,))
    for at, values in steps.items():
        p = seen[at]
        equal((p["samples"], p["last"], p["min"], p["max"]),
              (len(values), values[-1], min(values), max(values)), "the samples of %s at %d" % (what, at))
        check(math.isclose(p["mean"], sum(values) / len(values), rel_tol=1e-12, abs_tol=1e-12),
              "the mean of %s" % (what,), p)


def compare(server, expected, from_ms, to_ms, schema=None):
    """Every sample of every series is there once, and no other."""
    for name in expected.names():
        wanted = {labels: samples for (n, labels), samples in expected.series.items() if n == name}
        found = 0
        split = next((key for key in ("le", "bucket.index", "quantile")
                      if any(key in dict(labels) for labels in wanted)), "none")
        apart = {}
        for labels, samples in wanted.items():
            rest = tuple((k, v) for k, v in labels if k != split)
            apart.setdefault(rest, {})[dict(labels).get(split, "")] = samples
        for rest, by_value in apart.items():
            filters = {"label." + k: v for k, v in rest}
            answer = server.get("/api/v1/metrics/query", name=name, step=1000, by=split, **{
                "as": "value", "from": from_ms, "to": to_ms}, **filters)
            if schema:
                schema.answer(answer, "/api/v1/metrics/query")
            equal(len(answer["groups"]), len(by_value), "the series of %s %s" % (name, rest))
            for g in answer["groups"]:
                value = {"none": lambda _: "", "bucket.index": str}.get(split, float)(g["value"])
                equal(g["series"], 1, "the series of a group of %s %s" % (name, rest))
                check_steps((name, rest, value), by_value[value], g["points"])
                found += 1
        equal(found, len(wanted), "the number of series of " + name)
