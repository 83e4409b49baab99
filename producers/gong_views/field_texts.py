"""The texts that stand under a model's fields, for its JSON schema.

pydantic reads them itself with `use_attribute_docstrings`, but when a class is made: half of what the import of the
event took, for what few programs ask for.
"""

import ast
import inspect
from itertools import pairwise


def field_texts(model: type) -> dict[str, str]:
    """The text under each field in the class's source; none where that is not there, or is another by now."""
    try:
        source = inspect.getsource(model)
        # Not dedented: a text may go back to the margin.
        found = ast.walk(ast.parse(f"if True:\n{source}" if source[:1].isspace() else source))
    except (OSError, TypeError, SyntaxError):
        return {}
    classes = (one for one in found if isinstance(one, ast.ClassDef) and one.name == model.__name__)
    definition = next(classes, None)
    texts = {}
    for field, under in pairwise(definition.body if definition else ()):
        match field, under:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                texts[name] = inspect.cleandoc(text)
    return texts
