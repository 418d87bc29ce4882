/* replay.c: `Replay`, a ring of transitions with any fields, drawn from uniformly or by priority.
 *
 * Slot s + lanes is the next step of slot s where every `add` brings the same number of lanes; on that rest returns over
 * several steps (`follow`) and frames that are stored once (`stacked`). Priorities lie in a tree whose nodes have sixteen
 * children, one cache line each: a sum is made anew from its line and never added to, so no error piles up. */
#include "module.h"

#include <stdlib.h>
#ifndef _WIN32
#include <sys/mman.h>
#endif

enum { FIELDS = 16, FAN = 16, LEVELS = 8 };

typedef struct {
    PyObject *object;
    Py_buffer view;
} Held; /* an array that was seen before need not be looked at again */

typedef struct {
    char kind;
    size_t item, bytes, offset; /* of one number, of one slot, in the record of a slot */
    Held given, wanted;
} Field;

typedef struct {
    PyObject_HEAD
    size_t capacity, size, at, lanes, count, stride;
    unsigned char *store; /* one record after the other, so that a slot's fields are near each other */
    Field field[FIELDS];
    Held slots;
    uint64_t drawn; /* draw k is a mix of it and k: no draw waits for the one before */
    float *sums[LEVELS]; /* sums[0] are the leaves; NULL where there are no priorities */
    uint32_t *stamps[LEVELS];
    size_t nodes[LEVELS];
    int levels;
    uint32_t stamp;
    float alpha, most;
} Replay;

static char class_of(char kind) {
    if (strchr("efd", kind)) return 'f';
    return strchr("bhilq", kind) ? 'i' : 'u'; /* truth values are bytes */
}

/* --- priorities --------------------------------------------------------------------------------------------------- */

static float sum_of(const float *v) {
    float a[8];
    for (int k = 0; k < 8; k++) a[k] = v[k] + v[k + 8];
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

static int plant(Replay *self) {
    size_t nodes = self->capacity;
    do {
        const size_t lines = (nodes + FAN - 1) / FAN;
        self->nodes[self->levels] = lines * FAN;
        self->sums[self->levels] = sq_allocate(lines * FAN * sizeof(float));
        self->stamps[self->levels] = sq_allocate(lines * sizeof(uint32_t));
        if (!self->sums[self->levels] || !self->stamps[self->levels]) return -1;
        self->levels++;
        nodes = lines;
    } while (nodes > 1 && self->levels < LEVELS);
    return 0;
}

/* Makes the sums above changed leaves anew, each once; `places` is overwritten. */
static void climb(Replay *self, int64_t *places, size_t count) {
    for (int level = 0; level + 1 < self->levels; level++) {
        const uint32_t stamp = ++self->stamp;
        size_t kept = 0;
        for (size_t k = 0; k < count; k++) {
            const int64_t line = places[k] / FAN;
            if (self->stamps[level][line] == stamp) continue;
            self->stamps[level][line] = stamp;
            self->sums[level + 1][line] = sum_of(self->sums[level] + line * FAN);
            places[kept++] = line;
        }
        count = kept;
    }
}

static float total_of(const Replay *self) { return sum_of(self->sums[self->levels - 1]); }

/* Of four shares, the one in which the rest of u lies; u becomes its rest in there. Without branches. */
SQ_INLINE int32_t quarter_of(float a, float b, float c, float *u) {
    const float rest = *u, ab = a + b, abc = ab + c, before[4] = {0.0f, a, ab, abc};
    const int32_t at = (rest >= a) + (rest >= ab) + (rest >= abc);
    *u = rest - before[at];
    return at;
}

/* The child in which the rest of u lies: among four groups, then in the group. Rounding may lead to a child that has no
 * share: then it is the last that has any. */
static int64_t child_of(const float *v, float *u) {
    float group[3];
    for (int k = 0; k < 3; k++) group[k] = (v[4 * k] + v[4 * k + 1]) + (v[4 * k + 2] + v[4 * k + 3]);
    const int32_t first = 4 * quarter_of(group[0], group[1], group[2], u);
    int64_t at = first + quarter_of(v[first], v[first + 1], v[first + 2], u);
    if (__builtin_expect(v[at] > 0.0f, 1)) return at;
    *u = 0.0f;
    for (at = FAN - 1; at > 0 && !(v[at] > 0.0f);) at--;
    return at;
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

static void *at(const Replay *self, size_t slot, const Field *field) { return self->store + slot * self->stride + field->offset; }

static int byte_at(const Replay *self, size_t slot, const Field *field) { return *(const unsigned char *)at(self, slot, field); }

/* Copies a large piece, and asks for the one that comes next meanwhile, line by line. */
static void copy_ahead(unsigned char *into, const unsigned char *from, const unsigned char *next, size_t bytes) {
    size_t done = 0;
    for (; done + 512 <= bytes; done += 512) {
        for (size_t line = 0; line < 512; line += 64) __builtin_prefetch(next + done + line);
        memcpy(into + done, from + done, 512);
    }
    memcpy(into + done, from + done, bytes - done);
}

/* One field of n records, side by side. */
SQ_INLINE void copy_field(unsigned char *into, const unsigned char *const *from, size_t offset, size_t bytes, size_t n) {
#define EACH(size)                                                                                                      \
    for (size_t k = 0; k < n; k++) memcpy(into + k * (size), from[k] + offset, size);                                   \
    return
    switch (bytes) {
    case 1: EACH(1);
    case 4: EACH(4);
    case 8: EACH(8);
    case 16: EACH(16);
    case 32: EACH(32);
    default: EACH(bytes);
    }
#undef EACH
}

enum { SMALL_RECORD = 128, GROUP = 16, AHEAD = 2 * GROUP };

static void ask_for(const Replay *self, const int64_t *slots, size_t n) {
    for (size_t k = 0; k < n; k++) {
        const unsigned char *record = self->store + (size_t)slots[k] * self->stride;
        __builtin_prefetch(record);
        if (self->stride > 64) __builtin_prefetch(record + 64);
    }
}

/* Small records, some at a time with all their fields; those that come soon are asked for meanwhile, no more of them than
 * a core waits for at once. `into[k]` is NULL for a field that is left out. */
static void gather_small(const Replay *self, const int64_t *slots, size_t count, unsigned char *const *into) {
    const unsigned char *from[GROUP];
    ask_for(self, slots, count < AHEAD ? count : AHEAD);
    for (size_t first = 0; first < count; first += GROUP) {
        const size_t n = count - first < GROUP ? count - first : GROUP, next = first + AHEAD;
        if (next < count) ask_for(self, slots + next, count - next < GROUP ? count - next : GROUP);
        for (size_t k = 0; k < n; k++) from[k] = self->store + (size_t)slots[first + k] * self->stride;
        for (size_t f = 0; f < self->count; f++) {
            const size_t bytes = self->field[f].bytes, offset = self->field[f].offset;
            if (!into[f]) continue;
            if (n == GROUP) copy_field(into[f] + first * bytes, from, offset, bytes, GROUP);
            else copy_field(into[f] + first * bytes, from, offset, bytes, n);
        }
    }
}

/* One field of large records. */
static void gather(const Replay *self, const Field *field, const int64_t *slots, size_t count, unsigned char *into) {
    const size_t bytes = field->bytes, stride = self->stride;
    const unsigned char *store = self->store + field->offset;
    for (size_t k = 0; k < count; k++) {
        const unsigned char *from = store + (size_t)slots[k] * stride;
        copy_ahead(into + k * bytes, from, store + (size_t)slots[k + 1 < count ? k + 1 : k] * stride, bytes);
    }
}

/* Rows [first, first + n) of a view into the slots from `slot` on; a view may lie in any way. */
static int scatter(Replay *self, const Field *field, const Py_buffer *view, size_t first, size_t slot, size_t n) {
    const size_t bytes = field->bytes, stride = self->stride, item = field->item;
    unsigned char *into = at(self, slot, field);
    const char *from = (const char *)view->buf + (Py_ssize_t)first * view->strides[0];
#define EACH(size)                                                                                                      \
    for (size_t k = 0; k < n; k++) memcpy(into + k * stride, from + k * (size), size);                                  \
    return 0
    if (PyBuffer_IsContiguous(view, 'C')) switch (bytes) {
        case 1: EACH(1);
        case 4: EACH(4);
        case 16: EACH(16);
        default: EACH(bytes);
    }
#undef EACH
    if (view->ndim <= 2) {
        const size_t columns = view->ndim == 2 ? (size_t)view->shape[1] : 1;
        const Py_ssize_t down = view->strides[0], across = view->ndim == 2 ? view->strides[1] : 0;
        for (size_t c = 0; c < columns; c++)
            for (size_t k = 0; k < n; k++) {
                const char *one = from + (Py_ssize_t)k * down + (Py_ssize_t)c * across;
                if (item == 4) memcpy(into + k * stride + c * 4, one, 4);
                else memcpy(into + k * stride + c * item, one, item);
            }
        return 0;
    }
    unsigned char *whole = malloc((size_t)view->len);
    if (!whole) {
        PyErr_NoMemory();
        return -1;
    }
    const int failed = PyBuffer_ToContiguous(whole, view, view->len, 'C');
    for (size_t k = 0; !failed && k < n; k++) memcpy(into + k * stride, whole + (first + k) * bytes, bytes);
    free(whole);
    return failed;
}

/* --- arrays ------------------------------------------------------------------------------------------------------- */

static void let_go(Held *held) {
    if (!held->object) return;
    PyBuffer_Release(&held->view);
    Py_CLEAR(held->object);
}

/* The view of an array, remembered. Raises unless it is [n, ...] with the field's bytes in each row. */
static const Py_buffer *look(Field *field, Held *held, PyObject *object, int writable, size_t number) {
    if (held->object == object) return &held->view;
    let_go(held);
    if (sq_view_array(object, &held->view, writable)) return NULL;
    Py_INCREF(object);
    held->object = object;
    const Py_buffer *view = &held->view;
    const char kind = sq_kind(view);
    if (!kind || class_of(kind) != class_of(field->kind) || (size_t)view->itemsize != field->item) {
        PyErr_Format(PyExc_TypeError, "field %zu holds numbers of type `%c`, not `%s`", number, field->kind, view->format ? view->format : "B");
    } else if (view->ndim < 1 || !view->shape[0] || (size_t)view->len != (size_t)view->shape[0] * field->bytes) {
        PyErr_Format(PyExc_ValueError, "field %zu has %zu numbers a slot; an array of another shape was given", number, field->bytes / field->item);
    } else if (writable && !PyBuffer_IsContiguous(view, 'C')) {
        PyErr_Format(PyExc_ValueError, "field %zu can be read only into an array that lies in one piece", number);
    } else {
        return view;
    }
    let_go(held);
    return NULL;
}

/* --- what it does ------------------------------------------------------------------------------------------------- */

/* A record of up to a cache line lies in one; a larger one begins at one. */
static size_t rounded(size_t stride) {
    size_t power = 4;
    while (power < stride && power < 64) power *= 2;
    return stride <= 64 ? power : sq_align(stride);
}

/* Pages are taken as they are filled; large ones, where the system has them, save looking up where they are. */
static int make_room(Replay *self) {
    enum { LARGE = 1 << 21 };
    const size_t bytes = self->capacity * self->stride;
    void *memory = NULL;
    if (bytes / self->stride != self->capacity || posix_memalign(&memory, bytes >= LARGE ? LARGE : 64, bytes)) {
        PyErr_NoMemory();
        return -1;
    }
#ifdef MADV_HUGEPAGE
    if (bytes >= LARGE) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    self->store = memory;
    return 0;
}

/* Replay(capacity, [(kind, item, numbers)], seed, alpha); alpha < 0: without priorities */
static PyObject *replay_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"capacity", "fields", "seed", "alpha", NULL};
    Py_ssize_t capacity;
    PyObject *fields;
    unsigned long long seed = 0;
    float alpha = -1.0f;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "nO|Kf", names, &capacity, &fields, &seed, &alpha)) return NULL;
    const Py_ssize_t count = PySequence_Size(fields);
    if (count < 1 || count > FIELDS || capacity < 1) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "a buffer has room for something, and 1 to %d fields", FIELDS);
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Replay *self = (Replay *)allocate(type, 0);
    if (!self) return NULL;
    self->capacity = (size_t)capacity;
    self->alpha = alpha;
    self->most = 1.0f;
    self->drawn = sq_mix(seed);
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *one = PySequence_GetItem(fields, k);
        int kind;
        Py_ssize_t item, numbers;
        const int fine = one && PyArg_ParseTuple(one, "Cnn", &kind, &item, &numbers);
        Py_XDECREF(one);
        if (!fine) goto failed;
        Field *field = self->field + self->count++;
        field->kind = (char)kind;
        field->item = (size_t)item;
        field->bytes = (size_t)(item * numbers);
        field->offset = (self->stride + field->item - 1) / field->item * field->item;
        self->stride = field->offset + field->bytes;
    }
    self->stride = rounded(self->stride);
    if (make_room(self)) goto failed;
    if (alpha < 0.0f || !plant(self)) return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static void replay_dealloc(PyObject *object) {
    Replay *self = (Replay *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (size_t k = 0; k < self->count; k++) {
        let_go(&self->field[k].given);
        let_go(&self->field[k].wanted);
    }
    let_go(&self->slots);
    free(self->store);
    for (int level = 0; level < LEVELS; level++) {
        sq_release(self->sums[level]);
        sq_release(self->stamps[level]);
    }
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int counted(Replay *self, Py_ssize_t given) {
    if ((size_t)given == self->count) return 1;
    PyErr_Format(PyExc_TypeError, "the buffer has %zu fields, %zd were given", self->count, given);
    return 0;
}

/* New slots have the largest priority there was, so that each is drawn soon. */
static void favour(Replay *self, size_t at, size_t n) {
    for (size_t k = 0; k < n; k++) self->sums[0][at + k] = self->most;
    size_t first = at / FAN, last = (at + n - 1) / FAN;
    for (int level = 0; level + 1 < self->levels; level++) {
        for (size_t line = first; line <= last; line++) self->sums[level + 1][line] = sum_of(self->sums[level] + line * FAN);
        first /= FAN;
        last /= FAN;
    }
}

/* add(field, field, ...): as many slots as the arrays have rows; the oldest make way. */
static PyObject *replay_add(PyObject *object, PyObject *const *arrays, Py_ssize_t given) {
    Replay *self = (Replay *)object;
    const Py_buffer *views[FIELDS] = {NULL};
    if (!counted(self, given)) return NULL;
    for (size_t k = 0; k < self->count; k++)
        if (!(views[k] = look(self->field + k, &self->field[k].given, arrays[k], 0, k))) return NULL;
    const size_t n = (size_t)views[0]->shape[0];
    for (size_t k = 1; k < self->count; k++)
        if ((size_t)views[k]->shape[0] != n) {
            PyErr_Format(PyExc_ValueError, "field %zu has %zd rows, the first %zu", k, views[k]->shape[0], n);
            return NULL;
        }
    if (n > self->capacity) {
        PyErr_Format(PyExc_ValueError, "%zu rows do not fit into a buffer of %zu", n, self->capacity);
        return NULL;
    }
    if (self->lanes == 0) self->lanes = n;
    if (self->lanes != n) self->lanes = SIZE_MAX; /* steps can no longer be followed */
    for (size_t first = 0, room; first < n; first += room) {
        room = n - first < self->capacity - self->at ? n - first : self->capacity - self->at;
        for (size_t k = 0; k < self->count; k++)
            if (scatter(self, self->field + k, views[k], first, self->at, room)) return NULL;
        if (self->levels) favour(self, self->at, room);
        self->at = (self->at + room) % self->capacity;
        self->size = self->size + room < self->capacity ? self->size + room : self->capacity;
    }
    Py_RETURN_NONE;
}

static int filled(Replay *self) {
    if (self->size) return 1;
    PyErr_SetString(PyExc_RuntimeError, "nothing has been added to this buffer yet");
    return 0;
}

static int64_t *slots_of(PyObject *object, Py_buffer *view) {
    if (sq_view_array(object, view, 1)) return NULL;
    const char kind = sq_kind(view);
    if ((kind == 'l' || kind == 'q') && view->itemsize == 8 && PyBuffer_IsContiguous(view, 'C')) return view->buf;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "slots are a writable array of int64");
    return NULL;
}

/* The slots of a draw, an array that mostly is the one of the draw before. */
static int64_t *drawn_slots(Replay *self, PyObject *object, size_t *count) {
    Held *held = &self->slots;
    if (held->object != object) {
        let_go(held);
        if (!slots_of(object, &held->view)) return NULL;
        Py_INCREF(object);
        held->object = object;
    }
    *count = (size_t)held->view.len / 8;
    return held->view.buf;
}

static int within(Replay *self, const int64_t *slots, size_t count) {
    uint64_t most = 0;
    for (size_t k = 0; k < count; k++) most = (uint64_t)slots[k] > most ? (uint64_t)slots[k] : most;
    if (most < self->size) return 1;
    PyErr_SetString(PyExc_IndexError, "there is no such slot in the buffer");
    return 0;
}

/* Copies fields of some slots; None leaves a field out. */
static int fetch(Replay *self, const int64_t *slots, size_t count, PyObject *const *arrays) {
    size_t bytes = 0;
    unsigned char *into[FIELDS] = {NULL};
    for (size_t k = 0; k < self->count; k++) {
        if (arrays[k] == Py_None) continue;
        const Py_buffer *view = look(self->field + k, &self->field[k].wanted, arrays[k], 1, k);
        if (!view) return -1;
        if ((size_t)view->shape[0] != count) {
            PyErr_Format(PyExc_ValueError, "field %zu is to be read into %zu rows", k, count);
            return -1;
        }
        into[k] = view->buf;
        bytes += count * self->field[k].bytes;
    }
    PyThreadState *state = bytes > 1u << 20 ? PyEval_SaveThread() : NULL;
    if (self->stride <= SMALL_RECORD) gather_small(self, slots, count, into);
    else
        for (size_t k = 0; k < self->count; k++)
            if (into[k]) gather(self, self->field + k, slots, count, into[k]);
    if (state) PyEval_RestoreThread(state);
    return 0;
}

/* Slots, each as likely to 1 in 2^32; each mix serves for two. */
SQ_CLONES static void mixed_into(int64_t *slots, size_t count, uint64_t drawn, uint64_t size) {
    for (size_t k = 0; k < count / 2; k++) {
        const uint64_t mixed = sq_mix(drawn + k);
        slots[2 * k] = (int64_t)(((mixed >> 32) * size) >> 32);
        slots[2 * k + 1] = (int64_t)(((mixed & 0xffffffffu) * size) >> 32);
    }
    if (count % 2) slots[count - 1] = (int64_t)(((sq_mix(drawn + count / 2) >> 32) * size) >> 32);
}

static void draw(Replay *self, int64_t *slots, size_t count) {
    mixed_into(slots, count, self->drawn, self->size);
    self->drawn += count / 2 + 1;
}

/* sample(slots, field, ...): draws slots, each as likely, and copies their fields. */
static PyObject *replay_sample(PyObject *object, PyObject *const *arrays, Py_ssize_t given) {
    Replay *self = (Replay *)object;
    size_t count;
    if (!counted(self, given - 1) || !filled(self)) return NULL;
    int64_t *slots = drawn_slots(self, arrays[0], &count);
    if (!slots) return NULL;
    draw(self, slots, count);
    if (fetch(self, slots, count, arrays + 1)) return NULL;
    Py_RETURN_NONE;
}

/* gather(slots, field, ...): copies the fields of given slots. */
static PyObject *replay_gather(PyObject *object, PyObject *const *arrays, Py_ssize_t given) {
    Replay *self = (Replay *)object;
    Py_buffer view;
    if (!counted(self, given - 1)) return NULL;
    const int64_t *slots = slots_of(arrays[0], &view);
    if (!slots) return NULL;
    const size_t count = (size_t)view.len / 8;
    const int failed = !within(self, slots, count) || fetch(self, slots, count, arrays + 1);
    PyBuffer_Release(&view);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static int prioritised(Replay *self) {
    if (self->levels) return 1;
    PyErr_SetString(PyExc_TypeError, "this buffer has no priorities");
    return 0;
}

/* A float32 array of as many numbers as there are slots. */
static float *numbers_of(PyObject *object, Py_buffer *view, size_t count, int writable) {
    if (sq_view_array(object, view, writable)) return NULL;
    if (sq_kind(view) == 'f' && PyBuffer_IsContiguous(view, 'C') && (size_t)view->len == count * 4) return view->buf;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "there is one float32 for each slot");
    return NULL;
}

/* prefer(slots, weights, beta): draws slots by priority, one from each of as many equal shares of the sum (Schaul et al.
 * 2016); a weight is (N p)^-beta, over the largest of this draw. */
static PyObject *replay_prefer(PyObject *object, PyObject *args) {
    Replay *self = (Replay *)object;
    PyObject *slots_object, *weights_object;
    Py_buffer view, weights_view;
    float beta;
    if (!PyArg_ParseTuple(args, "OOf", &slots_object, &weights_object, &beta) || !prioritised(self) || !filled(self)) return NULL;
    int64_t *slots = slots_of(slots_object, &view);
    if (!slots) return NULL;
    const size_t count = (size_t)view.len / 8;
    float *weights = numbers_of(weights_object, &weights_view, count, 1);
    if (!weights) {
        PyBuffer_Release(&view);
        return NULL;
    }
    const float total = total_of(self), share = total / (float)count;
    for (size_t k = 0; k < count; k++) {
        weights[k] = share * ((float)k + (float)(sq_mix(self->drawn + k) >> 40) * 0x1p-24f);
        slots[k] = 0;
    }
    self->drawn += count;
    for (int level = self->levels - 1; level >= 0; level--)
        for (size_t k = 0; k < count; k++) slots[k] = slots[k] * FAN + child_of(self->sums[level] + slots[k] * FAN, weights + k);
    float most = 0.0f;
    for (size_t k = 0; k < count; k++) weights[k] = self->sums[0][slots[k]];
    const float scale = (float)self->size / total;
    for (size_t k = 0; k < count; k++) weights[k] = sq_exp(-beta * sq_log(weights[k] * scale));
    for (size_t k = 0; k < count; k++) most = weights[k] > most ? weights[k] : most;
    for (size_t k = 0; k < count; k++) weights[k] /= most;
    PyBuffer_Release(&view);
    PyBuffer_Release(&weights_view);
    Py_RETURN_NONE;
}

/* update(slots, priorities): they count with the power alpha; all must be finite and above 0. */
static PyObject *replay_update(PyObject *object, PyObject *const *arrays, Py_ssize_t given) {
    Replay *self = (Replay *)object;
    Py_buffer view, own;
    if (given != 2) {
        PyErr_SetString(PyExc_TypeError, "update takes slots and priorities");
        return NULL;
    }
    if (!prioritised(self)) return NULL;
    const int64_t *slots = slots_of(arrays[0], &view);
    if (!slots) return NULL;
    const size_t count = (size_t)view.len / 8;
    const float *priorities = numbers_of(arrays[1], &own, count, 0);
    if (!priorities || !within(self, slots, count)) {
        if (priorities) PyBuffer_Release(&own);
        PyBuffer_Release(&view);
        return NULL;
    }
    int bad = 0;
    for (size_t k = 0; k < count; k++) bad |= !(priorities[k] > 0.0f) | !(priorities[k] < 1e30f);
    enum { SHORT = 1024 };
    int64_t few[SHORT], *places = count > SHORT ? malloc(count * sizeof(int64_t)) : few;
    float few_leaves[SHORT], *leaves = count > SHORT ? malloc(count * sizeof(float)) : few_leaves;
    const int fine = !bad && places && leaves;
    if (fine) {
        float most = self->most;
        for (size_t k = 0; k < count; k++) leaves[k] = sq_exp(self->alpha * sq_log(priorities[k]));
        for (size_t k = 0; k < count; k++) most = leaves[k] > most ? leaves[k] : most;
        for (size_t k = 0; k < count; k++) {
            self->sums[0][slots[k]] = leaves[k];
            places[k] = slots[k];
        }
        self->most = most;
        climb(self, places, count);
    } else if (bad) {
        PyErr_SetString(PyExc_ValueError, "priorities must be finite and above 0; none was changed");
    } else {
        PyErr_NoMemory();
    }
    if (count > SHORT) {
        free(places);
        free(leaves);
    }
    PyBuffer_Release(&own);
    PyBuffer_Release(&view);
    if (!fine) return NULL;
    Py_RETURN_NONE;
}

/* --- steps that follow each other --------------------------------------------------------------------------------- */

static int follows(Replay *self) {
    if (self->lanes != SIZE_MAX && self->lanes && self->capacity % self->lanes == 0) return 1;
    PyErr_SetString(PyExc_RuntimeError, "steps can be followed only where every add brings as many rows, and the capacity is a multiple of them");
    return 0;
}

/* How many whole steps of the same lane are newer than a slot, and how many older. */
static size_t newer(const Replay *self, size_t slot) { return ((self->at + self->capacity - 1 - slot) % self->capacity) / self->lanes; }

static size_t older(const Replay *self, size_t slot) {
    const size_t oldest = self->size < self->capacity ? 0 : self->at;
    return ((slot + self->capacity - oldest) % self->capacity) / self->lanes;
}

static const Field *bytes_field(Replay *self, unsigned int number) {
    if (number < self->count && self->field[number].bytes == 1) return self->field + number;
    PyErr_SetString(PyExc_TypeError, "where episodes end must be a field of single bytes");
    return NULL;
}

/* follow(slots, n, gamma, reward, over, cut, returns, last, discount): over n steps, or up to the end of the episode or
 * of what there is: the discounted sum of rewards, the slot whose O' it ends in, and what multiplies its value (0 where
 * the episode terminated). `reward`, `over` and `cut` are numbers of fields. */
static PyObject *replay_follow(PyObject *object, PyObject *args) {
    Replay *self = (Replay *)object;
    PyObject *given[4];
    Py_buffer views[4];
    unsigned int n, reward, over, cut;
    float gamma;
    if (!PyArg_ParseTuple(args, "OIfIIIOOO", given, &n, &gamma, &reward, &over, &cut, given + 1, given + 2, given + 3)) return NULL;
    if (!follows(self)) return NULL;
    const Field *overs = bytes_field(self, over), *cuts = overs ? bytes_field(self, cut) : NULL;
    if (!cuts) return NULL;
    if (reward >= self->count || self->field[reward].kind != 'f' || self->field[reward].bytes != 4) {
        PyErr_SetString(PyExc_TypeError, "rewards must be a field of one float32");
        return NULL;
    }
    const Field *rewards = self->field + reward;
    int64_t *slots = slots_of(given[0], views), *last = NULL;
    if (!slots) return NULL;
    const size_t count = (size_t)views[0].len / 8;
    float *returns = numbers_of(given[1], views + 1, count, 1), *discount = NULL;
    int held = returns ? 2 : 1;
    if (returns && (last = slots_of(given[2], views + 2)) != NULL) held = 3;
    if (last && (size_t)views[2].len / 8 != count) PyErr_SetString(PyExc_ValueError, "there is one last slot for each slot");
    else if (last && (discount = numbers_of(given[3], views + 3, count, 1)) != NULL) held = 4;
    const int fine = discount && within(self, slots, count);
    for (size_t k = 0; fine && k < count; k++) {
        size_t slot = (size_t)slots[k], left = newer(self, slot);
        float sum = *(const float *)at(self, slot, rewards), power = gamma;
        for (unsigned int j = 1; j < n && left-- && !byte_at(self, slot, cuts); j++) {
            slot = (slot + self->lanes) % self->capacity;
            sum += power * *(const float *)at(self, slot, rewards);
            power *= gamma;
        }
        returns[k] = sum;
        last[k] = (int64_t)slot;
        discount[k] = byte_at(self, slot, overs) ? 0.0f : power;
    }
    while (held > 0) PyBuffer_Release(views + --held);
    if (!fine) return NULL;
    Py_RETURN_NONE;
}

/* whole(slots, over, cut): draws slots whose next observation is there: not of the newest step, and not cut off without
 * having terminated, for then it was never stored. */
static PyObject *replay_whole(PyObject *object, PyObject *args) {
    Replay *self = (Replay *)object;
    PyObject *given;
    Py_buffer view;
    unsigned int over, cut;
    if (!PyArg_ParseTuple(args, "OII", &given, &over, &cut) || !filled(self) || !follows(self)) return NULL;
    const Field *overs = bytes_field(self, over), *cuts = overs ? bytes_field(self, cut) : NULL;
    int64_t *slots = cuts ? slots_of(given, &view) : NULL;
    if (!slots) return NULL;
    const size_t count = (size_t)view.len / 8;
    size_t found = 0;
    for (size_t tries = 0; found < count && tries < 1000 * count + 1000; tries++) {
        const size_t slot = (size_t)(((sq_mix(self->drawn++) >> 32) * self->size) >> 32);
        slots[found] = (int64_t)slot;
        found += (newer(self, slot) > 0) & (byte_at(self, slot, overs) | !byte_at(self, slot, cuts));
    }
    PyBuffer_Release(&view);
    if (found < count) {
        PyErr_SetString(PyExc_RuntimeError, "no step in this buffer has a next observation yet");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* stacked(slots, field, cut, frames): the `frames.shape[1]` frames that end in the step after each slot, from the one
 * store of single frames; before an episode's first frame that frame stands. One more than a policy sees: the first but
 * the last are O, the last but the first O'. After a step that ended its episode the last frame stands twice. */
static PyObject *replay_stacked(PyObject *object, PyObject *args) {
    Replay *self = (Replay *)object;
    PyObject *given, *frames;
    Py_buffer view, out;
    unsigned int number, cut;
    if (!PyArg_ParseTuple(args, "OIIO", &given, &number, &cut, &frames) || !follows(self)) return NULL;
    const Field *cuts = bytes_field(self, cut);
    if (!cuts) return NULL;
    if (number >= self->count) {
        PyErr_SetString(PyExc_IndexError, "there is no such field");
        return NULL;
    }
    const int64_t *slots = slots_of(given, &view);
    if (!slots) return NULL;
    const Field *field = self->field + number;
    const size_t count = (size_t)view.len / 8, bytes = field->bytes;
    if (PyObject_GetBuffer(frames, &out, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS)) {
        PyBuffer_Release(&view);
        return NULL;
    }
    const size_t depth = count ? (size_t)out.len / (count * bytes) : 0;
    int fine = depth >= 2 && (size_t)out.len == depth * count * bytes;
    if (!fine) PyErr_SetString(PyExc_ValueError, "the frames are [slots, two or more, *shape]");
    fine = fine && within(self, slots, count);
    if (fine) {
        Py_BEGIN_ALLOW_THREADS;
        for (size_t k = 0; k < count; k++) {
            unsigned char *into = (unsigned char *)out.buf + (k * depth + depth - 1) * bytes;
            size_t slot = (size_t)slots[k], left = older(self, slot);
            const size_t next = byte_at(self, slot, cuts) || !newer(self, slot) ? slot : (slot + self->lanes) % self->capacity;
            copy_ahead(into, at(self, next, field), at(self, slot, field), bytes);
            for (size_t j = 1; j < depth; j++) {
                const size_t before = (slot + self->capacity - self->lanes) % self->capacity, this = slot;
                if (left && !byte_at(self, before, cuts)) {
                    slot = before;
                    left--;
                } else {
                    left = 0;
                }
                const size_t then = j + 1 < depth ? slot : (size_t)slots[k + 1 < count ? k + 1 : k];
                into -= bytes;
                copy_ahead(into, at(self, this, field), at(self, then, field), bytes);
            }
        }
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&view);
    if (!fine) return NULL;
    Py_RETURN_NONE;
}

/* --- for generated C ---------------------------------------------------------------------------------------------- */

/* How rows are drawn: over so many steps, with the fields that this is about; see replay_follow. What is over, and what
 * is seen `after`, are read where the steps end. */
typedef struct {
    uint32_t steps, reward, over, cut, after;
    float gamma;
} How;

enum { NOTHING_YET = 101, TOO_MANY = 102, NOT_FOLLOWED = 103 };

static double real_at(const void *row, size_t k, int reals) { return reals == 8 ? ((const double *)row)[k] : (double)((const float *)row)[k]; }

static void set_real(void *row, size_t k, int reals, double value) {
    if (reals == 8) ((double *)row)[k] = value;
    else ((float *)row)[k] = (float)value;
}

/* A field of one slot from numbers, and back. */
static void from_reals(const Field *field, unsigned char *into, const void *row, size_t first, int reals) {
    const size_t numbers = field->bytes / field->item;
    if (field->kind == 'f' && reals == 4) {
        memcpy(into, (const float *)row + first, field->bytes);
        return;
    }
    for (size_t k = 0; k < numbers; k++) {
        const double value = real_at(row, first + k, reals);
        switch (field->kind) {
        case 'f': ((float *)(void *)into)[k] = (float)value; break;
        case 'd': ((double *)(void *)into)[k] = value; break;
        case 'i': ((int32_t *)(void *)into)[k] = (int32_t)value; break;
        case 'q': case 'l': ((int64_t *)(void *)into)[k] = (int64_t)value; break;
        default: into[k] = (unsigned char)value; break;
        }
    }
}

static void into_reals(const Field *field, const unsigned char *from, void *row, size_t first, int reals) {
    const size_t numbers = field->bytes / field->item;
    if (field->kind == 'f' && reals == 4) {
        memcpy((float *)row + first, from, field->bytes);
        return;
    }
    for (size_t k = 0; k < numbers; k++) switch (field->kind) {
        case 'f': set_real(row, first + k, reals, (double)((const float *)(const void *)from)[k]); break;
        case 'd': set_real(row, first + k, reals, ((const double *)(const void *)from)[k]); break;
        case 'i': set_real(row, first + k, reals, (double)((const int32_t *)(const void *)from)[k]); break;
        case 'q': case 'l': set_real(row, first + k, reals, (double)((const int64_t *)(const void *)from)[k]); break;
        default: set_real(row, first + k, reals, (double)from[k]); break;
    }
}

static float reward_at(const Replay *self, size_t slot, const Field *field) {
    const void *place = at(self, slot, field);
    return field->kind == 'd' ? (float)*(const double *)place : *(const float *)place;
}

/* Rows of numbers [count][width] for each field, as `add`. */
static int put_reals(void *replay, long count, const void *const *rows, const long *widths, int reals) {
    Replay *self = replay;
    const size_t n = (size_t)count;
    if (n > self->capacity) return TOO_MANY;
    if (self->lanes == 0) self->lanes = n;
    if (self->lanes != n) self->lanes = SIZE_MAX;
    for (size_t first = 0, room; first < n; first += room) {
        room = n - first < self->capacity - self->at ? n - first : self->capacity - self->at;
        for (size_t k = 0; k < self->count; k++)
            for (size_t i = 0; i < room; i++)
                from_reals(self->field + k, at(self, self->at + i, self->field + k), rows[k], (first + i) * (size_t)widths[k], reals);
        if (self->levels) favour(self, self->at, room);
        self->at = (self->at + room) % self->capacity;
        self->size = self->size + room < self->capacity ? self->size + room : self->capacity;
    }
    return 0;
}

/* Draws slots, each as likely, and their fields as rows of numbers, what is 0 left out; over several steps the discount
 * comes after the fields. */
static int draw_reals(void *replay, long count, void *const *rows, const long *widths, int reals, const void *given) {
    Replay *self = replay;
    const How *how = given;
    const size_t n = (size_t)count;
    if (!self->size) return NOTHING_YET;
    if (how->steps > 1 && (self->lanes == SIZE_MAX || !self->lanes || self->capacity % self->lanes)) return NOT_FOLLOWED;
    enum { MANY = 2048 };
    int64_t slots[MANY];
    for (size_t first = 0; first < n; first += MANY) {
        const size_t some = n - first < MANY ? n - first : MANY;
        mixed_into(slots, some, self->drawn, self->size);
        self->drawn += some / 2 + 1;
        for (size_t i = 0; i < some; i++) __builtin_prefetch(self->store + (size_t)slots[i] * self->stride);
        for (size_t i = 0; i < some; i++) {
            const size_t slot = (size_t)slots[i], row = first + i;
            size_t last = slot;
            if (how->steps > 1) {
                const Field *rewards = self->field + how->reward;
                size_t left = newer(self, slot);
                float sum = reward_at(self, slot, rewards), power = how->gamma;
                for (uint32_t j = 1; j < how->steps && left-- && !byte_at(self, last, self->field + how->cut); j++) {
                    last = (last + self->lanes) % self->capacity;
                    sum += power * reward_at(self, last, rewards);
                    power *= how->gamma;
                }
                if (rows[how->reward]) set_real(rows[how->reward], row, reals, (double)sum);
                if (rows[self->count]) set_real(rows[self->count], row, reals, byte_at(self, last, self->field + how->over) ? 0.0 : (double)power);
            }
            for (size_t k = 0; k < self->count; k++) {
                if (!rows[k] || (how->steps > 1 && k == how->reward)) continue;
                const int after = how->steps > 1 && (k == how->over || k == how->after);
                into_reals(self->field + k, at(self, after ? last : slot, self->field + k), rows[k], row * (size_t)widths[k], reals);
            }
        }
    }
    return 0;
}

/* doors(): where the buffer is, and the functions by which generated C puts rows in and draws them. */
static PyObject *replay_doors(PyObject *object, PyObject *none) {
    (void)none;
    return Py_BuildValue("NNN", PyLong_FromVoidPtr(object), PyLong_FromVoidPtr((void *)(uintptr_t)put_reals),
                         PyLong_FromVoidPtr((void *)(uintptr_t)draw_reals));
}

/* --- what it is --------------------------------------------------------------------------------------------------- */

static PyObject *replay_seed(PyObject *object, PyObject *seed) {
    const uint64_t number = PyLong_AsUnsignedLongLongMask(seed);
    if (PyErr_Occurred()) return NULL;
    ((Replay *)object)->drawn = sq_mix(number);
    Py_RETURN_NONE;
}

static PyObject *replay_priorities(PyObject *object, PyObject *none) {
    (void)none;
    Replay *self = (Replay *)object;
    if (!prioritised(self)) return NULL;
    return PyBytes_FromStringAndSize((const char *)self->sums[0], (Py_ssize_t)(self->size * sizeof(float)));
}

static PyObject *get_size(PyObject *object, void *none) {
    (void)none;
    return PyLong_FromSize_t(((Replay *)object)->size);
}

static PyObject *get_at(PyObject *object, void *none) {
    (void)none;
    return PyLong_FromSize_t(((Replay *)object)->at);
}

static PyMethodDef methods[] = {
    {"add", (PyCFunction)(void (*)(void))replay_add, METH_FASTCALL, "add(field, field, ...)"},
    {"sample", (PyCFunction)(void (*)(void))replay_sample, METH_FASTCALL, "sample(slots, field or None, ...)"},
    {"gather", (PyCFunction)(void (*)(void))replay_gather, METH_FASTCALL, "gather(slots, field or None, ...)"},
    {"prefer", replay_prefer, METH_VARARGS, "prefer(slots, weights, beta)"},
    {"update", (PyCFunction)(void (*)(void))replay_update, METH_FASTCALL, "update(slots, priorities)"},
    {"follow", replay_follow, METH_VARARGS, "follow(slots, n, gamma, reward, over, cut, returns, last, discount)"},
    {"whole", replay_whole, METH_VARARGS, "whole(slots, over, cut)"},
    {"stacked", replay_stacked, METH_VARARGS, "stacked(slots, field, cut, frames)"},
    {"doors", replay_doors, METH_NOARGS, "doors(): where the buffer is, and the functions by which generated C uses it"},
    {"seed", replay_seed, METH_O, "seed(n)"},
    {"priorities", replay_priorities, METH_NOARGS, "priorities(): what each slot counts in a draw, float32 as bytes"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {{"size", get_size, NULL, "how many slots are filled", NULL},
                                   {"at", get_at, NULL, "the slot that is written next", NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots_of_type[] = {
    {Py_tp_new, (void *)replay_new},   {Py_tp_dealloc, (void *)replay_dealloc},
    {Py_tp_methods, methods},          {Py_tp_getset, properties},
    {Py_tp_doc, "Replay(capacity, [(kind, item, numbers)], seed, alpha): a ring of transitions"},
    {0, NULL},
};

static PyType_Spec type_spec = {"sqmagic.world._core.Replay", sizeof(Replay), 0, Py_TPFLAGS_DEFAULT, slots_of_type};

int sq_add_replay(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &type_spec, NULL);
    const int failed = type ? PyModule_AddObjectRef(module, "Replay", type) : -1;
    Py_XDECREF(type);
    return failed;
}
