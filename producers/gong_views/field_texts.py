"""The texts that stand under a model's fields, for its JSON schema.

pydantic reads them itself with `use_attribute_docstrings`, but when a class is made: half of what the import of the
event took, for what few programs ask for.
"""

import ast
import inspect
from itertools import pairwise
from textwrap import dedent


def field_texts(model: type) -> dict[str, str]:
    """The text under each field in the class's source; none where the source is not there."""
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):
        return {}
    texts = {}
    (definition,) = ast.parse(dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    for field, under in pairwise(definition.body):
        match field, under:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                texts[name] = inspect.cleandoc(text)
    return texts
