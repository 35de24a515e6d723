"""Architecture of a tiny network; a module of its own, for processes that need no pytest."""

TINY = {
    "model_type": "wav2vec2",
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "conv_dim": [6, 8],
    "conv_stride": [20, 8],
    "conv_kernel": [40, 8],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "hidden_dropout": 0,
    "attention_dropout": 0,
    "activation_dropout": 0,
}
