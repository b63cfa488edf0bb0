# SPDX-License-Identifier: Apache-2.0
# Purpose: checks answers of the API against the OpenAPI document that the server itself serves. Knows
# the part of JSON Schema that the document uses, and refuses what it does not know.
import re

from sonde import Failure, check

KNOWN = {"type", "description", "required", "properties", "additionalProperties", "items", "enum",
         "pattern", "minimum", "maximum", "format", "examples", "oneOf", "$ref", "minItems",
         "maxItems", "contentEncoding", "prefixItems", "default", "minLength", "const"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


class Schema:
    def __init__(self, document):
        self.document = document

    def resolve(self, schema):
        while "$ref" in schema:
            found = self.document
            for step in schema["$ref"].lstrip("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def is_type(self, value, name):
        if name == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if name == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, TYPES[name])

    def one_of(self, value, choices, where):
        problems = []
        for choice in choices:
            try:
                return self.validate(value, choice, where)
            except Failure as e:
                problems.append(str(e))
        raise Failure("%s fits none of its forms: %s" % (where, problems))

    def validate(self, value, schema, where="answer"):
        schema = self.resolve(schema)
        unknown = set(schema) - KNOWN
        check(not unknown, "%s: the document uses what this test does not know" % where, unknown)
        if "oneOf" in schema:
            return self.one_of(value, schema["oneOf"], where)
        names = schema.get("type", [])
        names = names if isinstance(names, list) else [names]
        check(not names or any(self.is_type(value, n) for n in names),
              "%s should be %s" % (where, names), repr(value)[:200])
        check("enum" not in schema or value in schema["enum"], "%s is not allowed" % where, value)
        if isinstance(value, str) and "pattern" in schema:
            check(re.search(schema["pattern"], value), "%s breaks its pattern" % where, value)
        if isinstance(value, (int, float)) and "minimum" in schema:
            check(value >= schema["minimum"], "%s is too small" % where, value)
        if isinstance(value, dict):
            self.validate_object(value, schema, where)
        if isinstance(value, list):
            for i, item in enumerate(value):
                self.validate(item, schema.get("items", {}), "%s[%d]" % (where, i))

    def validate_object(self, value, schema, where):
        properties = schema.get("properties", {})
        for key in schema.get("required", []):
            check(key in value, "%s lacks '%s'" % (where, key), value)
        for key, item in value.items():
            inner = properties.get(key, schema.get("additionalProperties", {}))
            check(inner is not False, "%s has '%s', which is not in the document" % (where, key))
            self.validate(item, {} if inner is True else inner, "%s.%s" % (where, key))

    def answer(self, value, path, method="get", status="200"):
        """Checks an answer of the path as the document writes it, such as /api/v1/traces/{trace_id}."""
        answers = self.document["paths"][path][method]["responses"]
        content = self.resolve(answers[status])["content"]["application/json"]
        self.validate(value, content["schema"], path)
