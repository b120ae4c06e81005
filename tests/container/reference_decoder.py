"""A second decoder of token files, written from docs/format.md alone: plain Python, slow, shares no code."""

import bisect
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
    kind = {0: "speech", 1: "image", 64: "audio"}[traits & 193]
    result = {"kind": kind, "depth": traits >> 1 & 7, "weights": body.take(8)}
    if traits >> 4 & 1:
        assert hashlib.sha256(prior).digest()[:4] == body.take(4), "another prior"
    columns, group = body.varints(2) if traits >> 5 & 1 else (0, 1)
    result["rate"] = body.varint()
    result["levels"] = body.varints(body.varint())
    result["facts"] = body.varints(2 if kind == "speech" else 3)
    channels, each = (*result["facts"], 1)[1:3]  # of sound
    result["model"] = body.take(body.varint()).decode()
    result["metadata"] = []
    while body.position < len(body.content):
        name = body.take(body.varint()).decode()
        result["metadata"].append((name, body.take(body.varint())))

    result["frames"], sizes, run = [], [], None
    while True:
        start, number = file.position, len(result["frames"])
        if run is not None and number % group:
            found = continuing(file, Prior(prior), columns, *result["frames"][-1])
            run += content[start : file.position]
            if found is None or (number + 1) % group == 0 or len(found[0][0]) != columns:
                assert file.take(2) == zlib.crc32(run).to_bytes(4, "little")[:2], "checksum of a run"
                run = None
            sizes[-1] += file.position - start
            if found:
                result["frames"].append(found)
                continue
            start = file.position
        if content[file.position] == 0xE5:
            break
        if number % group == 0:
            sizes.append(0)
        coding = file.byte()
        if coding & 4:
            coding, (rows, wide, sides) = coding - 4, (-(-channels // each), columns, -(-channels // each))
        else:
            rows, wide, sides = file.varints(3)
        size = file.varint()
        side, payload = file.take(sides), file.take(size)
        file.check(start, number * 0x9E3779B1)
        if coding == 0xA0:
            tokens = flat(payload, result["levels"], rows * wide)
        else:
            assert coding == 0xA2
            values = Values(Bytes(payload))
            tokens = Prior(prior).decode(values, rows, wide)
            assert values.end(rows * wide) == len(payload)
        sizes[-1] += file.position - start
        result["frames"].append(([tokens[row * wide :][:wide] for row in range(rows)], side))
        run = number.to_bytes(4, "little") if prior and wide == columns else None

    start = file.position
    file.byte()
    assert file.varint() == len(result["frames"])
    result["length"] = file.varint()
    assert file.varints(max(0, len(sizes) - 1)) == sizes[:-1]
    file.check(start)
    size = file.position - start
    assert Bytes(content[file.position :][::-1]).varint() == size
    return result


class Values:
    """Takes values out of a payload in tabled coding."""

    def __init__(self, file):
        self.file, self.start = file, file.position
        self.low, self.span, self.read = 0, 2**32, 0

    def next(self, below):
        """The next value; `below` holds what is below each, and the weights of all."""
        here = self.file.content[self.start + self.read :][:4]
        register = (int.from_bytes(here + bytes(4 - len(here)), "big") - self.low) % 2**32
        step = self.span // below[-1]
        slot = min(register // step, below[-1] - 1)
        value = bisect.bisect_right(below, slot) - 1
        self.low += step * below[value]
        self.span = step * (below[value + 1] - below[value])
        while self.span < 2**24:
            self.low, self.span, self.read = self.low * 256, self.span * 256, self.read + 1
        self.low %= 2**32
        return value

    def weighed(self, *weights):
        """The next value, by the weights of all."""
        return self.next([sum(weights[:v]) for v in range(len(weights) + 1)])

    def equal(self, count):
        """The next value of so many that are equally likely."""
        return self.next(range(count + 1))

    def end(self, count):
        """The size of the payload of so many tokens, whose last bytes are checked."""
        number, size = -(-self.low // 2**24), 1
        if (number + 1) * 2**24 > self.low + self.span:
            number, size = -(-self.low // 2**16), 2
        self.file.position = self.start + self.read
        assert self.file.take(size) == (number % 256**size).to_bytes(size, "big"), "end of a payload"
        while self.file.position - self.start < count // 64:
            assert self.file.byte() == 0
        return self.file.position - self.start


def continuing(file, prior, columns, before, side):
    """Rows of tokens and side bytes of a frame that continues another, given by these; None where none does."""
    values = Values(file)
    follows = values.weighed(2016, 16, 16)
    if follows == 2:
        values.end(0)
        return None
    wide = columns
    if follows == 1:
        wide = values.equal(columns)
        assert wide
    found = []
    for last in side:
        step = values.weighed(16, 48, 416, 1280, 96, 32, 24, 16, 16, 12, 8, 8, 8, 8, 8, 52)
        found.append((last + step - 3) % 256 if step < 15 else values.equal(256))
    tokens = prior.decode(values, len(before), wide, before)
    values.end(len(tokens))
    return [tokens[row * wide :][:wide] for row in range(len(before))], bytes(found)


def product(numbers):
    result = 1
    for number in numbers:
        result *= number
    return result


def flat(payload, levels, count):
    values = Values(Bytes(payload))
    tokens = []
    for _ in range(count):
        token, place = 0, 1
        for level in levels:
            digit, power, left = 0, 1, level
            while left > 65536:
                digit, power, left = digit + power * values.equal(65536), power * 65536, -(-left // 65536)
            digit += power * values.equal(left)
            assert digit < level
            token, place = token + place * digit, place * level
        tokens.append(token)
    assert values.end(0) == len(payload)
    return tokens


SPEECH = [(0, -distance) for distance in range(1, 17)]
IMAGE = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1)]


class Prior:
    """Tabled coding."""

    def __init__(self, prior):
        file = Bytes(prior)
        assert file.take(4) == bytes.fromhex("d6505203")
        kind, codes = file.varints(2)
        self.sizes, self.radices, self.owner, ordered = [], [], [], []
        for code in range(codes):
            self.sizes.append(file.varint())
            radices = file.varints(file.varint())
            self.radices += radices
            self.owner += [code] * len(radices)
            ordered.append(file.varint())
        neighbors, fields = file.varints(2)
        self.neighbors = (IMAGE if kind == 1 else SPEECH)[:neighbors]
        self.scales = [[file.varints(3) for _ in range(fields)] for _ in self.radices]
        assert not any(file.take(-file.position % 4))
        self.ids = []
        for size, follows in zip(self.sizes, ordered, strict=True):
            order = self.numbers(file, size) if follows else range(size)
            self.ids.append({number: code for code, number in enumerate(order)})
        self.below = [
            [self.numbers(file, radix) for _ in range(product(bins))]
            for radix, bins in zip(self.radices, ([s[0] for s in scales] for scales in self.scales), strict=True)
        ]
        self.parts = [[0]]
        for digit in range(1, len(self.radices)):
            same = self.owner[digit] == self.owner[digit - 1]
            if not same or self.product([*self.parts[-1], digit]) > 1024:
                self.parts.append([])
            self.parts[-1].append(digit)
        width = len(self.radices) * fields
        self.around = [
            [[file.take(width) for _ in range(self.product(part) + 1)] for part in self.parts] for _ in range(neighbors)
        ]
        self.earlier = [
            [[file.take(fields) for _ in range(self.product(digits))] for digits in self.before(j)]
            for j in range(len(self.radices))
        ]
        assert file.position == len(file.content)

    def numbers(self, file, count):
        return [int.from_bytes(file.take(2), "little") for _ in range(count)]

    def product(self, digits):
        return product(self.radices[i] for i in digits)

    def before(self, j):
        """Groups of digits of a position that tell of digit j: those of its code, and the parts of codes before."""
        own = [i for i in range(j) if self.owner[i] == self.owner[j]]
        return [own, *(part for part in self.parts if self.owner[part[0]] < self.owner[j])]

    def decode(self, values, rows, columns, before=None):
        """The tokens, row after row; `before` has rows of tokens of the frame before."""
        digits = {}
        for row, tokens in enumerate(before or []):
            for column, token in enumerate(tokens, -len(tokens)):
                digits[row, column] = self.digits(token)
        for position in itertools.product(range(rows), range(columns)):
            digits[position] = []
            for j in range(len(self.radices)):
                digits[position].append(values.next([*self.row(digits, position, j), 2**11]))
        return [self.token(digits[position]) for position in itertools.product(range(rows), range(columns))]

    def of_code(self, code):
        return [i for i, owner in enumerate(self.owner) if owner == code]

    def token(self, digits):
        """The token that has these digits."""
        codes = range(len(self.sizes))
        return sum(self.ids[g][self.number(digits, self.of_code(g))] * product(self.sizes[:g]) for g in codes)

    def digits(self, token):
        """The digits that a token has."""
        digits = []
        for code, size in enumerate(self.sizes):
            number = next(number for number, each in self.ids[code].items() if each == token % size)
            token //= size
            for i in self.of_code(code):
                digits.append(number % self.radices[i])
                number //= self.radices[i]
        return digits

    def number(self, digits, part):
        """The number that some of the digits make."""
        return sum(digits[i] * self.product(k for k in part if k < i) for i in part)

    def row(self, digits, position, j):
        """What is below the values of digit j of a position."""
        row, place = 0, 1
        own = digits[position]
        for f, (bins, width, base) in enumerate(self.scales[j]):
            total = sum(t[self.number(own, d)][f] for t, d in zip(self.earlier[j], self.before(j), strict=True))
            for (up, right), tables in zip(self.neighbors, self.around, strict=True):
                near = digits.get((position[0] + up, position[1] + right))
                for part, table in zip(self.parts, tables, strict=True):
                    chosen = table[-1] if near is None else table[self.number(near, part)]
                    total += chosen[j * len(self.scales[j]) + f]
            row += place * (0 if total < base else min((total - base) // width, bins - 1))
            place *= bins
        return self.below[j][row]
