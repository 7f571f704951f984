"""The names other instrumentations use for what the current GenAI conventions name.

Order matters: where several old names stand for one current name, the first that is present wins.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
TOOL: Final = "gen_ai.tool.name"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"
INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
INSTRUCTIONS: Final = "gen_ai.system_instructions"
CONVERSATION: Final = "gen_ai.conversation.id"

PROMPT_SHA256: Final = "strata.prompt.sha256"
TOOLS_SHA256: Final = "strata.tool.definitions.sha256"
WEIGHTS_SHA256: Final = "strata.weights.sha256"
ARGS_SHAPE: Final = "strata.tool.args.shape"
ARGS_CREDENTIALS: Final = "strata.tool.args.credentials"
DATA_SCOPE: Final = "strata.data.scope"

# What a monitored application may say about itself under our own name. Everything else that
# begins with `strata.` is ours to say (the registry's facts), and is dropped when sent to us.
DECLARED: Final = frozenset(
    {
        PROMPT_SHA256,
        TOOLS_SHA256,
        WEIGHTS_SHA256,
        ARGS_SHAPE,
        ARGS_CREDENTIALS,
        DATA_SCOPE,
        "strata.data.record_id",
        "strata.demo.origin",
    }
)

ALIASES: Final = {
    "gen_ai.provider.name": ("gen_ai.system", "llm.provider", "llm.system"),
    "gen_ai.request.model": ("llm.model_name", "langfuse.observation.model.name"),
    "gen_ai.agent.name": ("agent.name", "langfuse.trace.name"),
    CONVERSATION: (
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
    ),
    TOOL: ("tool.name", "tool_call.function.name"),
    ARGUMENTS: (
        "tool.parameters",
        "tool_call.function.arguments",
        "gcp.vertex.agent.tool_call_args",
    ),
    "gen_ai.prompt.name": ("langfuse.prompt.name",),
    "gen_ai.prompt.version": (
        "langfuse.prompt.version",
        "llm.prompt_template.version",
        "traceloop.prompt.version_hash",
    ),
    PROMPT_SHA256: ("app.prompt.sha256",),
    "gen_ai.usage.input_tokens": ("gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    "gen_ai.usage.output_tokens": ("gen_ai.usage.completion_tokens", "llm.token_count.completion"),
    "error.type": ("exception.type",),
}

RESOURCE_ALIASES: Final = {"deployment.environment.name": ("deployment.environment",)}

# An entity's name means the tool, the agent or the workflow, whichever its span is.
TRACELOOP_NAMES: Final = {
    "execute_tool": {TOOL: "traceloop.entity.name", ARGUMENTS: "traceloop.entity.input"},
    "invoke_agent": {"gen_ai.agent.name": "traceloop.entity.name"},
}

OPERATIONS: Final = {
    "openinference.span.kind": {
        "llm": "chat",
        "tool": "execute_tool",
        "agent": "invoke_agent",
        "chain": "invoke_workflow",
        "retriever": "retrieval",
        "embedding": "embeddings",
    },
    "traceloop.span.kind": {
        "workflow": "invoke_workflow",
        "agent": "invoke_agent",
        "tool": "execute_tool",
    },
    "llm.request.type": {
        "chat": "chat",
        "completion": "text_completion",
        "embedding": "embeddings",
    },
    "mcp.method.name": {"tools/call": "execute_tool", "resources/read": "retrieval"},
}

INVOCATION_PARAMETERS: Final = "llm.invocation_parameters"
SAMPLING: Final = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)

SYSTEM_MESSAGE_EVENT: Final = "gen_ai.system.message"
# Messages flattened into numbered attributes: (prefix, role, content).
NUMBERED_MESSAGES: Final = (
    ("gen_ai.prompt.", ".role", ".content"),
    ("llm.input_messages.", ".message.role", ".message.content"),
)

# Attributes that hold what people and models said, or what tools were told and answered.
CONTENT: Final = frozenset(
    {
        ARGUMENTS,
        RESULT,
        INPUT,
        OUTPUT,
        INSTRUCTIONS,
        "gen_ai.tool.definitions",
        "gen_ai.prompt",
        "gen_ai.completion",
        "gen_ai.retrieval.query.text",
        "gen_ai.retrieval.documents",
        "gen_ai.memory.query.text",
        "gen_ai.evaluation.explanation",
        "input.value",
        "output.value",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "exception.message",
        "exception.stacktrace",
        "db.query.text",
    }
)
CONTENT_PREFIXES: Final = (
    "gen_ai.prompt.",
    "gen_ai.completion.",
    "llm.input_messages.",
    "llm.output_messages.",
    "retrieval.documents.",
)
NOT_CONTENT: Final = frozenset({"gen_ai.prompt.name", "gen_ai.prompt.version"})

# Arguments by which tools usually name the data they touch.
PATH_ARGUMENTS: Final = frozenset({"path", "file", "filename", "file_path", "directory", "dir"})
ADDRESS_ARGUMENTS: Final = frozenset({"url", "uri", "endpoint", "href", "link"})
