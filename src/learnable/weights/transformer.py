"""`torch.nn.Transformer`, PyTorch's own: the names of its tensors beside ours. It has neither embeddings nor head.

Its attention keeps query, key and value in one matrix also where the query is of another text than key and value; ours keeps
them apart there, so that matrix is cut on the way.
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
    Row("decoder.layers.#.multihead_attn.q_weight",       "decoder.#.cross_attention.to_query.weight", same),
    Row("decoder.layers.#.multihead_attn.q_bias",         "decoder.#.cross_attention.to_query.bias",   same),
    Row("decoder.layers.#.multihead_attn.kv_weight",      "decoder.#.cross_attention.to_key_value.weight", same),
    Row("decoder.layers.#.multihead_attn.kv_bias",        "decoder.#.cross_attention.to_key_value.bias",   same),
    Row("decoder.layers.#.multihead_attn.out_proj.weight", "decoder.#.cross_attention.to_out.weight",  same),
    Row("decoder.layers.#.multihead_attn.out_proj.bias",  "decoder.#.cross_attention.to_out.bias",     same),
]  # fmt: skip

_WHOLE = ".multihead_attn.in_proj_"


def cut(state: State) -> dict[str, Tensor]:
    """Their tensors with the matrix of the attention between the texts cut in two: `q_weight` and `kv_weight`."""
    pieces = {}
    for name, tensor in state.items():
        if _WHOLE in name:
            third = len(tensor) // 3
            place = name.replace("in_proj_", "{}_")
            pieces[place.format("q")], pieces[place.format("kv")] = tensor[:third], tensor[third:]
        else:
            pieces[name] = tensor
    return pieces


def stacks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of our Transformer's tensors those that theirs has too: no embedding, no bias of the head."""
    return {name: tensor for name, tensor in state.items() if name.startswith(("encoder", "decoder"))}
