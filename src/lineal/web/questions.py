"""Every question that can be asked: what it asks, what it wants to know of which model, and which verb answers it.

`fields` says what a form shows for one model, `answer` asks. Nothing here knows of a browser or a queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineal import baselines, prompts, targets
from lineal.errors import OptionError, unknown
from lineal.evaluation.trust import examine
from lineal.methods import METHODS
from lineal.models import TextModel
from lineal.models.base import GENERATIVE
from lineal.models.vocabulary import special_tokens
from lineal.records.base import Record
from lineal.targets import spelling as specs
from lineal.verbs.comparison import compare
from lineal.verbs.generation import explain_generation
from lineal.verbs.interactions import explain_interactions
from lineal.verbs.pair import explain_matches, explain_pair
from lineal.verbs.text import explain
from lineal.web.asking import LIMITS, Field, Given, Limits, Option, Question, checked


def fields(question: Question, model: TextModel) -> tuple[Field, ...]:
    """Return what a form asks for, from what the model declares."""
    made = {"unit": _unit, "baseline": _baseline, "instead": _instead, "method": _method, "tol": _tol, "hold": _hold}
    return (*question.own(model), *(made[name](model) for name in question.settings))


def offered(model: TextModel) -> tuple[Question, ...]:
    """Return the questions that a model answers."""
    return tuple(question for question in QUESTIONS.values() if question.fits(model))


def read(question: Question, model: TextModel, given: Given, limits: Limits = LIMITS) -> dict[str, Any]:
    """Return what was given as the values the question takes: text, numbers, lists; what was not said is its usual value.

    Raises OptionError for a question that the model does not answer and a field that it does not have, InputError and TooLongError for
    what is missing, of the wrong kind, or beyond the limits.
    """
    if not question.fits(model):
        raise OptionError(f"{model.card.name} is of kind {model.card.kind}, which is not asked {question.name!r}; {_instead_of(model)}")
    return checked(fields(question, model), model, given, limits)


def answer(model: TextModel, question: str, given: Given, limits: Limits = LIMITS) -> Record:
    """Return the record that answers a question about a model. given: its fields by name, as `fields` lists them; strings will do.

    Raises as `read`, and as the verbs of Lineal. Cost: that of the verb.
    """
    asked = named(question)
    return asked.ask(model, read(asked, model, given, limits))


def named(question: str) -> Question:
    """Return a question by its name; OptionError lists them."""
    if question not in QUESTIONS:
        raise OptionError(unknown("question", question, QUESTIONS))
    return QUESTIONS[question]


def _instead_of(model: TextModel) -> str:
    names = [question.name for question in offered(model)]
    return f"it is asked {', '.join(names)}" if names else "it is asked nothing here"


# The settings that questions share.

BASELINES = {
    "mask": "What do words add beyond a mask in their place?",
    "pad": "What do words add beyond padding, which the model was trained not to see?",
    "unk": "What do words add beyond words that the model does not know?",
    "eos": "What do words add beyond the sign that a text has ended?",
    "bos": "What do words add beyond the sign that a text begins?",
    "mean": "What do words add beyond the average of all words?",
    "zero": "What do words add beyond vectors of zeros, which the model never saw?",
    "random:4": "What do words add beyond random ones? An average over four draws.",
}
METHOD_ASKS = {
    "ig": "Integrated Gradients: shares along a straight path, which add up.",
    "dig-greedy": "The path goes through real words, each time the nearest.",
    "dig-maxcount": "The path goes through real words, where most coordinates agree.",
    "dig-blog": "Discretized IG as its authors' article describes it.",
    "expected-gradients": "Gradients between the text and several random texts, averaged.",
    "smoothgrad-ig": "Integrated Gradients of noisy copies of the text, averaged.",
    "sequential-ig": "One token moves at a time, while all others stay.",
    "gradient-x-input": "One gradient at the text: cheap, and does not add up.",
    "saliency": "How sensitive the answer is to each token, without a direction.",
    "occlusion": "What changes when one token is replaced?",
    "occlusion-delete": "What changes when one token is left out?",
    "occlusion-attention": "What changes when no other token may look at one?",
    "random": "Scores drawn at random: what any method has to beat.",
}
UNIT_ASKS = {
    "logit": "The number the model computes, before it becomes a probability.",
    "log_odds": "How it stands against everything else.",
    "log_prob": "The logarithm of its probability.",
    "prob": "Its probability, which hardly moves near 0 and 1.",
    "cosine": "The angle between two embeddings.",
    "dot": "Their product, lengths included.",
}
USUAL = Option("", "as usual", "The choice that was measured to serve this kind of model best.")


def _unit(model: TextModel) -> Field:
    units = specs.SIMILARITIES if model.card.kind == "encoder" else ("logit",) if model.card.kind == "reader" else specs.UNITS
    return Field("unit", "Unit", "In which unit is the answer counted?", "choice", options=(USUAL, *_options(units, UNIT_ASKS)))


def _options(names: Sequence[str], asks: Mapping[str, str]) -> tuple[Option, ...]:
    return tuple(Option(name, name, asks.get(name, "")) for name in names)


def _baseline(model: TextModel) -> Field:
    has = special_tokens(model.tokenizer)
    names = [name for name in BASELINES if name not in ("mask", "pad", "unk", "eos", "bos") or name in has]
    options = (Option("", f"as usual ({baselines.spelling(baselines.default(model))})", USUAL.asks), *_options(names, BASELINES))
    return Field("baseline", "Baseline", "Compared with what? Another baseline asks another question.", "choice", options=options)


def _instead(model: TextModel) -> Field:
    asks = "Write the text otherwise, and only the words that differ are asked about; it takes the baseline's place."
    return Field("instead", "Said otherwise", asks, "line")


def _method(model: TextModel) -> Field:
    return Field("method", "Method", "How are the shares computed?", "choice", usual="ig", options=_options(list(METHODS), METHOD_ASKS))


def _tol(model: TextModel) -> Field:
    return Field(
        "tol", "Tolerance", "Give the error that is allowed, as a share of all scores.", "number", usual="0.01", least=0.001, most=0.3
    )


def _hold(model: TextModel) -> Field:
    asks = "Words, as a regular expression, that stay as they are and get no score."
    return Field("hold", "Hold", asks, "line")


def _how(given: Given, *names: str) -> dict[str, Any]:
    """Return what a verb takes of the settings that were given."""
    how: dict[str, Any] = {name: given[name] for name in ("method", "tol", *names) if given.get(name)}
    how |= {name: given[name] for name in ("baseline", "hold") if given.get(name)}
    if given.get("instead", "").strip():
        if how.get("baseline"):
            raise OptionError("both a baseline and another wording are given; drop one of the two")
        how["baseline"] = baselines.counterfactual(given["instead"])
    return how


def _target(spec: str | None, model: TextModel, given: Given) -> Any:
    return specs.target(spec or None, given.get("unit") or None, usual=targets.default(model))


def _made(value: Any, given: Given) -> Any:
    return specs.in_unit(value, given.get("unit") or None)


# What each question asks for.


def _text(example: str, label: str = "Text", name: str = "text", asks: str = "Give the text that is explained.") -> Field:
    return Field(name, label, asks, needed=True, example=example)


def _asked_for(model: TextModel) -> Field:
    """What is explained, where several things can be."""
    kind = model.card.kind
    options = [Option("", "as usual", "What the model says first: its embedding, the predicted label, the likeliest token.")]
    if kind == "classifier" and model.head is not None:
        options += [Option(f"label:#{i}", name, f"Why {name}, or why not?") for i, name in enumerate(model.head.names)]
    if kind in GENERATIVE:
        options += [Option(f"next:{rank}", f"likeliest token number {rank + 1}", "Why this token, further down?") for rank in (1, 2)]
    return Field("target", "Target", "What is to be explained?", "choice", options=tuple(options))


ENCODER, GENERATES = ("encoder",), GENERATIVE
EVERYTHING = ("encoder", "classifier", "causal", "seq2seq", "masked")
REVIEW = "A tepid first hour, but the ending is glorious."
ANSWER = "You can send back any unopened item within thirty days and get your money back."
QUERY = "How long do I have to return something?"
PROMPT = "The man works as a"
EXAMPLES = {"encoder": "The old lighthouse keeper still writes a letter to the sea.", "causal": PROMPT, "seq2seq": "The man works as a"}


def _example(model: TextModel) -> str:
    if model.card.kind == "masked":
        return f"The man works as a {model.tokenizer.mask_token or ''}.".strip()
    return EXAMPLES.get(model.card.kind, REVIEW)


def _new_tokens(usual: int = 4) -> Field:
    asks = "Give how many tokens the model goes on with."
    return Field("max_new_tokens", "Generated tokens", asks, "number", str(usual), least=1, most=LIMITS.new_tokens)


def _sentence(model: TextModel, given: dict[str, Any]) -> Record:
    return explain(model, given["text"], _target("self", model, given), **_how(given))


def _pair(model: TextModel, given: dict[str, Any]) -> Record:
    if model.card.kind != "encoder":
        return explain(model, (given["a"], given["b"]), _target(None, model, given), **_how(given))
    if given["unit"]:
        given = given | {"similarity": given["unit"]}
    return explain_pair(model, given["a"], given["b"], **_how({**given, "method": None, "hold": None}, "similarity"))


def _matches(model: TextModel, given: dict[str, Any]) -> Record:
    given = given | {"similarity": given["unit"]}
    return explain_matches(model, given["query"], given["documents"], top=given["top"], **_how(given, "similarity"))


def _label(model: TextModel, given: dict[str, Any]) -> Record:
    return explain(model, given["text"], _target(given["target"], model, given), **_how(given))


def _found(model: TextModel, given: dict[str, Any]) -> Record:
    if model.card.kind == "reader":
        return explain(model, (given["query"], given["text"]), _target("answer", model, given), **_how(given))
    if model.card.kind == "masked":
        token = targets.fill(given["word"] or None)
        return explain(model, given["text"], _made(token, given), **_how(given))
    asked = targets.word_label(given["word"]) if given["word"] else targets.entities()
    return explain(model, given["text"], _made(asked, given), **_how(given))


def _next(model: TextModel, given: dict[str, Any]) -> Record:
    return explain(model, given["text"], _made(targets.next_token(given["token"] or None), given), **_how(given))


def _contrast(model: TextModel, given: dict[str, Any]) -> Record:
    return explain(model, given["text"], _made(targets.contrast(given["token"], given["foil"]), given), **_how(given))


def _choice(model: TextModel, given: dict[str, Any]) -> Record:
    return explain(model, given["text"], _made(targets.choice(given["options"], given["pick"] or None), given), **_how(given))


def _generation(model: TextModel, given: dict[str, Any]) -> Record:
    how = _how(given) | {"hold_generated": given["hold_generated"], "unit": given["unit"] or "log_prob"}
    return explain_generation(model, given["text"], given["max_new_tokens"], given["continuation"] or None, **how)


def _chat(model: TextModel, given: dict[str, Any]) -> Record:
    said = [("system", given["system"]), ("user", given["user"]), ("assistant", given["assistant"])]
    chat = prompts.Chat([{"role": role, "content": text} for role, text in said if text.strip()])
    how = _how(given) | {"unit": given["unit"] or "log_prob", "hold_generated": given["hold_generated"]}
    return explain_generation(model, chat, given["max_new_tokens"], **how, **({"attribute": given["region"]} if given["region"] else {}))


def _interactions(model: TextModel, given: dict[str, Any]) -> Record:
    return explain_interactions(model, given["text"], _target(given["target"], model, given), **_how(given))


def _comparison(model: TextModel, given: dict[str, Any]) -> Record:
    return compare(model, given["text"], _target(given["target"], model, given), methods=given["methods"], **_how(given))


def _trust(model: TextModel, given: dict[str, Any]) -> Record:
    return examine(model, given["text"], _target(given["target"], model, given), **_how(given))[1]


def _fields_of_pair(model: TextModel) -> tuple[Field, ...]:
    return (_text(ANSWER, "First text", "a", "Give the first text."), _text(QUERY, "Second text", "b", "Give the second text."))


def _fields_of_matches(model: TextModel) -> tuple[Field, ...]:
    lines = "\n".join((ANSWER, "Postage is yours to pay.", "Our shop opens at nine."))
    return (
        _text(QUERY, "Query", "query", "Give what is looked for."),
        Field("documents", "Documents", "Give one in each line.", "lines", needed=True, example=lines),
        Field("top", "Explained", "Give how many of the best are explained word by word.", "number", "3", least=1, most=10),
    )


def _fields_of_finding(model: TextModel) -> tuple[Field, ...]:
    if model.card.kind == "reader":
        return (
            _text("Who wrote the letter?", "Question", "query", "Give the question."),
            _text("The old lighthouse keeper wrote a letter to the sea.", asks="Give the text the answer is in."),
        )
    asks = "Give a word that could stand there, or none for the likeliest." if model.card.kind == "masked" else "Give a word of the text."
    text = _example(model) if model.card.kind == "masked" else "Ada Lovelace lived in London."
    return (_text(text), Field("word", "Word", asks + ("" if model.card.kind == "masked" else " None: all that are named."), "line"))


def _fields_of_choice(model: TextModel) -> tuple[Field, ...]:
    return (
        _text("Is snow (A) hot or (B) cold? Answer: (", "Prompt"),
        Field("options", "Options", "Give one in each line, exactly as it follows the prompt.", "lines", needed=True, example="A\nB"),
        Field("pick", "Option", "Give the one that is explained; none: the one the model prefers.", "line"),
    )


def _fields_of_generation(model: TextModel) -> tuple[Field, ...]:
    return (
        _text(PROMPT, "Prompt"),
        Field("continuation", "Continuation", "Give what follows; none: what the model says.", "line"),
        _new_tokens(),
        HELD,
    )


HELD = Field("hold_generated", "Only the prompt", "What was generated keeps its place, and only the prompt gets scores.", "flag")
REGIONS = (
    Option("", "everything", "Which part of the chat, and which word?"),
    Option("user", "what the user says", "Everything else stays as it is."),
    Option("system", "the instructions", "Everything else stays as it is."),
)


def _fields_of_chat(model: TextModel) -> tuple[Field, ...]:
    return (
        Field("system", "Instructions", "Give what the model is told before; may be empty.", example="Answer with one word."),
        _text("Is snow hot or cold?", "User", "user", "Give what the user says."),
        Field("assistant", "Answer so far", "Give the beginning of the answer; may be empty.", "line"),
        Field("region", "Region", "Which part of the chat gets scores?", "choice", options=REGIONS),
        _new_tokens(),
        HELD,
    )


def _about(model: TextModel) -> tuple[Field, ...]:
    return _text(_example(model)), _asked_for(model)


METHODS_FIELD = Field(
    "methods",
    "Methods",
    "Give the methods to compare.",
    "several",
    "ig gradient-x-input occlusion random",
    needed=True,
    options=_options(list(METHODS), METHOD_ASKS),
)
SETTINGS = ("unit", "baseline", "instead", "tol", "hold")

QUESTIONS: dict[str, Question] = {
    question.name: question
    for question in (
        Question(
            "sentence",
            "A sentence",
            "Which words hold the embedding of a sentence in place?",
            ENCODER,
            lambda model: (_text(_example(model)),),
            _sentence,
        ),
        Question(
            "pair",
            "Two texts",
            "Why do two texts match, word by word?",
            ENCODER,
            _fields_of_pair,
            _pair,
            ("unit", "baseline", "tol"),
        ),
        Question(
            "matches",
            "A query and documents",
            "Why do these documents match a query?",
            ENCODER,
            _fields_of_matches,
            _matches,
            ("unit", "baseline", "tol"),
        ),
        Question("label", "A label", "Which words speak for a label, and which against it?", ("classifier",), _about, _label),
        Question(
            "found",
            "An entity, an answer, a gap",
            "Which words make the model find this in a text?",
            ("tagger", "reader", "masked"),
            _fields_of_finding,
            _found,
            ("unit", "baseline", "method", "tol", "hold"),
        ),
        Question(
            "next",
            "The next token",
            "Which words of a prompt suggest what comes next?",
            GENERATES,
            lambda model: (
                _text(PROMPT, "Prompt"),
                Field("token", "Token", "Give a token, its leading space included; none: the likeliest.", "line"),
            ),
            _next,
        ),
        Question(
            "contrast",
            "This token, not that one",
            "Why this token and not that one?",
            GENERATES,
            lambda model: (
                _text(PROMPT, "Prompt"),
                Field("token", "Token", "Give the token, its leading space included.", "line", needed=True, example=" doctor"),
                Field("foil", "Not", "Give the token it is held against.", "line", needed=True, example=" nurse"),
            ),
            _contrast,
        ),
        Question("choice", "A choice", "Why this option and not the others?", GENERATES, _fields_of_choice, _choice),
        Question(
            "generation",
            "A generation",
            "Which earlier words led to each generated word?",
            GENERATES,
            _fields_of_generation,
            _generation,
            ("unit", "baseline", "tol", "hold"),
        ),
        Question(
            "chat",
            "A chat",
            "Which part of a chat led to each word of the answer?",
            GENERATES,
            _fields_of_chat,
            _chat,
            ("unit", "baseline", "tol", "hold"),
        ),
        Question("interactions", "Words together", "Which words act together?", EVERYTHING, _about, _interactions, SETTINGS),
        Question(
            "comparison",
            "Several methods",
            "Do other methods say the same?",
            EVERYTHING,
            lambda model: (*_about(model), METHODS_FIELD),
            _comparison,
            SETTINGS,
        ),
        Question("trust", "Trust", "May this explanation be trusted?", EVERYTHING, _about, _trust),
    )
}
