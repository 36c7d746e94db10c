"""Pictures of noise, the same wherever they are made."""

import numpy


def noise(width, height, channels):
    """The picture that the tests make, too: the upper bytes of a linear congruential generator."""
    state = width * 1_000_003 + height * 1_009 + channels
    values = bytearray()
    for _ in range(width * height * channels):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        # Runs of black and white make filters overshoot.
        values.append({0: 0, 1: 255}.get(state >> 62, state >> 54 & 255))
    return numpy.frombuffer(bytes(values), numpy.uint8).reshape(height, width, channels)
