"""What can be explained besides a plain text: a prompt with named regions, a chat, a prompt with what the model says next.

Each is a value with `read_by(model, truncate)`, which returns the prompt as the model reads it. Pass one wherever a text is taken.
"""

from lineal.prompts.chat import ANSWER, Chat, rendered
from lineal.prompts.contract import MISSING, Prompt, check, check_list, check_string, is_missing, read
from lineal.prompts.generation import Generation
from lineal.prompts.regions import GENERATED, TEMPLATE
from lineal.prompts.texts import Ids, Marked

__all__ = [
    "ANSWER",
    "GENERATED",
    "MISSING",
    "TEMPLATE",
    "Chat",
    "Generation",
    "Ids",
    "Marked",
    "Prompt",
    "check",
    "check_list",
    "check_string",
    "is_missing",
    "read",
    "rendered",
]
