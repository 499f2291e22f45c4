"""Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) and what is drawn from it."""

import numpy as np

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)


def philox4x32(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Ten rounds on each row of `counter` ([n, 4] uint32) under one key of two 32-bit words; gives [n, 4] uint32."""
    c0, c1, c2, c3 = (counter[:, word].astype(np.uint64) for word in range(4))
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def stream_id(attack: str) -> int:
    """32-bit FNV-1a of an attack's name: the random stream that belongs to it."""
    state = 0x811C9DC5
    for byte in attack.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def uniform(seed: int, samples: np.ndarray, elements: int, attack: str, restart: int = 0) -> np.ndarray:
    """[samples, elements] numbers of [0, 1) on a grid of 2^-24.

    A number depends on the seed, the index of its sample in the data set, its place in the sample, the attack and the
    restart alone, never on the batch that it was drawn in.
    """
    blocks = (elements + 3) // 4
    counter = np.empty((len(samples) * blocks, 4), dtype=np.uint32)
    counter[:, 0] = np.repeat(np.asarray(samples, dtype=np.uint32), blocks)
    counter[:, 1] = np.tile(np.arange(blocks, dtype=np.uint32), len(samples))
    counter[:, 2] = stream_id(attack)
    counter[:, 3] = restart
    words = philox4x32(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
    words = words.reshape(len(samples), blocks * 4)[:, :elements]
    return (words >> np.uint32(8)).astype(np.float64) * 2.0**-24
