"""The stages of pipelines, each a generator over an iterable of documents.

    stage = build(spec, pointer, setting)           # at parse: checks the form
    for document in stage.run(documents, context):  # lazily; None is a pause, see below

A source that has to give the loop back yields None; every stage hands it on at once, also one that has to see
all documents before it can answer. Documents are never changed in place: a stage that changes one copies what
it changes. To add a stage: write its builder in the module of its kind, and name it in that module's table.
"""
