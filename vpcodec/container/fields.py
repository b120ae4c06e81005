"""The two ways a number is written: a varint of one byte or more, or four bytes.

A varint holds seven bits a byte, lowest first; the top bit says that more follow. Each number has one spelling
only: a varint that ends in a zero byte is refused, as are numbers of 2^63 and more.
"""

from vpcodec.errors import ContainerError

LONGEST = 9  # bytes of a varint below 2^63


def varint(number: int) -> bytes:
    """0 <= number < 2^63 -> 1 to 9 bytes."""
    if not 0 <= number < 1 << 63:
        raise ContainerError(f"cannot write {number}: a token file holds numbers from 0 to 2^63 - 1")
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


def word(number: int) -> bytes:
    """The lowest 32 bits of a number, four bytes, lowest first."""
    return (number & 0xFFFFFFFF).to_bytes(4, "little")


class Fields:
    """Reads fields out of bytes that are all there, in their order.

    Args:
        content: The bytes.
        what: Their name in errors, such as "header".
    """

    def __init__(self, content: bytes, what: str) -> None:
        self.content = content
        self.what = what
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.content) - self.position

    def take(self, count: int, field: str) -> bytes:
        """The next bytes. Raises ContainerError where fewer are left."""
        if count > self.left:
            raise ContainerError(f"{self.what} ends inside its {field}: {count} bytes expected, {self.left} found")
        self.position += count
        return self.content[self.position - count : self.position]

    def varint(self, field: str) -> int:
        """The next varint. Raises as `bounded`."""
        return self.bounded(field, 0, 1 << 63)

    def bounded(self, field: str, low: int, high: int) -> int:
        """The next varint, `low` to `high`.

        Raises ContainerError for one that is out of bounds, cut, too long or not in its shortest form.
        """
        number, longest = 0, self.content[self.position : self.position + LONGEST]
        for index, byte in enumerate(longest):
            number |= (byte & 127) << 7 * index
            if byte < 128:
                self.position += index + 1
                if index and not byte:
                    raise ContainerError(f"{self.what}: {field} {number} is not in its shortest form")
                if not low <= number <= high:
                    raise ContainerError(f"{self.what}: {field} is {number}, expected {low} to {high}")
                return number
        if len(longest) < LONGEST:
            raise ContainerError(f"{self.what} ends inside its {field}: 1 bytes expected, 0 found")
        raise ContainerError(f"{self.what}: {field} is longer than {LONGEST} bytes")

    def text(self, field: str, longest: int) -> str:
        """A varint, the number of bytes, and as many bytes of UTF-8."""
        content = self.take(self.bounded(f"length of {field}", 0, longest), field)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise ContainerError(f"{self.what}: {field} is not UTF-8 at its byte {error.start}") from error
