"""What a getNumber would buy, or why not, without buying it."""

from proxy.commands.explain.explanation import Explanation, explain
from proxy.commands.explain.question import Question, asked
from proxy.model.errors import QuestionError

__all__ = ["Explanation", "Question", "QuestionError", "asked", "explain"]
