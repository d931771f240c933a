# Candidate 455 of the evoarch campaign 'mnist1d-small', task mnist1d.
# Validation: error 0.0299 (95% interval 0.0117 to 0.0744), flops 244,880, memory 10, params
# 3,429, train_seconds 9.3820; error on each of 1 training seeds: 0.0299. The interval is over
# training seeds and validation examples. The test split was not looked at.
# Lineage: #2 gru -> #65 syntactic.mutate (flatten -> global amax; replaced gru by nn.LSTM(1, 6,
# batch_first=True, bidirectional=True)) -> #75 syntactic.mutate (replaced gru by nn.GRU(1, 6,
# batch_first=True, bidirectional=True); width of gru 6 -> 8; added convolution after gru) -> #102
# syntactic.mutate (kernel of extra 7 -> 5) -> #157 syntactic.mutate (duplicated extra; width of
# extra 16 -> 15) -> #317 syntactic.mutate (added separable residual block after Mish) -> #455
# syntactic.crossover (nn.Dropout(0.05), nn.BatchNorm1d(10), nn.ReLU() in place of Conv1d).
# Repaired: num_features of item 1 10 -> 15.
# Source digest 210e95c45409f49cb2cfcab3a2475746c783bd32bb044a458874ea7a3ef4d9ba
# Function digest 1aa75da4d79da24bbc98ea9494f62c4123d1dc74995643c9bc01326dcd31a8c8
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
        self.gru = nn.GRU(1, 8, batch_first=True, bidirectional=True)
        self.extra = nn.Conv1d(16, 15, 5, padding=2)
        self.extra_ = nn.Sequential(nn.Mish(), Residual(nn.Sequential(nn.Dropout(0.05), nn.BatchNorm1d(15), nn.ReLU(), nn.BatchNorm1d(15), nn.ReLU(), nn.Conv1d(15, 15, 1))), nn.Conv1d(15, 16, 5, padding=2))
        self.linear = nn.Linear(16, 10)

    def forward(self, x):
        x = x.unsqueeze(2)
        x, _ = self.gru(x)
        x = self.extra_(self.extra(x.transpose(1, 2))).transpose(1, 2)
        x = x.amax(1)
        return self.linear(x)
