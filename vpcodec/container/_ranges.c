/* Tabled coding of a frame, compiled: the same bytes as tabled.py makes in Python, some fifty times as fast.

   The arrays are those of `Compiled` in tabled.py, which says what each holds and vouches for the sizes of all but the
   tables. Whatever the tables and the payload hold, no index leaves its array: numbers of digits are below their
   products, bins are looked up by a byte, and a row is at most the sum of the largest bins. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { MOST = 16, MOST_FIELDS = 4, TOTAL_BITS = 11, TOTAL = 1 << TOTAL_BITS, LOWEST = 1 << 24 };

typedef struct {
    int64_t code, radix, place, prefixes, rows;
} Digit;

typedef struct {
    int64_t code, place, size;
} Part;

typedef struct {
    int64_t neighbors, fields, digits, parts, codes, cells;
    const Digit *digit;
    const Part *part;
    const int64_t *steps;
    const uint16_t *bins;                   /* [D][F][256] */
    const uint16_t *below[MOST];            /* of each digit [rows][r] */
    const uint8_t *around[MOST][MOST];      /* of each neighbor, of each part [R + 1][D * F] */
    const uint8_t *earlier[MOST][MOST + 1]; /* of each digit [prefixes][F], then of each part of codes before [R][F] */
} Coder;

/* Where each table starts. 0 where the layout or the sizes are not those of any prior. */
static int open_coder(Coder *coder, const Py_buffer *layout, const Py_buffer *bins, const Py_buffer *below,
                      const Py_buffer *tables, const Py_buffer *steps) {
    const int64_t *head = layout->buf;
    if (layout->len < 40) return 0;
    coder->neighbors = head[0], coder->fields = head[1], coder->digits = head[2];
    coder->parts = head[3], coder->codes = head[4];
    if (coder->neighbors < 1 || coder->neighbors > MOST || coder->digits < 1 || coder->digits > MOST) return 0;
    if (coder->fields < 1 || coder->fields > MOST_FIELDS || coder->parts < 1 || coder->parts > MOST) return 0;
    if (layout->len != 8 * (5 + 5 * coder->digits + 3 * coder->parts)) return 0;
    coder->digit = (const Digit *)(head + 5);
    coder->part = (const Part *)(head + 5 + 5 * coder->digits);
    coder->steps = steps->buf;
    coder->bins = bins->buf;
    const uint8_t *table = tables->buf;
    int64_t width = coder->digits * coder->fields, numbers = 0;
    for (int n = 0; n < coder->neighbors; n++)
        for (int p = 0; p < coder->parts; p++) {
            coder->around[n][p] = table;
            table += (coder->part[p].size + 1) * width;
        }
    for (int d = 0; d < coder->digits; d++) {
        coder->below[d] = (const uint16_t *)below->buf + numbers;
        numbers += coder->digit[d].rows * coder->digit[d].radix;
        coder->earlier[d][0] = table;
        table += coder->digit[d].prefixes * coder->fields;
        for (int p = 0; p < coder->parts && coder->part[p].code < coder->digit[d].code; p++) {
            coder->earlier[d][p + 1] = table;
            table += coder->part[p].size * coder->fields;
        }
    }
    return table - (const uint8_t *)tables->buf == tables->len && 2 * numbers == below->len &&
           bins->len == width * 512 && steps->len == 8 * coder->neighbors;
}

/* What the neighbors of a cell add to the fields of all digits. */
static void add_around(const Coder *coder, const int32_t *cells, int64_t cell, uint8_t *sums) {
    int64_t width = coder->digits * coder->fields;
    memset(sums, 0, MOST * MOST_FIELDS);
    for (int n = 0; n < coder->neighbors; n++)
        for (int p = 0; p < coder->parts; p++) {
            const uint8_t *row = coder->around[n][p] + cells[p * coder->cells + cell + coder->steps[n]] * width;
            for (int64_t i = 0; i < width; i++) sums[i] += row[i];
        }
}

/* What is below each value of digit d, whose code has digits before it that make a number. */
static const uint16_t *row_of(const Coder *coder, int d, int64_t number, const int32_t *cells, int64_t cell,
                              const uint8_t *sums) {
    int64_t fields = coder->fields, row = 0;
    const uint8_t *own = coder->earlier[d][0] + number * fields;
    for (int64_t f = 0; f < fields; f++) {
        uint8_t sum = sums[d * fields + f] + own[f];
        for (int p = 0; p < coder->parts && coder->part[p].code < coder->digit[d].code; p++)
            sum += coder->earlier[d][p + 1][cells[p * coder->cells + cell] * fields + f];
        row += coder->bins[(d * fields + f) * 256 + sum];
    }
    return coder->below[d] + row * coder->digit[d].radix;
}

static uint32_t weight_of(const uint16_t *row, int64_t value, int64_t radix) {
    return (value + 1 < radix ? row[value + 1] : TOTAL) - row[value];
}

/* Where decoding stands: low, span, bytes that left the register, tokens that are decoded. */
typedef struct {
    int64_t low, span, start, token;
} State;

/* Decode tokens from the one that the state tells on, as far as the bytes decide them. 1 where all are decoded. */
static int decode_all(const Coder *coder, int32_t *cells, const int64_t *positions, int64_t count,
                      const uint8_t *payload, int64_t held, int64_t *numbers, State *state) {
    uint8_t sums[MOST * MOST_FIELDS];
    uint32_t low = (uint32_t)state->low, code = 0;
    uint64_t span = (uint64_t)state->span;
    int64_t next = state->start;
    for (int i = 0; i < 4; i++, next++) code = code << 8 | (next < held ? payload[next] : 0);
    code -= low;
    numbers += state->token * coder->codes;
    for (int64_t t = state->token; t < count; t++) {
        int64_t cell = positions[t];
        *state = (State){low, (int64_t)span, next - 4, t};
        add_around(coder, cells, cell, sums);
        int d = 0, p = 0;
        for (int64_t part = 0; part < coder->codes; part++) {
            int64_t number = 0;
            for (; d < coder->digits && coder->digit[d].code == part; d++) {
                const uint16_t *row = row_of(coder, d, number, cells, cell, sums);
                int64_t radix = coder->digit[d].radix, value = 0;
                uint32_t step = (uint32_t)(span >> TOTAL_BITS), slot = code / step, weight;
                for (int64_t v = 1; v < radix; v++) value += row[v] <= slot;
                weight = weight_of(row, value, radix);
                /* The bytes that are not here yet may be anything. */
                if (next > held && (uint64_t)code + (((uint64_t)1 << 8 * (next - held)) - 1) >=
                                       (uint64_t)step * (row[value] + weight))
                    return 0;
                code -= step * row[value];
                low += step * row[value];
                for (span = (uint64_t)step * weight; span < LOWEST; span <<= 8, next++) {
                    code = code << 8 | (next < held ? payload[next] : 0);
                    low <<= 8;
                }
                number += value * coder->digit[d].place;
            }
            *numbers++ = number;
            for (; p < coder->parts && coder->part[p].code == part; p++)
                cells[p * coder->cells + cell] = (int32_t)(number / coder->part[p].place % coder->part[p].size);
        }
    }
    *state = (State){low, (int64_t)span, next - 4, count};
    return 1;
}

/* Weights of all digits, and what is below them, in pairs. */
static void weigh_all(const Coder *coder, const int32_t *cells, const int64_t *positions, int64_t count,
                      const int64_t *numbers, uint16_t *pairs) {
    uint8_t sums[MOST * MOST_FIELDS];
    for (int64_t t = 0; t < count; t++, numbers += coder->codes) {
        add_around(coder, cells, positions[t], sums);
        for (int d = 0; d < coder->digits; d++, pairs += 2) {
            const Digit *digit = &coder->digit[d];
            int64_t number = numbers[digit->code], value = number / digit->place % digit->radix;
            const uint16_t *row = row_of(coder, d, number % digit->place, cells, positions[t], sums);
            pairs[0] = (uint16_t)weight_of(row, value, digit->radix);
            pairs[1] = row[value];
        }
    }
}

/* One byte more, with what it carries to those before. */
static uint8_t *put(uint8_t *end, uint64_t byte) {
    if (byte >> 8)
        for (uint8_t *carried = end; ++*--carried == 0;) {}
    *end = byte & 255;
    return end + 1;
}

/* Code values, given in threes, then pairs of weights and what is below them; returns the end of the bytes. A value
   takes two bytes at most, since weights are 1 or more of 2^16 or fewer. */
static uint8_t *encode_all(const int64_t *values, int64_t leading, const uint16_t *pairs, int64_t count, uint8_t *end) {
    uint64_t low = 0, span = (uint64_t)1 << 32;
    for (int64_t i = -leading; i < count; i++) {
        const int64_t *value = values + 3 * (i + leading);
        const uint16_t *pair = pairs + 2 * i;
        uint64_t step = i < 0 ? span / (uint64_t)value[2] : span >> TOTAL_BITS;
        low += step * (i < 0 ? (uint64_t)value[0] : pair[1]);
        for (span = step * (i < 0 ? (uint64_t)value[1] : pair[0]); span < LOWEST; span <<= 8) {
            end = put(end, low >> 24);
            low = (low & 0xFFFFFF) << 8;
        }
    }
    uint64_t whole = (low + 0xFFFFFF) >> 24;
    if ((whole + 1) << 24 <= low + span) return put(end, whole);
    whole = (low + 0xFFFF) >> 16;
    return put(put(end, whole >> 8), whole & 255);
}

static PyObject *decode(PyObject *module, PyObject *args) {
    Py_buffer layout, bins, below, tables, steps, positions, cells, payload, numbers, state;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*w*y*w*w*", &layout, &bins, &below, &tables, &steps, &positions, &cells,
                          &payload, &numbers, &state))
        return NULL;
    Coder coder;
    State now;
    int64_t count = positions.len / 8;
    int whole = 0, fits = open_coder(&coder, &layout, &bins, &below, &tables, &steps) &&
                          numbers.len == 8 * count * coder.codes && state.len == sizeof now;
    if (fits) {
        memcpy(&now, state.buf, sizeof now);
        fits = now.span >= LOWEST && now.span <= (int64_t)1 << 32 && now.start >= 0 && now.start <= payload.len &&
               now.token >= 0 && now.token <= count;
    }
    if (fits) {
        coder.cells = cells.len / 4 / coder.parts;
        PyThreadState *thread = PyEval_SaveThread();
        whole = decode_all(&coder, cells.buf, positions.buf, count, payload.buf, payload.len, numbers.buf, &now);
        PyEval_RestoreThread(thread);
        memcpy(state.buf, &now, sizeof now);
    }
    Py_buffer *all[] = {&layout, &bins, &below, &tables, &steps, &positions, &cells, &payload, &numbers, &state};
    for (int i = 0; i < 10; i++) PyBuffer_Release(all[i]);
    if (fits) return PyBool_FromLong(whole);
    PyErr_SetString(PyExc_ValueError, "arrays of no prior");
    return NULL;
}

static PyObject *encode(PyObject *module, PyObject *args) {
    Py_buffer layout, bins, below, tables, steps, positions, cells, numbers, lead;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*y*", &layout, &bins, &below, &tables, &steps, &positions, &cells,
                          &numbers, &lead))
        return NULL;
    Coder coder;
    PyObject *result = NULL;
    uint8_t *memory = NULL;
    int64_t count = positions.len / 8;
    int fits = open_coder(&coder, &layout, &bins, &below, &tables, &steps) && numbers.len == 8 * count * coder.codes;
    int64_t leading = lead.len / 24, symbols = fits ? count * coder.digits : 0;
    if (!fits) PyErr_SetString(PyExc_ValueError, "arrays of no prior");
    else if (!(memory = PyMem_Malloc(6 * symbols + 2 * leading + 4))) PyErr_NoMemory();
    else {
        coder.cells = cells.len / 4 / coder.parts;
        uint16_t *pairs = (uint16_t *)memory;
        uint8_t *start = memory + 4 * symbols;
        PyThreadState *thread = PyEval_SaveThread();
        weigh_all(&coder, cells.buf, positions.buf, count, numbers.buf, pairs);
        uint8_t *end = encode_all(lead.buf, leading, pairs, symbols, start);
        PyEval_RestoreThread(thread);
        result = PyBytes_FromStringAndSize((const char *)start, end - start);
    }
    PyMem_Free(memory);
    Py_buffer *all[] = {&layout, &bins, &below, &tables, &steps, &positions, &cells, &numbers, &lead};
    for (int i = 0; i < 9; i++) PyBuffer_Release(all[i]);
    return result;
}

static PyMethodDef functions[] = {
    {"decode", decode, METH_VARARGS, "Fill cells, numbers of codes and the state; True if all."},
    {"encode", encode, METH_VARARGS, "Returns the bytes."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_ranges", .m_doc = "Tabled coding, compiled.", .m_methods = functions};

PyMODINIT_FUNC PyInit__ranges(void) { return PyModule_Create(&definition); }
