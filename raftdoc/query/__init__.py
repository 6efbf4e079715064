"""The query language: filters, projections, sorts, expressions, pipelines, updates, and the plans that run them. Pure.

    filter = parse_filter({"qty": {"$gte": 5}}, "/filter")      # refuses with a pointer and the dialect's number
    filter.matches(document)                                    # compiled once, called for every document

The caller's duties:
1. Specifications and documents hold only what `document.parse_json` lets through: no NaN, no integer outside
   int64, no depth over the limit.
2. A parsed filter, projection or sort is bound to no collection and no state; it may be kept and shared.
3. What depends on the moment (`$$NOW`, let-variables) comes in a Context; nothing here knows a clock.
4. Between two slices of an executor the loop is given back; nothing here waits.

It does not know storage: documents come through the DocumentReader Protocol (`reader`). It does not know HTTP:
faults carry a JSON Pointer, and the api puts it into the answer.
"""
