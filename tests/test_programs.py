"""Whole programs as a tutorial would write them, from one source on minigrad and on PyTorch: the losses are equal.

Without PyTorch the losses are compared with those that it printed, kept in reference/programs.npz.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

STORED = Path(__file__).parent / "reference" / "programs.npz"
TEXT = "the quick brown fox jumps over the lazy dog while five boxing wizards jump quickly and the dog sleeps "


def classifier(package):
    """Two spirals told apart by an MLP: Dataset, random split, DataLoader, Adam, a schedule, evaluation."""
    torch = importlib.import_module(package)
    nn = importlib.import_module(package + ".nn")
    data = importlib.import_module(package + ".utils.data")

    class Spirals(data.Dataset):
        def __init__(self, n):
            turn = torch.linspace(0.5, 3, n // 2) * 3.0
            angles = [turn, turn + 3.14159]
            arms = [torch.stack([turn * torch.cos(a), turn * torch.sin(a)], dim=1) for a in angles]
            self.points = torch.cat(arms) / 5 + 0.05 * torch.randn(n, 2)
            self.labels = torch.cat([torch.zeros(n // 2), torch.ones(n // 2)]).long()

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, i):
            return self.points[i], self.labels[i]

    torch.manual_seed(1)
    train, valid = data.random_split(Spirals(240), [200, 40])
    loader = data.DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
    model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 2))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    losses = []
    for _ in range(6):
        model.train()
        for xb, yb in loader:
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        model.eval()
        with torch.no_grad():
            xb, yb = next(iter(data.DataLoader(valid, batch_size=40)))
            logits = model(xb)
            losses += [criterion(logits, yb).item(), (logits.argmax(dim=1) == yb).float().mean().item()]
    return losses


def characters(package):
    """An LSTM that learns to continue a text, letter by letter."""
    torch = importlib.import_module(package)
    nn = importlib.import_module(package + ".nn")
    F = importlib.import_module(package + ".nn.functional")

    class Model(nn.Module):
        def __init__(self, symbols):
            super().__init__()
            self.embedding = nn.Embedding(symbols, 12)
            self.lstm = nn.LSTM(12, 24, num_layers=2, batch_first=True)
            self.head = nn.Linear(24, symbols)

        def forward(self, x, state=None):
            h, state = self.lstm(self.embedding(x), state)
            return self.head(h), state

    torch.manual_seed(2)
    letters = sorted(set(TEXT))
    codes = torch.tensor([letters.index(c) for c in TEXT])
    model = Model(len(letters))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01)
    losses = []
    for _ in range(30):
        start = torch.randint(0, len(codes) - 17, (8,))
        x = torch.stack([codes[i : i + 16] for i in start.tolist()])
        y = torch.stack([codes[i + 1 : i + 17] for i in start.tolist()])
        logits, _ = model(x)
        loss = F.cross_entropy(logits.view(-1, len(letters)), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    x, state = codes[:1].view(1, 1), None
    with torch.no_grad():
        for _ in range(12):
            logits, state = model(x, state)
            p = F.softmax(logits[:, -1], dim=-1)
            x = torch.multinomial(p, num_samples=1)
            losses.append(float(x.item()))
    return losses


def transformer(package):
    """Two blocks of causal self-attention with layer norm, residuals and dropout, written out by hand."""
    torch = importlib.import_module(package)
    nn = importlib.import_module(package + ".nn")
    F = importlib.import_module(package + ".nn.functional")

    class Block(nn.Module):
        def __init__(self, width, heads, context):
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
            inner = 4 * width
            self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width), nn.Dropout(0.1))
            self.register_buffer("mask", torch.tril(torch.ones(context, context)) == 0)

        def attend(self, x):
            B, T, C = x.shape
            q, k, v = self.qkv(x).split(C, dim=2)
            q, k, v = (a.view(B, T, self.heads, C // self.heads).transpose(1, 2) for a in (q, k, v))
            weights = q @ k.transpose(-2, -1) * (C // self.heads) ** -0.5
            weights = weights.masked_fill(self.mask[:T, :T], float("-inf"))
            y = F.softmax(weights, dim=-1) @ v
            return self.out(y.transpose(1, 2).contiguous().view(B, T, C))

        def forward(self, x):
            x = x + self.attend(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class Model(nn.Module):
        def __init__(self, symbols, width=16, context=12):
            super().__init__()
            self.tokens, self.places = nn.Embedding(symbols, width), nn.Embedding(context, width)
            self.blocks = nn.ModuleList([Block(width, 2, context) for _ in range(2)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols, bias=False)
            self.apply(self.initialise)

        def initialise(self, module):
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, mean=0.0, std=0.08)

        def forward(self, x, y):
            h = self.tokens(x) + self.places(torch.arange(x.shape[1]))
            for block in self.blocks:
                h = block(h)
            logits = self.head(self.norm(h))
            return F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=0)

    torch.manual_seed(3)
    letters = sorted(set(TEXT))
    codes = torch.tensor([letters.index(c) for c in TEXT])
    model = Model(len(letters))
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=3e-3, betas=(0.9, 0.95)
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=30)
    losses = [float(sum(p.numel() for p in model.parameters()))]
    for _ in range(30):
        start = torch.randint(len(codes) - 13, (6,))
        x = torch.stack([codes[i : i + 12] for i in start])
        y = torch.stack([codes[i + 1 : i + 13] for i in start])
        loss = model(x, y)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


PROGRAMS = {"classifier": classifier, "characters": characters, "transformer": transformer}


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_are_those_that_pytorch_printed(name):
    np.testing.assert_allclose(PROGRAMS[name]("minigrad"), np.load(STORED)[name], rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_equal_those_of_pytorch(name):
    pytest.importorskip("torch")
    np.testing.assert_allclose(PROGRAMS[name]("minigrad"), PROGRAMS[name]("torch"), rtol=2e-4, atol=1e-6)
