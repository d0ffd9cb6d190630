"""`torch.nn.Transformer`, PyTorch's own: the names of its tensors beside ours. It has neither embeddings nor head.

Its attention keeps query, key and value in one matrix also where the query is of another text than key and value; ours keeps
them apart there, so that matrix is cut in three on the way.
"""

from collections.abc import Mapping

from torch import Tensor

from learnable.weights.table import Row, State, same

TABLE = [
    #   theirs                                            ours                                         change
    *(new for side in ("encoder", "decoder") for new in (
        Row(f"{side}.layers.#.self_attn.in_proj_weight",  f"{side}.#.attention.to_qkv.weight",         same),
        Row(f"{side}.layers.#.self_attn.in_proj_bias",    f"{side}.#.attention.to_qkv.bias",           same),
        Row(f"{side}.layers.#.self_attn.out_proj.weight", f"{side}.#.attention.to_out.weight",         same),
        Row(f"{side}.layers.#.self_attn.out_proj.bias",   f"{side}.#.attention.to_out.bias",           same),
        Row(f"{side}.layers.#.linear1.weight",            f"{side}.#.mlp.up.weight",                   same),
        Row(f"{side}.layers.#.linear1.bias",              f"{side}.#.mlp.up.bias",                     same),
        Row(f"{side}.layers.#.linear2.weight",            f"{side}.#.mlp.down.weight",                 same),
        Row(f"{side}.layers.#.linear2.bias",              f"{side}.#.mlp.down.bias",                   same),
        Row(f"{side}.layers.#.norm1.weight",              f"{side}.#.add_norm1.norm.weight",           same),
        Row(f"{side}.layers.#.norm1.bias",                f"{side}.#.add_norm1.norm.bias",             same),
        Row(f"{side}.layers.#.norm2.weight",              f"{side}.#.add_norm2.norm.weight",           same),
        Row(f"{side}.layers.#.norm2.bias",                f"{side}.#.add_norm2.norm.bias",             same),
        Row(f"{side}.norm.weight",                        f"{side}_end.weight",                        same),
        Row(f"{side}.norm.bias",                          f"{side}_end.bias",                          same),
    )),
    Row("decoder.layers.#.norm3.weight",                  "decoder.#.add_norm3.norm.weight",           same),
    Row("decoder.layers.#.norm3.bias",                    "decoder.#.add_norm3.norm.bias",             same),
    *(new for x, ours in (("q", "to_query"), ("k", "to_key"), ("v", "to_value")) for new in (
        Row(f"decoder.layers.#.multihead_attn.{x}_weight", f"decoder.#.cross_attention.{ours}.weight",         same),
        Row(f"decoder.layers.#.multihead_attn.{x}_bias",  f"decoder.#.cross_attention.{ours}.bias",            same),
    )),
    Row("decoder.layers.#.multihead_attn.out_proj.weight", "decoder.#.cross_attention.to_out.weight",  same),
    Row("decoder.layers.#.multihead_attn.out_proj.bias",  "decoder.#.cross_attention.to_out.bias",     same),
]  # fmt: skip

_WHOLE = ".multihead_attn.in_proj_"


def cut(state: State) -> dict[str, Tensor]:
    """Their tensors with the matrix of the attention between the texts cut in three: `q_weight`, `k_weight`, `v_weight`."""
    pieces: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if _WHOLE in name:
            pieces |= {name.replace("in_proj", x): part for x, part in zip("qkv", tensor.chunk(3), strict=True)}
        else:
            pieces[name] = tensor
    return pieces


def stacks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of our Transformer's tensors those that theirs has too: no embedding, no bias of the head."""
    return {name: tensor for name, tensor in state.items() if name.startswith(("encoder", "decoder"))}
