"""Records of weights on the Hugging Face hub, and of PANNs."""

from __future__ import annotations

from mxnet_audio.weights.embeddings import REDUCTIONS
from mxnet_audio.weights.records import PublishedFile, Record
from mxnet_audio.weights.tags import AUDIOSET

__all__ = ["HUB_RECORDS"]

_TENSORS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_OF_ANY_LENGTH = tuple(name for name in REDUCTIONS if name != "concat")
_SAMPLES = "samples, 16 kHz, normalized as preprocessor_config.json says"
_REMARK = "as the card on the hub states it; other models have their own"
_ZENODO = "https://zenodo.org/record/3987831/files/"
_PANNS_CITATION = """\
@article{kong2020panns,
  title = {{PANNs}: Large-scale pretrained audio neural networks for audio pattern recognition},
  author = {Kong, Qiuqiang and Cao, Yin and Iqbal, Turab and Wang, Yuxuan and Wang, Wenwu and Plumbley, Mark D.},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing},
  volume = {28},
  pages = {2880--2894},
  year = {2020}
}"""


def _panns(name: str, variant: str, file: str, width: int, parameters: int, md5: str) -> Record:
    """Describe one of the networks of PANNs."""
    return Record(
        name=name,
        network=name,
        domain="sound",
        summary=f"PANNs {variant}, 527 classes of AudioSet",
        front_end="log-mel power spectrogram, 32 kHz, 64 bands, windows of 10 s",
        embeddings={"embedding": width},
        embedding="embedding",
        files=(PublishedFile(file, None, urls=(_ZENODO + file.replace("=", "%3D"),), md5=md5),),
        licence="CC BY 4.0",
        citation=_PANNS_CITATION,
        n_tags=len(AUDIOSET),
        tags=AUDIOSET,
        remark="the licence of the record that holds the weights; that of the authors' code is MIT",
        parameters=parameters,
    )


HUB_RECORDS = (
    Record(
        name="wav2vec2",
        network="wav2vec2",
        domain="speech",
        summary="wav2vec 2.0, speech of LibriSpeech without text",
        front_end=_SAMPLES,
        embeddings={"mean": 768},
        embedding="mean",
        files=(),
        licence="Apache-2.0",
        citation="""\
@inproceedings{baevski2020wav2vec,
  title = {wav2vec 2.0: A framework for self-supervised learning of speech representations},
  author = {Baevski, Alexei and Zhou, Henry and Mohamed, Abdelrahman and Auli, Michael},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  pages = {12449--12460},
  year = {2020}
}""",
        remark=_REMARK,
        repository="facebook/wav2vec2-base",
        other_repositories=(
            "facebook/wav2vec2-base-960h",
            "facebook/wav2vec2-large",
            "facebook/wav2vec2-large-xlsr-53",
            "facebook/wav2vec2-xls-r-300m",
        ),
        model_type="wav2vec2",
        weight_files=_TENSORS,
        reductions=_OF_ANY_LENGTH,
        parameters=95_044_608,
    ),
    Record(
        name="hubert",
        network="wav2vec2",
        domain="speech",
        summary="HuBERT, speech of LibriSpeech without text",
        front_end=_SAMPLES,
        embeddings={"mean": 768},
        embedding="mean",
        files=(),
        licence="Apache-2.0",
        citation="""\
@article{hsu2021hubert,
  title = {{HuBERT}: Self-supervised speech representation learning by masked prediction of hidden units},
  author = {Hsu, Wei-Ning and Bolte, Benjamin and Tsai, Yao-Hung Hubert and Lakhotia, Kushal and
    Salakhutdinov, Ruslan and Mohamed, Abdelrahman},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing},
  volume = {29},
  pages = {3451--3460},
  year = {2021}
}""",
        remark=_REMARK,
        repository="facebook/hubert-base-ls960",
        other_repositories=(
            "facebook/hubert-large-ll60k",
            "facebook/hubert-large-ls960-ft",
            "facebook/hubert-xlarge-ll60k",
        ),
        model_type="hubert",
        weight_files=_TENSORS,
        reductions=_OF_ANY_LENGTH,
        parameters=94_371_712,
    ),
    Record(
        name="wavlm",
        network="wav2vec2",
        domain="speech",
        summary="WavLM, speech of LibriSpeech with noise and other speakers, without text",
        front_end=_SAMPLES,
        embeddings={"mean": 768},
        embedding="mean",
        files=(),
        licence="CC BY-SA 3.0",
        citation="""\
@article{chen2022wavlm,
  title = {{WavLM}: Large-scale self-supervised pre-training for full stack speech processing},
  author = {Chen, Sanyuan and Wang, Chengyi and Chen, Zhengyang and Wu, Yu and Liu, Shujie and Chen, Zhuo and
    Li, Jinyu and Kanda, Naoyuki and Yoshioka, Takuya and Xiao, Xiong and Wu, Jian and Zhou, Long and Ren, Shuo and
    Qian, Yanmin and Qian, Yao and Wu, Jian and Zeng, Michael and Yu, Xiangzhan and Wei, Furu},
  journal = {IEEE Journal of Selected Topics in Signal Processing},
  volume = {16},
  number = {6},
  pages = {1505--1518},
  year = {2022}
}""",
        remark="the licence of the authors' repository, which the card on the hub refers to",
        repository="microsoft/wavlm-base",
        other_repositories=("microsoft/wavlm-base-plus", "microsoft/wavlm-large"),
        model_type="wavlm",
        weight_files=_TENSORS,
        reductions=_OF_ANY_LENGTH,
        parameters=94_381_936,
    ),
    Record(
        name="whisper",
        network="whisper",
        domain="speech",
        summary="encoder of Whisper, transcribed and translated speech of many languages",
        front_end="log-mel power spectrogram, 16 kHz, 80 or 128 bands, windows of 30 s",
        embeddings={"mean": 512},
        embedding="mean",
        files=(),
        licence="Apache-2.0",
        citation="""\
@inproceedings{radford2023robust,
  title = {Robust speech recognition via large-scale weak supervision},
  author = {Radford, Alec and Kim, Jong Wook and Xu, Tao and Brockman, Greg and McLeavey, Christine and
    Sutskever, Ilya},
  booktitle = {International Conference on Machine Learning},
  pages = {28492--28518},
  year = {2023}
}""",
        remark="the licence of the card on the hub; that of the authors' repository is MIT",
        repository="openai/whisper-base",
        other_repositories=(
            "openai/whisper-tiny",
            "openai/whisper-small",
            "openai/whisper-medium",
            "openai/whisper-large-v3",
        ),
        model_type="whisper",
        weight_files=_TENSORS,
        reductions=REDUCTIONS,
        parameters=72_593_920,
    ),
    Record(
        name="ast",
        network="ast",
        domain="sound",
        summary="audio spectrogram transformer, 527 classes of AudioSet",
        front_end="log-mel power spectrogram, 16 kHz, 128 bands, windows of 10.24 s",
        embeddings={"cls_pooled": 768},
        embedding="cls_pooled",
        files=(),
        licence="BSD-3-Clause",
        citation="""\
@inproceedings{gong2021ast,
  title = {{AST}: Audio spectrogram transformer},
  author = {Gong, Yuan and Chung, Yu-An and Glass, James},
  booktitle = {Interspeech},
  pages = {571--575},
  year = {2021}
}""",
        n_tags=len(AUDIOSET),
        remark=_REMARK,
        repository="MIT/ast-finetuned-audioset-10-10-0.4593",
        other_repositories=("MIT/ast-finetuned-speech-commands-v2",),
        model_type="audio-spectrogram-transformer",
        weight_files=_TENSORS,
        reductions=("cls_pooled", *(name for name in REDUCTIONS if name != "cls_pooled")),
        parameters=86_594_063,
    ),
    _panns("panns_cnn14", "CNN14", "Cnn14_mAP=0.431.pth", 2048, 81_853_340, "541141fa2ee191a88f24a3219fff024e"),
    _panns("panns_cnn10", "CNN10", "Cnn10_mAP=0.380.pth", 512, 6_306_712, "bfb1f1f9968938fa8ef4012b8471f5f6"),
    _panns("panns_cnn6", "CNN6", "Cnn6_mAP=0.343.pth", 512, 5_922_964, "e25e26b84585b14c7754c91e48efc9be"),
    _panns("panns_mobilenetv1", "MobileNetV1", "MobileNetV1_mAP=0.389.pth", 1024, 5_901_803, ""),
    Record(
        name="ecapa",
        network="ecapa_voxceleb",
        domain="voice",
        summary="SpeechBrain's ECAPA-TDNN, voices of VoxCeleb 1 and 2",
        front_end="log-mel power spectrogram, 16 kHz, 80 bands, mean of each band over time removed",
        embeddings={"voice": 192},
        embedding="voice",
        files=(),
        licence="Apache-2.0",
        citation="""\
@inproceedings{desplanques2020ecapa,
  title = {{ECAPA-TDNN}: Emphasized channel attention, propagation and aggregation in {TDNN} based speaker
    verification},
  author = {Desplanques, Brecht and Thienpondt, Jenthe and Demuynck, Kris},
  booktitle = {Interspeech},
  pages = {3830--3834},
  year = {2020}
}""",
        remark=_REMARK,
        repository="speechbrain/spkrec-ecapa-voxceleb",
        weight_files=("embedding_model.ckpt",),
        parameters=20_805_983,
    ),
)
