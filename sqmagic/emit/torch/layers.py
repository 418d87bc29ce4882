"""Layers: how they are called, and how their parameters are made.

A layer is a submodule of the generated class under its own name: `state_dict()` says `F.weight`, `Enc_1.R.bias`.
A name that torch's modules use themselves (`train`, `T_destination`), or that Python does (`lambda`), is put into the
module's table of submodules without becoming an attribute: it shadows nothing, and `state_dict()` names it as the
notation does.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping

from sqmagic.emit.torch.code import ATOM, Code, Shape, number, within
from sqmagic.emit.torch.place import Place, Rule, real, tensor
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import Apply, Expr, Layer, System, children

# --- calls ---------------------------------------------------------------------------------------


def _owner(node: Apply, place: Place) -> str:
    assert node.layer is not None, f"{node.op} has no layer: elaboration names every one"
    return place.owners[node.layer]


def _weights(node: Apply, place: Place) -> list[str]:
    """The parameters as arguments of a function, detached in a use that updates nothing."""
    end = ".detach()" * _frozen(node)
    return [f"{_owner(node, place)}.{p}{end}" for p in ALL_OPS[node.op].parameters if _has(node, p, place)]


def _has(node: Apply, parameter: str, place: Place) -> bool:
    return f"{node.layer}.{parameter}" in place.parameters


def _frozen(node: Apply) -> bool:
    return bool(node.attribute("frozen", False))


def _dense(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    size = place.parameters[f"{node.layer}.weight"][0]
    call = f"{_owner(node, place)}({x.text})"
    if _frozen(node):
        call = f"nn.functional.linear({x.text}, {', '.join(_weights(node, place))})"
    return Code(call, x.lead, (*x.shape[:-1], size))


def _embed(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = args[0] if args[0].kind == "integer" else tensor(args[0], place)
    which = within(x, ATOM) + (".squeeze(-1)" if x.kind == "integer" else ".long().squeeze(-1)")
    size = place.parameters[f"{node.layer}.weight"][1]
    call = f"{_owner(node, place)}({which})"
    if _frozen(node):
        call = f"nn.functional.embedding({which}, {_weights(node, place)[0]})"
    return Code(call, x.lead, (size,))


def _conv(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    out, _, size, _ = place.parameters[f"{node.layer}.weight"]
    stride, pad = int(node.attribute("stride", 1)), padding(node)
    settings = f"stride={stride}, padding={pad}"
    weights = _weights(node, place)
    call = f"nn.functional.conv2d({{}}, {', '.join(weights)}, {settings})"
    height, width = ((n + 2 * pad - size) // stride + 1 for n in x.shape[1:])
    return _images(call, x, (out, height, width))


def padding(node: Apply) -> int:
    """Zeros around an image: a number, none for "valid", and for "same" half of the size."""
    match node.attribute("pad", "same"):
        case "same":
            return int(node.attribute("size", 3)) // 2
        case "valid":
            return 0
        case other:
            return int(other)


def _pool(function: str) -> Rule:
    def rule(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
        x = tensor(args[0], place)
        size = int(node.attribute("size", 2))
        stride = int(node.attribute("stride", 0)) or size
        call = f"nn.functional.{function}({{}}, {size}, {stride})"
        height, width = ((n - size) // stride + 1 for n in x.shape[-2:])
        return _images(call, x, (*x.shape[:-2], height, width))

    return rule


def _images(call: str, x: Code, shape: Shape) -> Code:
    """A call on a batch of images; all steps of a window make one batch."""
    if x.lead < 2:
        return Code(call.format(x.text), x.lead, shape)
    flat = call.format(within(x, ATOM) + ".flatten(0, 1)")
    return Code(f"{flat}.unflatten(0, (-1, batch))", x.lead, shape)


def _batch_norm(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    own = "" if place.own is None else f", {place.own}"
    frozen = ", frozen=True" * _frozen(node)
    text = within(x, ATOM)
    if x.lead < 2:
        return Code(f"{_owner(node, place)}({x.text}{own}{frozen})", x.lead, x.shape)
    return Code(f"{_owner(node, place)}({text}.flatten(0, 1){own}{frozen}).unflatten(0, (-1, batch))", x.lead, x.shape)


def _layer_norm(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    call = f"{_owner(node, place)}({x.text})"
    if _frozen(node):
        eps = node.attribute("eps", 1e-5)
        call = f"nn.functional.layer_norm({x.text}, [{x.shape[-1]}], {', '.join(_weights(node, place))}, {eps})"
    return Code(call, x.lead, x.shape)


def _dropout(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    return Code(f"nn.functional.dropout({x.text}, {node.attribute('p', 0.5)}, self.training)", x.lead, x.shape)


def _module(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    """A torch module sees [batch, *shape]; all steps of a window make one batch. Its result is taken for a vector."""
    xs = tuple(tensor(real(a, place), place) if a.kind == "number" else a for a in args)
    lead = max(x.lead for x in xs)
    if lead < 2:
        return Code(f"{_owner(node, place)}({', '.join(x.text for x in xs)})", lead, (-1,))
    flat = ", ".join(f"{within(x, ATOM)}.flatten(0, 1)" for x in xs)
    return Code(f"{_owner(node, place)}({flat}).unflatten(0, (-1, batch))", lead, (-1,))


LAYERS: dict[str, Rule] = {
    "dense": _dense,
    "conv": _conv,
    "embed": _embed,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "max_pool": _pool("max_pool2d"),
    "avg_pool": _pool("avg_pool2d"),
    "module": _module,
}

# --- making --------------------------------------------------------------------------------------

_WORDS = """
    T_destination act add_module apply begin bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float follow forward get_buffer get_extra_state get_parameter get_submodule goals
    half inputs ipu least load_state_dict loss modules mtia named_buffers named_children named_modules
    named_parameters parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ rows set_extra_state set_submodule
    share_memory start state_dict step to to_empty train training type whole xpu zero_grad"""
MODULE_NAMES = frozenset(_WORDS.split())
"""Attributes of torch modules and of the generated class, which no layer may shadow; a test compares it with torch."""


def owners(layers: tuple[Layer, ...]) -> dict[str, str]:
    """How the methods of the class reach each layer: `self.F`, `self.Enc_1.R`, `self._modules["train"]`."""
    return {layer.name: _path(layer.name, free=layer.function == "param") for layer in layers}


def _path(name: str, *, free: bool = False) -> str:
    words = name.split(".")
    text = "self"
    for position, word in enumerate(words):
        table = "_parameters" if free and position == len(words) - 1 else "_modules"
        plain = word.isidentifier() and not keyword.iskeyword(word)
        hidden = word in MODULE_NAMES or word.startswith("_") or not plain
        text += f'.{table}["{word}"]' if hidden else f".{word}"
    return text


def making(system: System, parameters: Mapping[str, Shape]) -> list[str]:
    """The lines of `__init__`, in the order of the layers; a macro's instance is a module that holds its layers."""
    lines: list[str] = []
    groups: set[str] = set()
    settings = {node.layer: node for node in _calls(system)}
    for layer in system.layers:
        words = layer.name.split(".")
        for depth in range(1, len(words)):
            group = ".".join(words[:depth])
            if group not in groups:
                groups.add(group)
                lines.append(f"{_path(group)} = nn.Module()")
        owner = _path(layer.name, free=layer.function == "param")
        lines.append(f"{owner} = {_made(layer, parameters, settings.get(layer.name))}")
    return lines


def _made(layer: Layer, parameters: Mapping[str, Shape], call: Apply | None) -> str:
    """The constructor of a layer, as torch.nn has it."""
    shape = parameters.get(layer.name if layer.function == "param" else f"{layer.name}.weight", ())
    bias = "" if f"{layer.name}.bias" in parameters else ", bias=False"
    match layer.function:
        case "dense":
            return f"nn.Linear({shape[1]}, {shape[0]}{bias})"
        case "conv":
            return f"nn.Conv2d({shape[1]}, {shape[0]}, {shape[2]}{bias})"
        case "embed":
            return f"nn.Embedding({shape[0]}, {shape[1]})"
        case "batch_norm":
            eps, momentum = (call.attribute(k, d) if call else d for k, d in (("eps", 1e-5), ("momentum", 0.1)))
            return f"BatchNorm({shape[0]}, eps={eps}, momentum={momentum})"
        case "layer_norm":
            eps = call.attribute("eps", 1e-5) if call else 1e-5
            return f"nn.LayerNorm({list(shape)}, eps={eps})"
        case "param":
            bound = number(round(shape[-1] ** -0.5, 6)).text
            return f"nn.Parameter(torch.empty({', '.join(map(str, shape))}).uniform_(-{bound}, {bound}))"
        case "module":
            return argument(layer)
        case other:
            raise AssertionError(f"no way to make a layer of {other}")


def argument(layer: Layer) -> str:
    """The name under which `__init__` is given a module of the kernel."""
    return "".join(c if c.isalnum() or c == "_" else "_" for c in layer.name)


def _calls(system: System) -> Iterator[Apply]:
    stack: list[Expr] = [e.value for e in system.equations] + [g.value for g in system.goals]
    while stack:
        node = stack.pop()
        if isinstance(node, Apply) and node.layer is not None:
            yield node
        stack.extend(children(node))
