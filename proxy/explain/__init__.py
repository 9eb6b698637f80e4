"""What a getNumber would buy, or why not, without buying it."""

from proxy.explain.explanation import Explanation, explain
from proxy.explain.question import Question, QuestionError, asked

__all__ = ["Explanation", "Question", "QuestionError", "asked", "explain"]
