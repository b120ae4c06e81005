/* Tabled coding of a frame, compiled: the same bytes as tabled.py makes in Python, some fifty times as fast.

   The arrays are those of `Compiled` in tabled.py, which says what each holds and vouches for the sizes of all but the
   tables. Whatever the tables and the payload hold, no index leaves its array: numbers of digits are below their
   products, bins are looked up by a byte, and a row is at most the sum of the largest bins. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { MOST = 16, MOST_FIELDS = 4, TOTAL_BITS = 11, TOTAL = 1 << TOTAL_BITS, LOWEST = 1 << 16 };

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

/* The last state; `used` words of the payload were taken, or would have been. */
static uint32_t decode_all(const Coder *coder, int32_t *cells, const int64_t *positions, int64_t count, uint32_t state,
                           const uint8_t *words, int64_t held, int64_t *used, int64_t *numbers) {
    uint8_t sums[MOST * MOST_FIELDS];
    for (int64_t t = 0; t < count; t++) {
        int64_t cell = positions[t];
        add_around(coder, cells, cell, sums);
        int d = 0, p = 0;
        for (int64_t code = 0; code < coder->codes; code++) {
            int64_t number = 0;
            for (; d < coder->digits && coder->digit[d].code == code; d++) {
                const uint16_t *row = row_of(coder, d, number, cells, cell, sums);
                int64_t radix = coder->digit[d].radix, value = 0;
                uint32_t slot = state & (TOTAL - 1);
                for (int64_t v = 1; v < radix; v++) value += row[v] <= slot;
                state = weight_of(row, value, radix) * (state >> TOTAL_BITS) + slot - row[value];
                if (state < LOWEST) {
                    const uint8_t *word = words + 2 * *used;
                    state = state << 16 | (*used < held ? (uint32_t)word[0] << 8 | word[1] : 0);
                    ++*used;
                }
                number += value * coder->digit[d].place;
            }
            *numbers++ = number;
            for (; p < coder->parts && coder->part[p].code == code; p++)
                cells[p * coder->cells + cell] = (int32_t)(number / coder->part[p].place % coder->part[p].size);
        }
    }
    return state;
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

/* The last state; its words stand at the end of `words`, `used` of them. */
static uint32_t encode_all(const uint16_t *pairs, int64_t count, uint32_t state, uint8_t *end, int64_t *used) {
    for (const uint16_t *pair = pairs + 2 * count - 2; pair >= pairs; pair -= 2) {
        if (state >= (uint64_t)pair[0] << (32 - TOTAL_BITS)) {
            *--end = state & 255;
            *--end = state >> 8 & 255;
            state >>= 16;
            ++*used;
        }
        state += state / pair[0] * (TOTAL - pair[0]) + pair[1];
    }
    return state;
}

static PyObject *decode(PyObject *module, PyObject *args) {
    Py_buffer layout, bins, below, tables, steps, positions, cells, payload, numbers;
    unsigned int state;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*w*y*w*I", &layout, &bins, &below, &tables, &steps, &positions, &cells,
                          &payload, &numbers, &state))
        return NULL;
    Coder coder;
    int64_t used = 0, count = positions.len / 8;
    int fits = open_coder(&coder, &layout, &bins, &below, &tables, &steps) && numbers.len == 8 * count * coder.codes;
    if (fits) {
        coder.cells = cells.len / 4 / coder.parts;
        PyThreadState *thread = PyEval_SaveThread();
        state = decode_all(&coder, cells.buf, positions.buf, count, state, payload.buf, payload.len / 2, &used,
                           numbers.buf);
        PyEval_RestoreThread(thread);
    }
    Py_buffer *all[] = {&layout, &bins, &below, &tables, &steps, &positions, &cells, &payload, &numbers};
    for (int i = 0; i < 9; i++) PyBuffer_Release(all[i]);
    if (fits) return Py_BuildValue("IL", state, (long long)used);
    PyErr_SetString(PyExc_ValueError, "arrays of no prior");
    return NULL;
}

static PyObject *encode(PyObject *module, PyObject *args) {
    Py_buffer layout, bins, below, tables, steps, positions, cells, numbers;
    unsigned int state;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*I", &layout, &bins, &below, &tables, &steps, &positions, &cells,
                          &numbers, &state))
        return NULL;
    Coder coder;
    PyObject *result = NULL;
    uint8_t *memory = NULL;
    int64_t count = positions.len / 8;
    int fits = open_coder(&coder, &layout, &bins, &below, &tables, &steps) && numbers.len == 8 * count * coder.codes;
    if (!fits) PyErr_SetString(PyExc_ValueError, "arrays of no prior");
    else if (!(memory = PyMem_Malloc(6 * count * coder.digits))) PyErr_NoMemory();
    else {
        int64_t used = 0, symbols = count * coder.digits;
        coder.cells = cells.len / 4 / coder.parts;
        uint8_t *end = memory + 6 * symbols;
        PyThreadState *thread = PyEval_SaveThread();
        weigh_all(&coder, cells.buf, positions.buf, count, numbers.buf, (uint16_t *)memory);
        state = encode_all((const uint16_t *)memory, symbols, state, end, &used);
        PyEval_RestoreThread(thread);
        result = Py_BuildValue("Iy#", state, (const char *)end - 2 * used, (Py_ssize_t)(2 * used));
    }
    PyMem_Free(memory);
    Py_buffer *all[] = {&layout, &bins, &below, &tables, &steps, &positions, &cells, &numbers};
    for (int i = 0; i < 8; i++) PyBuffer_Release(all[i]);
    return result;
}

static PyMethodDef functions[] = {
    {"decode", decode, METH_VARARGS, "Fill cells and numbers of codes; returns the last state and the words used."},
    {"encode", encode, METH_VARARGS, "Returns the last state and the words."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_tabled", .m_doc = "Tabled coding, compiled.", .m_methods = functions};

PyMODINIT_FUNC PyInit__tabled(void) { return PyModule_Create(&definition); }
