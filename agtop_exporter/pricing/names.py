"""Finds the names under which a price table may list a model, and version suffixes of names.

A common prefix alone is never a match: the price of `gpt-5` is not the price of `gpt-5.9`.
"""

import re
from functools import lru_cache

# Bedrock: [region.]maker.model[-v1:0]. Prices depend on the region, so aws is looked up first.
_BEDROCK = re.compile(
    r"^(?:(?:us|us-gov|eu|ap|apac|au|jp|ca|sa|global)\.)?"
    r"(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen|moonshotai|zai|minimax)\."
)

# Names with a cloud region whose price genai-prices does not separate from that of other regions.
_REGION = re.compile(
    r"^(?:azure/(?:us|us-gov|eu|apac)/|(?:amazon-)?bedrock/[a-z]{2,3}(?:-[a-z]+)+-\d/"
    r"|(?:[a-z_-]+/)?(?:us-gov\.|(?:us|eu|ap|apac|au|jp|ca|sa)\.(?:amazon|meta|mistral)\.))"
)

# Reasoning efforts, which some agents add to the names of models: gpt-5.2-codex-high,
# claude-4.6-opus-max-thinking. They do not change the price of a token. `max` without `thinking`
# is an effort only of Claude and of the named GPT models: gpt-5.1-codex-max is another model.
_EFFORT = re.compile(
    r"(?<=.)-(?:(?:none|minimal|(?:extra-)?(?:low|high)|medium|xhigh|tiered)"
    r"(?:-thinking|-reasoning)?|max-thinking"
    r"|thinking-(?:low|medium|high|xhigh|max))(?=$|-fast$)"
)
_MAXIMUM = re.compile(
    r"^(claude-[\w.-]+?|gpt-[\d.]+-(?:sol|terra|luna|astra)(?:-pro)?)-(?:max|ultra)(?=$|-fast$)"
)

# Parameters of Cursor: grok-4.6[effort=high,fast=true].
_FAST_PARAMETER = re.compile(r"\[(?:[\w=.-]+,)*fast=true(?:,[\w=.-]+)*\]$")

# (match kind, pattern, replacement), applied in this order, each to the previous result.
_CHANGES = (
    ("suffix-stripped", _FAST_PARAMETER, "-fast"),
    ("suffix-stripped", re.compile(r"\[[\w=,.-]{0,80}\]$"), ""),  # claude-opus-4-6[1m]
    ("suffix-stripped", re.compile(r"(?<!instruct)-1m(?:-internal)?$"), ""),  # claude-opus-4.6-1m
    ("prefix-stripped", re.compile(r"^[^/]*/"), ""),  # openrouter/..., models/...
    ("prefix-stripped", re.compile(r"^.*/"), ""),  # .../anthropic/..., a Bedrock ARN
    ("prefix-stripped", _BEDROCK, ""),
    ("prefix-stripped", re.compile(r"^(?:anthropic--|openai-codex:|cursor-(?=grok-))"), ""),
    ("prefix-stripped", re.compile(r"^grok-(?=composer-)"), ""),  # grok-composer-2.5-fast
    ("suffix-stripped", re.compile(r"^(grok-\d+\.\d+)-build$"), r"\1"),  # grok-4.6-build
    ("suffix-stripped", re.compile(r"-v\d(?::\d{1,3}k?)?$"), ""),
    ("suffix-stripped", re.compile(r"@default$"), ""),  # Vertex
    ("alias", re.compile(r"-(20\d\d)([01]\d)([0-3]\d)$"), r"-\1-\2-\3"),
    ("date-stripped", re.compile(r"[-@](?:\d{8}|\d{4}-\d\d-\d\d)$"), ""),
    ("suffix-stripped", re.compile(r"-latest$"), ""),
    ("suffix-stripped", _EFFORT, ""),
    ("suffix-stripped", _MAXIMUM, r"\1"),
    # the pro mode of a model, at the model's price of a token: gpt-6.2-sol-pro
    ("suffix-stripped", re.compile(r"^(gpt-[\d.]+-(?:sol|terra|luna|astra))-pro$"), r"\1"),
)

# Other spellings of a name. They are tried last, because a table may list both spellings.
_SPELLINGS = (
    # OpenRouter's variants at the listed price: the last three choose among the sellers of a model
    (re.compile(r":(?:beta|thinking|nitro|floor|exacto)$"), ""),
    (re.compile(r"-thought$"), ""),  # Copilot: claude-3.7-sonnet-thought
    (re.compile(r"^(?=(?:fable|haiku|mythos|opus|sonnet)-\d)"), "claude-"),  # Cursor: sonnet-4.5
    (re.compile(r"^qwen-(?=\d)"), "qwen"),  # qwen-3.7-max
    (re.compile(r"(?<=\d)p(?=\d)"), "."),  # Fireworks: glm-5p3
    (re.compile(r"(?<=\d)\.(?=\d)"), "-"),  # claude-opus-4.6
    # gpt-5-1, kimi-k2-6, qwen3-6-plus
    (
        re.compile(r"(?:(?<=[a-z]-\d)|(?<=-[km]\d)|(?<=qwen\d))-(?=\d{1,2}(?:$|[-@:]\D))"),
        ".",
    ),
    (re.compile(r"^claude-(\d)(?:-(\d{1,2}))?-([a-z]+)"), r"claude-\3-\1-\2"),
    (re.compile(r"^claude-([a-z]+)-(\d)-(\d{1,2})"), r"claude-\2-\3-\1"),  # claude-3-5-haiku
)
_DISPLAYED = re.compile(r"[ ()]+")
_FAST = re.compile(r"-fast(?:-mode)?(?=$|\[|:|-20\d{6}$)")

_VERSION = re.compile(
    r"(?:[-@:](?:\d{4}-\d\d-\d\d|\d\d-\d\d(?:\d\d)?|\d{3,8}|v\d"
    r"|latest|default|preview|exp|customtools|thinking)|:\d)*"
)

_PROVIDERS = {
    "alibaba": "dashscope",
    "alibaba-cn": "dashscope",
    "fireworks-ai": "fireworks",
    "fireworks_ai": "fireworks",
    "minimax-cn": "minimax",
    "moonshotai-cn": "moonshotai",
    "novita-ai": "novita",
    "togetherai": "together",
    "z-ai": "zai",
    "zai-coding-plan": "zai",
    "zhipuai-coding-plan": "zhipuai",
    "amazon-bedrock": "aws",
    "azure-cognitive-services": "azure",
    "azure-openai": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
}
"""The name of a provider at models.dev or OpenRouter -> the name in this package.

Most names in this package are the names in genai-prices.
"""

# Parts of the names of providers that serve models on a machine of the user, without punctuation.
_LOCAL_PARTS = re.compile(
    r"ollama(?!.*cloud)|lmstudio|llama(?:cpp|server|swap|file|box)|vllm|sglang|mlx|koboldcpp|localai"
    r"|localhost|ramalama|dockermodelrunner|lemonade|gpt4all|textgenwebui"
)
_LOCAL_NAMES = {"oss", "jan", "tgi"}
_LOCAL_WORD = re.compile(r"(?<![a-z])local(?![a-z])")
_PUNCTUATION = re.compile(r"[^a-z0-9]+")

# Sellers of free variants of models, and the end of the names of these variants.
_FREE = {"openrouter": ":free", "kilo": ":free", "opencode": "-free", "opencode-go": "-free"}

LONGEST_NAME = 200  # the longest known name has 80 characters; transcripts may contain any text


@lru_cache(maxsize=1024)
def candidates(model: str) -> tuple[tuple[str, str], ...]:
    """Return (name, match kind) pairs for a model, the most exact name first.

    A price table may list the model under any of these names. `PriceCard` explains the match kinds.
    """
    name = model.strip().lower()
    if not name or len(name) > LONGEST_NAME:
        return ()
    kinds = {name: "exact"}
    if " " in name:  # a displayed name: Gemini 3.8 Flash (High)
        name = _DISPLAYED.sub("-", name).strip("-")
        kinds.setdefault(name, "alias")
    for kind, pattern, replacement in _CHANGES:
        shorter = pattern.sub(replacement, name, count=1)
        if shorter:
            name = shorter
            kinds.setdefault(name, kind)
    for name, kind in list(kinds.items()):
        for other in _spellings(name):
            kinds.setdefault(other, "alias" if kind == "exact" else kind)
    return tuple(kinds.items())


def _spellings(name: str) -> list[str]:
    """Return other spellings of a name. Each rule is applied to all spellings found before."""
    found = {name: None}
    for pattern, replacement in _SPELLINGS:
        others = [pattern.sub(replacement, each).removesuffix("-") for each in found]
        found |= dict.fromkeys(others)
    return list(found)[1:]


def bare(model: str) -> str:
    """Return a model name in lower case, without the seller and the maker before it."""
    return model.lower().rpartition("/")[2]


def without_speed(model: str) -> tuple[str, str]:
    """Split a model name with a speed, such as `claude-opus-5-fast`, into (name, speed).

    If the name has no speed, return the unchanged name and "".
    """
    name, found = _FAST.subn("", _FAST_PARAMETER.sub("-fast", model.lower()), count=1)
    return (name, "fast") if found and name else (model, "")


def is_local(provider: str, model: str) -> bool:
    """Return whether a model runs on a machine of the user, and therefore has no list price.

    The provider decides, or a provider that the model name contains, as in `ollama/qwen3`. Users
    choose the names of such providers (`ollama-desktop`), so parts of the names count too.
    """
    return any(map(_is_local_provider, (provider, *providers_named_in(model))))


@lru_cache(maxsize=1024)
def _is_local_provider(provider: str) -> bool:
    lowered = provider.lower()
    name = _PUNCTUATION.sub("", lowered)
    return bool(name in _LOCAL_NAMES or _LOCAL_PARTS.search(name) or _LOCAL_WORD.search(lowered))


def free_at(provider: str, model: str) -> str:
    """Return the seller at which a model is a free variant, or "".

    The result is `openrouter` for `openrouter/qwen/qwen3-coder:free`.
    """
    sellers = (provider.lower(), *providers_named_in(model))
    found = (each for each in sellers if each in _FREE)
    return next((each for each in found if model.lower().endswith(_FREE[each])), "")


def providers_named_in(model: str) -> tuple[str, ...]:
    """Return the providers that a model name contains.

    For `openrouter/anthropic/claude-...`, the result is `("openrouter", "anthropic")`.
    """
    *prefixes, name = model.strip().lower().split("/")
    return (*prefixes, "aws") if _BEDROCK.match(name) else tuple(prefixes)


def has_region(model: str) -> bool:
    """Return whether a model name contains a cloud region that sets the price: `azure/eu/gpt-5`."""
    return _REGION.match(model.strip().lower()) is not None


def known_as(provider: str) -> str:
    """Return the name that genai-prices has for a provider. Other names are returned unchanged."""
    return _PROVIDERS.get(provider.lower(), provider)


def is_version_of(name: str, *, end: int) -> bool:
    """Return whether everything after the first `end` characters of `name` is a version suffix.

    Version suffixes are dates, build numbers, `-latest`, `-preview` and similar words. A suffix
    such as `-mini` or a further digit is not a version suffix, but names another model. If `end` is
    inside a number, the suffix starts at the separator before that number.
    """
    if end < len(name) and name[end].isalnum():
        while end and name[end - 1].isdigit():
            end -= 1
        end -= bool(end)
    return _VERSION.fullmatch(name, end) is not None
