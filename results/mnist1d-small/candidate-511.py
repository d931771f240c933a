# Candidate 511 of the evoarch campaign 'mnist1d-small', task mnist1d.
# Validation: error 0.0266 (95% interval 0.0129 to 0.0540), flops 106,620, memory 7.4667, params
# 1,581, train_seconds 7.3883; error on each of 3 training seeds: 0.0239, 0.0279, 0.0279. The
# interval is over training seeds and validation examples. The test split was not looked at.
# Lineage: #2 gru -> #65 syntactic.mutate (flatten -> global amax; replaced gru by nn.LSTM(1, 6,
# batch_first=True, bidirectional=True)) -> #75 syntactic.mutate (replaced gru by nn.GRU(1, 6,
# batch_first=True, bidirectional=True); width of gru 6 -> 8; added convolution after gru) -> #102
# syntactic.mutate (kernel of extra 7 -> 5) -> #157 syntactic.mutate (duplicated extra; width of
# extra 16 -> 15) -> #317 syntactic.mutate (added separable residual block after Mish) -> #455
# syntactic.crossover (nn.Dropout(0.05), nn.BatchNorm1d(10), nn.ReLU() in place of Conv1d) -> #511
# syntactic.mutate (all widths x 0.67).
# Repaired: in_channels of extra 11 -> 10.
# Source digest d662d6c9039c4037d4157a5fe35e33cb6bb01802ea0b109d5056dcd6030a9fd4
# Function digest b1e56ea934d290b748d6ac0d9e990cc2f040db021e96dc1f3001275e76aa99ee
# Measured with python 3.11.7, system Linux x86_64, evoarch 0.1.0, torch 2.13.0+cpu, numpy 2.4.6,
# libcst 1.9.0, transformers 5.23.0; isolation full.
# To train it again: evoarch evaluate THIS_FILE --task mnist1d --recipe fast --seed 7
import torch.nn as nn


class Residual(nn.Module):

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x):
        return self.shortcut(x) + self.body(x)


class Model(nn.Module):

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 5, batch_first=True, bidirectional=True)
        self.extra = nn.Conv1d(10, 10, 5, padding=2)
        self.extra_ = nn.Sequential(nn.Mish(), Residual(nn.Sequential(nn.Dropout(0.05), nn.BatchNorm1d(10), nn.ReLU(), nn.BatchNorm1d(10), nn.ReLU(), nn.Conv1d(10, 10, 1))), nn.Conv1d(10, 11, 5, padding=2))
        self.linear = nn.Linear(11, 10)

    def forward(self, x):
        x = x.unsqueeze(2)
        x, _ = self.gru(x)
        x = self.extra_(self.extra(x.transpose(1, 2))).transpose(1, 2)
        x = x.amax(1)
        return self.linear(x)
