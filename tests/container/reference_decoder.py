"""A second decoder of token files, written from docs/format.md alone: plain Python, slow, shares no code."""

import hashlib
import itertools
import zlib


class Bytes:
    """Reads the fields of the specification one after the other."""

    def __init__(self, content, position=0):
        self.content = content
        self.position = position

    def take(self, count):
        taken = self.content[self.position : self.position + count]
        assert len(taken) == count, "truncated"
        self.position += count
        return taken

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.byte()
            number += (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def varints(self, count):
        return [self.varint() for _ in range(count)]

    def word(self):
        return int.from_bytes(self.take(4), "little")

    def numbers(self, rows, columns):
        return [[int.from_bytes(self.take(2), "little", signed=True) for _ in range(columns)] for _ in range(rows)]

    def check(self, start, added=0):
        expected = (zlib.crc32(self.content[start : self.position]) + added) % 2**32
        assert self.word() == expected, "checksum"


def decode(content, prior=None):
    """A dictionary with the header's fields, the length and the frames: pairs of rows of tokens and side bytes."""
    file = Bytes(content)
    assert file.take(4) == bytes.fromhex("d6565001")
    body = Bytes(file.take(file.varint()))
    file.check(0)
    traits = body.byte()
    result = {"kind": ["speech", "image"][traits & 1], "depth": traits >> 1 & 7, "weights": body.take(8)}
    if traits >> 4 & 1:
        assert hashlib.sha256(prior).digest()[:4] == body.take(4), "another prior"
    result["rate"] = body.varint()
    result["levels"] = body.varints(body.varint())
    result["facts"] = body.varints(2 if result["kind"] == "speech" else 3)
    result["model"] = body.take(body.varint()).decode()
    result["metadata"] = []
    while body.position < len(body.content):
        name = body.take(body.varint()).decode()
        result["metadata"].append((name, body.take(body.varint())))

    vocabulary = product(result["levels"])
    result["frames"], sizes = [], []
    while content[file.position] != 0xE5:
        start = file.position
        coding = file.byte()
        rows, columns, sides, size = file.varints(4)
        side, payload = file.take(sides), file.take(size)
        file.check(start, len(sizes) * 0x9E3779B1)
        sizes.append(file.position - start)
        if coding == 0xA0:
            tokens = flat(payload, vocabulary, rows * columns)
        else:
            assert coding == 0xA2
            tokens = Prior(prior).decode(payload, rows, columns)
        result["frames"].append(([tokens[row * columns :][:columns] for row in range(rows)], side))

    start = file.position
    file.byte()
    assert file.varint() == len(sizes)
    result["length"] = file.varint()
    assert file.varints(max(0, len(sizes) - 1)) == sizes[:-1]
    file.check(start)
    size = file.position - start
    assert Bytes(content[file.position :][::-1]).varint() == size
    return result


def product(numbers):
    result = 1
    for number in numbers:
        result *= number
    return result


def flat(payload, vocabulary, count):
    step = max(n for n in range(1, 64) if vocabulary**n <= 2**63)
    taken = iter(payload)
    state, tokens = 0, []
    for _ in range(count // step):
        while state < vocabulary**step * 2**64 and (byte := next(taken, None)) is not None:
            state = state * 256 + byte
        state, number = divmod(state, vocabulary**step)
        tokens += [number // vocabulary**place % vocabulary for place in range(step)]
    for byte in taken:
        state = state * 256 + byte
    for _ in range(count % step):
        state, token = divmod(state, vocabulary)
        tokens.append(token)
    assert state == 1
    return tokens


SPEECH = [(0, -distance) for distance in range(1, 17)]
IMAGE = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1)]


class Prior:
    """Tabled coding."""

    def __init__(self, prior):
        file = Bytes(prior)
        assert file.take(4) == bytes.fromhex("d6505202")
        self.image, self.vocabulary, digits = file.varints(3)
        self.radices = file.varints(digits)
        neighbors, fields, ordered = file.varints(3)
        self.neighbors = (IMAGE if self.image else SPEECH)[:neighbors]
        self.scales = [[file.varints(3) for _ in range(fields)] for _ in self.radices]
        file = Bytes(zlib.decompress(prior[file.position :]))
        order = [file.word() for _ in range(self.vocabulary)] if ordered else range(self.vocabulary)
        self.token = {number: token for token, number in enumerate(order)}
        self.parts = [[0]]
        for digit in range(1, digits):
            if product(self.radices[i] for i in [*self.parts[-1], digit]) > 1024:
                self.parts.append([])
            self.parts[-1].append(digit)
        sizes = [product(self.radices[i] for i in part) for part in self.parts]
        self.around = [
            [[file.take(digits * fields) for _ in range(size + 1)] for size in sizes] for _ in range(neighbors)
        ]
        self.earlier = [[file.take(fields) for _ in range(product(self.radices[:j]))] for j in range(digits)]
        self.weights = [
            [[int.from_bytes(file.take(2), "little") for _ in range(radix)] for _ in range(product(bins))]
            for radix, bins in zip(self.radices, ([s[0] for s in scales] for scales in self.scales), strict=True)
        ]
        assert file.position == len(file.content)

    def decode(self, payload, rows, columns):
        """The tokens, row after row."""
        file = Bytes(payload)
        state = int.from_bytes(file.take(4), "big")
        digits = {}
        for position in itertools.product(range(rows), range(columns)):
            digits[position] = []
            for j in range(len(self.radices)):
                row = self.row(digits, position, j)
                slot = state % 2**11
                value = max(v for v in range(len(row)) if sum(row[:v]) <= slot)
                state = state // 2**11 * row[value] + slot - sum(row[:value])
                if state < 2**16:
                    state = state * 2**16 + int.from_bytes(file.take(2), "big")
                digits[position].append(value)
        assert state == 2**16
        assert len(payload) == max(file.position, rows * columns // 64)
        assert not any(payload[file.position :])
        return [self.token[self.number(digits[position])] for position in digits]

    def number(self, digits, part=None):
        """The number that digits make, or some of them."""
        part = range(len(digits)) if part is None else part
        return sum(digits[i] * product(self.radices[k] for k in range(part[0], i)) for i in part)

    def row(self, digits, position, j):
        """The weights of the values of digit j of a position."""
        row, place = 0, 1
        before = self.earlier[j][self.number(digits[position])]
        for f, (bins, width, base) in enumerate(self.scales[j]):
            total = before[f]
            for (up, right), tables in zip(self.neighbors, self.around, strict=True):
                near = digits.get((position[0] + up, position[1] + right))
                for part, table in zip(self.parts, tables, strict=True):
                    chosen = table[-1] if near is None else table[self.number(near, part)]
                    total += chosen[j * len(before) + f]
            row += place * (0 if total < base else min((total - base) // width, bins - 1))
            place *= bins
        return self.weights[j][row]
