"""The operators of expressions, each compiled to a closure over one frame.

    operators() -> {"$add": build, ...}
    build(spec, scope, pointer) -> Code           # at parse: checks the form, compiles the operands
    code.run(frame) -> value or MISSING           # for every document

To add an operator: write its function of values in the module of its kind, and name it in that module's table.
A fault found at parse or in a value is an InvalidQuery with the pointer to the operator and the dialect's number.
"""
