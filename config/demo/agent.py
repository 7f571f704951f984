r"""A small real agent: a causal language model in a tool loop, reporting what it does by OTLP.

For each conversation of the scenario:
1. Put the system prompt, a few examples and the user's words to the model; its tokens are its own.
2. If they hold `<tool>NAME {json}</tool>`, a call not made before, make it; if not, and the
   scenario has a call left, make the scenario's. Each span says which by `strata.demo.origin`.
3. Answer the call from the scenario's results, and go on until neither wants a call.

Tools touch nothing: what they answer stands in the scenario. The weights' digest in the resource
is taken from the files the model was loaded from, so it says what is really being served.

    python -m config.demo.agent --model DIR --scenario FILE --otlp URL --token T \
        --deployment KEY --model-version V [--environment NAME]
"""

import argparse
import json
import re
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from assessments.scanner.digests import folder_sha256
from compliance import clock
from config.demo import scenario as scenarios
from config.demo.scenario import Call, Run, Scenario
from config.demo.telemetry import Exporter, NotDelivered, OpenSpan, Said

TOOL_CALL: Final = re.compile(r"<tool>\s*([a-z][a-z0-9_]{1,63})\s*(\{.*?\})\s*</tool>", re.DOTALL)
N_MOST_TURNS: Final = 5
N_SHOWN: Final = 90
Origin = Literal["model", "scenario"]
Message = dict[str, str]
Say = Callable[[str], object]


class Utterance(NamedTuple):
    """What a voice said, and how many tokens went in and out."""

    text: str
    n_input_tokens: int
    n_output_tokens: int


class Voice(Protocol):
    """What speaks: a model, or in tests a script."""

    name: str

    def speak(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int
    ) -> Utterance:
        """The next words after these messages."""
        ...


class HuggingFaceVoice:
    """A causal language model from a folder of safetensors, on the CPU."""

    def __init__(self, folder: Path) -> None:
        """Load model and tokenizer; nothing is fetched and no code of the model's is run."""
        from transformers import AutoModelForCausalLM, AutoTokenizer, logging  # slow

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs

        self.name = folder.name
        # Stored in bfloat16, which few CPUs can multiply; in float32 it answers in seconds.
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
        self.model: Any = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, **options
        )

    def speak(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int
    ) -> Utterance:
        """Greedy at temperature 0, else sampled with the seed."""
        import torch  # slow, and only this method needs it

        torch.manual_seed(seed)
        given = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {}
        with torch.inference_mode():
            out = self.model.generate(
                **given, max_new_tokens=max_tokens, **({"do_sample": False} | sampling)
            )
        n_given = given["input_ids"].shape[1]
        said = out[0, n_given:]
        text = self.tokenizer.decode(said, skip_special_tokens=True)
        return Utterance(text, n_given, len(said))


def parse_call(text: str) -> Call | None:
    """The first well-formed call in the model's words, if there is one."""
    for found in TOOL_CALL.finditer(text):
        try:
            arguments = json.loads(found[2])
        except ValueError:
            continue
        return Call(found[1], arguments)
    return None


def _next_call(said: str, waiting: list[Call], made: Sequence[Call]) -> tuple[Call | None, Origin]:
    """The model's own call if it is a new one, else the scenario's next.

    A small model likes to repeat itself; a repeated call is not made again. What the model did
    itself, the scenario need not do for it.
    """
    own = parse_call(said)
    if own is None or own in made:
        return (waiting.pop(0) if waiting else None), "scenario"
    if waiting and waiting[0].tool == own.tool:
        waiting.pop(0)
    return own, "model"


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: its voice, its scenario, and where it reports."""

    voice: Voice
    scenario: Scenario
    exporter: Exporter
    say: Say

    def converse(self, run: Run, seed: int) -> None:
        """One conversation, reported turn by turn; the agent's own span goes out last."""
        self.say(f"{run.conversation}: {run.note or 'as assessed'}")
        whole = self._open(run, secrets.token_bytes(16), b"", "invoke_agent", self.scenario.agent)
        messages = [
            {"role": "system", "content": run.system_prompt},
            *map(dict, self.scenario.examples),
            {"role": "user", "content": run.user},
        ]
        waiting, made = list(run.calls), list[Call]()
        for turn in range(N_MOST_TURNS):
            said = self._chat(run, whole, messages, seed + turn)
            call, origin = _next_call(said, waiting, made)
            if call is None:
                break
            made.append(call)
            result = self._execute(run, whole, call, origin)
            messages += [
                {"role": "assistant", "content": said},
                {"role": "user", "content": f"Result of {call.tool}: {result}"},
            ]
        self._send(whole)

    def _chat(self, run: Run, whole: OpenSpan, messages: Sequence[Message], seed: int) -> str:
        span = self._open(run, whole.trace_id, whole.span_id, "chat", self.voice.name)
        settings = self.scenario
        said = self.voice.speak(
            messages,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=seed,
        )
        span.attributes |= {
            "gen_ai.request.model": self.voice.name,
            "gen_ai.response.model": self.voice.name,
            "gen_ai.request.max_tokens": settings.max_tokens,
            "gen_ai.request.temperature": settings.temperature,
            "gen_ai.request.seed": seed,
            "gen_ai.usage.input_tokens": said.n_input_tokens,
            "gen_ai.usage.output_tokens": said.n_output_tokens,
            "gen_ai.system_instructions": run.system_prompt,
            "gen_ai.input.messages": _parts(messages[1:]),
            "gen_ai.output.messages": _parts([{"role": "assistant", "content": said.text}]),
            "strata.demo.origin": "model",
        }
        self._send(span)
        self.say(f"  the model says: {said.text[:N_SHOWN]!r}")
        return said.text

    def _execute(self, run: Run, whole: OpenSpan, call: Call, origin: Origin) -> str:
        span = self._open(run, whole.trace_id, whole.span_id, "execute_tool", call.tool)
        result = self.scenario.results.get(call.tool, f"There is no tool called {call.tool}.")
        span.attributes |= {
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": secrets.token_hex(8),
            "gen_ai.tool.call.arguments": json.dumps(call.arguments, sort_keys=True),
            "gen_ai.tool.call.result": result,
            "strata.demo.origin": origin,
        }
        self._send(span)
        self.say(f"  {origin} calls {call.tool} {json.dumps(call.arguments)[:N_SHOWN]}")
        return result

    def _open(
        self, run: Run, trace_id: bytes, parent_id: bytes, operation: str, subject: str
    ) -> OpenSpan:
        attributes: dict[str, Said] = {"gen_ai.operation.name": operation}
        if operation != "execute_tool":  # as real instrumentations do: a tool's span names no agent
            attributes |= {
                "gen_ai.provider.name": "huggingface",
                "gen_ai.agent.name": self.scenario.agent,
                "gen_ai.conversation.id": run.conversation,
                "gen_ai.prompt.name": self.scenario.prompt_name,
                "gen_ai.prompt.version": run.prompt_version,
            }
        return OpenSpan(trace_id, f"{operation} {subject}", attributes, parent_id)

    def _send(self, span: OpenSpan) -> None:
        complaint = self.exporter.send([span.close()])
        if complaint:
            self.say(f"  the receiver says: {complaint}")


def _parts(messages: Sequence[Message]) -> str:
    """Messages in the GenAI conventions' form, as JSON."""
    return json.dumps(
        [
            {"role": each["role"], "parts": [{"type": "text", "content": each["content"]}]}
            for each in messages
        ]
    )


def resource(
    deployment: str, version: str, environment: str, weights_sha256: str
) -> dict[str, Said]:
    """What every span says of the software that sent it."""
    return {
        "service.name": deployment,
        "service.version": version,
        "service.instance.id": f"{socket.gethostname()}-{secrets.token_hex(4)}",
        "deployment.environment.name": environment,
        "strata.weights.sha256": weights_sha256,
    }


def walk(agent: Agent) -> None:
    """Every conversation of the agent's scenario, each with seeds of its own."""
    for number, run in enumerate(agent.scenario.runs):
        agent.converse(run, agent.scenario.seed + 100 * number)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when every span was accepted, 1 otherwise."""
    options = _parser().parse_args(arguments)
    began_at = clock.now()
    scenario = scenarios.read(options.scenario)
    weights_sha256 = folder_sha256(options.model)
    exporter = Exporter(
        options.otlp,
        options.token,
        resource(options.deployment, options.model_version, options.environment, weights_sha256),
    )
    _say(f"{scenario.title}\nserving {options.model.name}, sha256 {weights_sha256}")
    try:
        walk(Agent(HuggingFaceVoice(options.model), scenario, exporter, _say))
    except NotDelivered as error:
        _say(f"Not delivered: {error}")
        return 1
    seconds = (clock.now() - began_at).total_seconds()
    _say(f"{exporter.n_accepted} spans accepted, {exporter.n_rejected} refused, {seconds:.0f} s")
    return 1 if exporter.n_rejected else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m config.demo.agent",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--scenario", type=Path, required=True, help="TOML file")
    parser.add_argument("--otlp", required=True, help="address that takes OTLP traces")
    parser.add_argument("--token", required=True, help="the deployment's token")
    parser.add_argument("--deployment", required=True, help="the deployment's key")
    parser.add_argument("--model-version", required=True, help="what it calls its version")
    parser.add_argument("--environment", default="canary")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
