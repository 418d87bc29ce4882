/* batch.c: `Batch`, the lanes of one environment and all of their memory, as Python sees them.
 *
 * One block holds everything; Python reads and writes it as arrays through the buffer protocol, so nothing is copied and
 * nothing outlives its memory. Actions are checked before any lane moves. */
#include "module.h"

typedef struct {
    PyObject_HEAD
    const sq_env_spec *spec;
    PyObject *owner; /* keeps the library of the spec loaded */
    unsigned char *memory;
    size_t bytes, state_bytes;
    size_t obs_size, act_size, obs_item, real_item;
    sq_batch batch;
    void **rows;
    void *staged; /* actions of one step: [act_size][live] */
    void *long_staged;
    size_t long_bytes;
    int wants_reset;
    int working, moving; /* threads that have let go of the interpreter: in a whole step, or in a part of one */
} Batch;

static size_t item_size(uint32_t dtype) { return dtype == SQ_F64 ? 8 : dtype == SQ_U8 ? 1 : 4; }

static const char *item_name(uint32_t dtype) {
    return dtype == SQ_F64 ? "float64" : dtype == SQ_U8 ? "uint8" : dtype == SQ_I32 ? "int32" : "float32";
}

static size_t field_size(const sq_field *field) {
    size_t size = 1;
    for (uint32_t k = 0; k < field->ndim; k++) size *= field->shape[k];
    return size;
}

static size_t fields_size(const sq_field *fields, uint32_t count) {
    size_t size = 0;
    for (uint32_t k = 0; k < count; k++) size += field_size(fields + k);
    return size;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Walks the parts in order; with memory it sets the pointers, without it only counts. */
static size_t place(Batch *self, unsigned char *memory) {
    const sq_env_spec *spec = self->spec;
    sq_batch *b = &self->batch;
    const size_t lanes = b->n_pad, obs = lanes * self->obs_size * self->obs_item;
    size_t at = 0;
#define PLACE(pointer, size)                                                                                            \
    do {                                                                                                                \
        if (memory) pointer = (void *)(memory + at);                                                                    \
        at += sq_align(size);                                                                                           \
    } while (0)
    for (uint32_t k = 0; k < spec->n_state; k++)
        PLACE(self->rows[k], lanes * field_size(spec->state + k) * item_size(spec->state[k].dtype));
    PLACE(b->rng, lanes * sizeof(sq_rng));
    PLACE(b->t, lanes * sizeof(int32_t));
    PLACE(b->ret, lanes * self->real_item);
    self->state_bytes = at;
    PLACE(b->obs, obs);
    PLACE(b->final_obs, obs);
    PLACE(b->rew, lanes * self->real_item);
    PLACE(b->term, lanes);
    PLACE(b->trunc, lanes);
    PLACE(b->done_return, lanes * self->real_item);
    PLACE(b->done_length, lanes * sizeof(int32_t));
    PLACE(self->staged, lanes * self->act_size * sizeof(double));
    PLACE(b->param, spec->param_size);
    PLACE(b->stats, sizeof(sq_stats));
#undef PLACE
    return at;
}

static void reseed(Batch *self, uint64_t seed) {
    sq_batch *b = &self->batch;
    b->seed = seed;
    for (uint32_t i = 0; i < b->n; i++) sq_seed(b->rng + i, seed, b->first_env_id + i);
    memset(b->stats, 0, sizeof(sq_stats));
}

/* Batch(address, live, seed, first_id, owner) */
static PyObject *batch_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"address", "live", "seed", "first_id", "owner", NULL};
    PyObject *address, *owner = Py_None;
    unsigned long long seed = 0, first = 0;
    unsigned int live = 1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|IKKO", names, &address, &live, &seed, &first, &owner)) return NULL;
    const sq_env_spec *spec = PyLong_AsVoidPtr(address);
    if (!spec) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "there is no environment at address 0");
        return NULL;
    }
    if (spec->abi != SQ_ABI || spec->struct_size != sizeof(sq_env_spec)) {
        PyErr_SetString(PyExc_ValueError, "this environment was compiled for another version of sqmagic; compile it again");
        return NULL;
    }
    if (live < 1 || live > 1u << 20) {
        PyErr_SetString(PyExc_ValueError, "a batch has between 1 and 1048576 environments");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Batch *self = (Batch *)allocate(type, 0);
    if (!self) return NULL;
    self->spec = spec;
    Py_INCREF(owner);
    self->owner = owner;
    self->obs_size = fields_size(spec->obs, spec->n_obs);
    self->obs_item = item_size(spec->obs[0].dtype);
    self->act_size = fields_size(spec->act, spec->n_act);
    self->real_item = spec->flags & SQ_REFERENCE ? sizeof(double) : sizeof(float);
    sq_batch *b = &self->batch;
    b->struct_size = sizeof(sq_batch);
    b->live = live;
    for (b->n = 1; b->n < live;) b->n *= 2;
    b->n_pad = (b->n + SQ_LANES - 1) / SQ_LANES * SQ_LANES;
    if (b->n_pad % 512 == 0) b->n_pad += SQ_LANES; /* rows that are 4096 bytes apart would share their cache lines */
    b->limit = spec->limit;
    b->first_env_id = first;
    self->rows = sq_allocate(spec->n_state * sizeof(void *));
    self->bytes = self->rows ? place(self, NULL) : 0;
    self->memory = self->rows ? sq_allocate(self->bytes) : NULL;
    if (!self->memory) {
        Py_DECREF(self);
        return NULL;
    }
    place(self, self->memory);
    b->state = self->rows;
    memcpy((void *)(uintptr_t)b->param, spec->param_default, spec->param_size);
    reseed(self, seed);
    self->wants_reset = 1;
    return (PyObject *)self;
}

static void batch_dealloc(PyObject *object) {
    Batch *self = (Batch *)object;
    PyTypeObject *type = Py_TYPE(object);
    sq_release(self->memory);
    sq_release(self->rows);
    sq_release(self->long_staged);
    Py_XDECREF(self->owner);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int batch_getbuffer(PyObject *object, Py_buffer *view, int flags) {
    Batch *self = (Batch *)object;
    return PyBuffer_FillInfo(view, object, self->memory, (Py_ssize_t)self->bytes, 0, flags);
}

/* --- actions ------------------------------------------------------------------------------------------------------ */

static int wrong_type(Batch *self, const Py_buffer *view) {
    PyErr_Format(PyExc_TypeError, "%s takes %s, not an array of type `%s`", self->spec->name,
                 self->spec->flags & SQ_DISCRETE ? "whole numbers as actions" : "real numbers as actions",
                 view->format ? view->format : "B");
    return -1;
}

/* Views what was passed as actions; says what an environment takes where that is no array. */
static int view_actions(Batch *self, PyObject *actions, Py_buffer *view) {
    if (!sq_view_array(actions, view, 0)) return 0;
    PyErr_Clear();
    PyObject *type = PyType_GetName(Py_TYPE(actions));
    if (type) PyErr_Format(PyExc_TypeError, "%s takes an array of %s numbers as actions, not `%U`", self->spec->name,
                           self->spec->flags & SQ_DISCRETE ? "whole" : "real", type);
    Py_XDECREF(type);
    return -1;
}

static int wrong_shape(Batch *self, int times) {
    const char *steps = times ? "steps x " : "";
    if (self->act_size > 1)
        PyErr_Format(PyExc_ValueError, "%s takes actions of shape %s%u x %zu", self->spec->name, steps, self->batch.live, self->act_size);
    else
        PyErr_Format(PyExc_ValueError, "%s takes %s%u actions, one for each environment", self->spec->name, steps, self->batch.live);
    return -1;
}

static int bad_action(Batch *self, size_t lane, double value) {
    char words[64];
    PyOS_snprintf(words, sizeof words, "%.17g", value);
    if (self->spec->flags & SQ_DISCRETE)
        PyErr_Format(PyExc_ValueError, "%s has the actions 0 to %d; environment %zu was given %s, and no environment has moved",
                     self->spec->name, (int)self->spec->act[0].high, lane, words);
    else
        PyErr_Format(PyExc_ValueError, "environment %zu of %s was given %s as an action, and no environment has moved", lane,
                     self->spec->name, words);
    return -1;
}

/* The strides of [time], lane and element of a view; -1 with an error where its shape is another. */
static int strides_of(Batch *self, const Py_buffer *view, int times, Py_ssize_t found[3]) {
    const int lead = times ? 1 : 0;
    const Py_ssize_t live = (Py_ssize_t)self->batch.live, size = (Py_ssize_t)self->act_size;
    if (view->ndim < lead + 1 || view->ndim > lead + 2 || view->shape[lead] != live) return wrong_shape(self, times);
    if (view->ndim == lead + 1 ? size != 1 : view->shape[lead + 1] != size) return wrong_shape(self, times);
    found[0] = times ? view->strides[0] : 0;
    found[1] = view->strides[lead];
    found[2] = view->ndim == lead + 2 ? view->strides[lead + 1] : 0;
    return 0;
}

/* Actions from any array into [k][act_size][live]; the numbers are checked as they are, before they are narrowed. */
#define READ(type, target, fits)                                                                                        \
    for (size_t j = 0; j < k; j++)                                                                                      \
        for (size_t e = 0; e < size; e++)                                                                               \
            for (size_t i = 0; i < live; i++) {                                                                         \
                type value;                                                                                             \
                memcpy(&value, from + (Py_ssize_t)j * s[0] + (Py_ssize_t)i * s[1] + (Py_ssize_t)e * s[2], sizeof value); \
                if (!(fits)) return bad_action(self, i, (double)value);                                                 \
                ((target *)into)[(j * size + e) * live + i] = (target)value;                                            \
            }                                                                                                           \
    return 0

#define READ_WHOLE(type) READ(type, int32_t, value >= 0 && (unsigned long long)value <= (unsigned long long)most)
#define READ_REAL(type)                                                                                                 \
    if (self->real_item == 8) {                                                                                         \
        READ(type, double, value == value);                                                                             \
    } else {                                                                                                            \
        READ(type, float, value == value);                                                                              \
    }

static int read_actions(Batch *self, const Py_buffer *view, const Py_ssize_t s[3], size_t k, void *into) {
    const size_t size = self->act_size, live = self->batch.live;
    const char *from = view->buf;
    const int32_t most = (int32_t)self->spec->act[0].high;
    if (self->spec->flags & SQ_DISCRETE) switch (sq_kind(view)) {
        case 'b': READ_WHOLE(signed char);
        case '?':
        case 'B': READ(unsigned char, int32_t, value <= most);
        case 'h': READ_WHOLE(short);
        case 'i': READ_WHOLE(int);
        case 'l': READ_WHOLE(long);
        case 'q': READ_WHOLE(long long);
        case 'I': READ(unsigned int, int32_t, value <= (unsigned int)most);
        case 'L': READ(unsigned long, int32_t, value <= (unsigned long)most);
        case 'Q': READ(unsigned long long, int32_t, value <= (unsigned long long)most);
        default: return wrong_type(self, view);
    }
    switch (sq_kind(view)) {
    case 'f': READ_REAL(float);
    case 'd': READ_REAL(double);
    default: return wrong_type(self, view);
    }
}

/* Whether an array is [..][lane] of just what the environment takes, so that it may be used where it lies. */
static int fits_as_it_lies(Batch *self, const Py_buffer *view, const Py_ssize_t s[3], size_t k) {
    const Py_ssize_t item = self->spec->flags & SQ_DISCRETE ? 4 : (Py_ssize_t)self->real_item;
    const char wanted = self->spec->flags & SQ_DISCRETE ? 'i' : self->real_item == 8 ? 'd' : 'f';
    return sq_kind(view) == wanted && self->act_size == 1 && s[1] == item && (k == 1 || s[0] == s[1] * (Py_ssize_t)self->batch.live)
           && (uintptr_t)view->buf % (uintptr_t)item == 0;
}

/* Every number of an array that is used where it lies; a loop that becomes vector instructions, then the culprit. */
static int check_lying(Batch *self, const void *actions, size_t count) {
    int bad = 0;
    if (self->spec->flags & SQ_DISCRETE) {
        const uint32_t *own = actions, most = (uint32_t)self->spec->act[0].high;
        for (size_t i = 0; i < count; i++) bad |= own[i] > most;
        for (size_t i = 0; bad && i < count; i++)
            if (own[i] > most) return bad_action(self, i % self->batch.live, (double)(int32_t)own[i]);
    } else if (self->real_item == 4) {
        const float *own = actions;
        for (size_t i = 0; i < count; i++) bad |= own[i] != own[i];
    } else {
        const double *own = actions;
        for (size_t i = 0; i < count; i++) bad |= own[i] != own[i];
    }
    return bad ? bad_action(self, 0, NAN) : 0;
}

/* int64 that lie side by side, which is what most of Python makes of whole numbers. */
static int read_long(Batch *self, const int64_t *from, size_t count, int32_t *into) {
    const uint32_t most = (uint32_t)self->spec->act[0].high;
    uint64_t high = 0;
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        high |= (uint64_t)from[i];
        into[i] = (int32_t)(uint32_t)((uint64_t)from[i] & 0xffffffffu);
    }
    for (size_t i = 0; i < count; i++) bad |= (uint32_t)into[i] > most;
    if (!bad && !(high >> 32)) return 0;
    for (size_t i = 0; i < count; i++)
        if ((uint64_t)from[i] > most) return bad_action(self, i % self->batch.live, (double)from[i]);
    return 0;
}

static int lies_long(Batch *self, const Py_buffer *view, const Py_ssize_t s[3], size_t k) {
    const char kind = sq_kind(view);
    return self->spec->flags & SQ_DISCRETE && view->itemsize == 8 && (kind == 'l' || kind == 'q') && s[1] == 8
           && (k == 1 || s[0] == 8 * (Py_ssize_t)self->batch.live) && (uintptr_t)view->buf % 8 == 0;
}

/* The actions of k steps, checked: where they lie, or staged. The view stays held until the step is over. */
static const void *actions_of(Batch *self, Py_buffer *view, int times, size_t *k) {
    Py_ssize_t s[3];
    if (strides_of(self, view, times, s)) return NULL;
    *k = times ? (size_t)view->shape[0] : 1;
    if (fits_as_it_lies(self, view, s, *k)) return check_lying(self, view->buf, *k * self->batch.live) ? NULL : view->buf;
    void *into = self->staged;
    if (*k > 1) {
        const size_t bytes = *k * self->act_size * self->batch.live * sizeof(double);
        if (bytes > self->long_bytes) {
            sq_release(self->long_staged);
            self->long_bytes = 0;
            self->long_staged = sq_allocate(bytes);
            if (!self->long_staged) return NULL;
            self->long_bytes = bytes;
        }
        into = self->long_staged;
    }
    const int failed = lies_long(self, view, s, *k) ? read_long(self, view->buf, *k * self->batch.live, into)
                                                    : read_actions(self, view, s, *k, into);
    return failed ? NULL : into;
}

/* --- what it does ------------------------------------------------------------------------------------------------- */

static PyObject *outcome(int failed) {
    switch (failed) {
    case SQ_OK: Py_RETURN_NONE;
    case SQ_BUSY: PyErr_SetString(PyExc_RuntimeError, "another thread is at work on these environments"); return NULL;
    case SQ_NO_LANES: PyErr_SetString(PyExc_IndexError, "there are no such environments in the batch"); return NULL;
    default: PyErr_Format(PyExc_RuntimeError, "the environment failed with code %d", failed); return NULL;
    }
}

static PyObject *refused(const char *words) {
    PyErr_SetString(PyExc_RuntimeError, words);
    return NULL;
}

/* Nobody is at work: the only place of staged actions is free. Python's own lock guards the two counts. */
static int idle(Batch *self) {
    if (self->working || self->moving) outcome(SQ_BUSY);
    return !self->working && !self->moving;
}

static int ready(Batch *self) {
    if (self->wants_reset) refused("the environments have not been reset yet: reset() comes before the first step");
    return !self->wants_reset && idle(self);
}

enum { SMALL = 8192 }; /* below so many lane steps, letting go of the interpreter would cost more than it gives */

static PyObject *batch_reset(PyObject *object, PyObject *mask) {
    Batch *self = (Batch *)object;
    Py_buffer view;
    if (!idle(self)) return NULL;
    if (mask == Py_None) {
        const int failed = self->spec->reset(&self->batch, NULL);
        if (!failed) self->wants_reset = 0;
        return outcome(failed);
    }
    if (!ready(self) || sq_view_array(mask, &view, 0)) return NULL;
    const int fits = view.ndim == 1 && view.itemsize == 1 && view.strides[0] == 1 && view.shape[0] == (Py_ssize_t)self->batch.live;
    const int failed = fits ? self->spec->reset(&self->batch, view.buf) : SQ_OK;
    PyBuffer_Release(&view);
    if (fits) return outcome(failed);
    PyErr_SetString(PyExc_ValueError, "a mask has one truth value for each environment");
    return NULL;
}

static PyObject *batch_seed(PyObject *object, PyObject *seed) {
    const uint64_t number = PyLong_AsUnsignedLongLongMask(seed);
    if (PyErr_Occurred()) return NULL;
    if (!idle((Batch *)object)) return NULL;
    reseed((Batch *)object, number);
    Py_RETURN_NONE;
}

static PyObject *batch_step(PyObject *object, PyObject *actions) {
    Batch *self = (Batch *)object;
    Py_buffer view;
    size_t k;
    int failed;
    if (!ready(self) || view_actions(self, actions, &view)) return NULL;
    const void *act = actions_of(self, &view, 0, &k);
    if (!act) {
        PyBuffer_Release(&view);
        return NULL;
    }
    sq_batch *b = &self->batch;
    b->record = 0;
    if (b->live < SMALL) {
        failed = self->spec->steps(b, 1, act);
    } else {
        self->working++;
        Py_BEGIN_ALLOW_THREADS;
        failed = self->spec->steps(b, 1, act);
        Py_END_ALLOW_THREADS;
        self->working--;
    }
    PyBuffer_Release(&view);
    return outcome(failed);
}

/* act(actions): the actions of the next `move`s. */
static PyObject *batch_act(PyObject *object, PyObject *actions) {
    Batch *self = (Batch *)object;
    Py_buffer view;
    Py_ssize_t s[3];
    if (!ready(self) || view_actions(self, actions, &view)) return NULL;
    const int failed = strides_of(self, &view, 0, s) || read_actions(self, &view, s, 1, self->staged);
    PyBuffer_Release(&view);
    if (failed) return NULL;
    self->batch.act = self->staged;
    Py_RETURN_NONE;
}

/* move(first, end): a step of some lanes, for callers that split a batch over threads; `count` ends the step. */
static PyObject *batch_move(PyObject *object, PyObject *args) {
    Batch *self = (Batch *)object;
    unsigned int first, end;
    int failed;
    if (!PyArg_ParseTuple(args, "II", &first, &end)) return NULL;
    if (self->wants_reset || self->batch.act != self->staged) return refused("act(actions) comes before the first move");
    if (self->working) return outcome(SQ_BUSY);
    self->moving++;
    Py_BEGIN_ALLOW_THREADS;
    failed = self->spec->step(&self->batch, first, end);
    Py_END_ALLOW_THREADS;
    self->moving--;
    return outcome(failed);
}

static PyObject *batch_count(PyObject *object, PyObject *none) {
    (void)none;
    if (!idle((Batch *)object)) return NULL;
    sq_count_all(&((Batch *)object)->batch);
    Py_RETURN_NONE;
}

/* A writable array of k whole outputs of `bytes` each; sets the pointer. */
static int output(PyObject *object, Py_buffer *view, size_t bytes, size_t k, void **pointer) {
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS)) return -1;
    *pointer = view->buf;
    if ((size_t)view->len == bytes * k && (uintptr_t)view->buf % 8 == 0) return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "a record has k times the rows of the batch");
    return -1;
}

/* steps(actions) or steps(actions, obs, final_obs, rew, term, trunc): k steps in one call, recorded if there is where. */
static PyObject *batch_steps(PyObject *object, PyObject *args) {
    Batch *self = (Batch *)object;
    PyObject *actions, *out[5] = {NULL};
    Py_buffer view, records[5];
    size_t k;
    int held = 0, failed = SQ_OK;
    if (!PyArg_ParseTuple(args, "O|OOOOO", &actions, out, out + 1, out + 2, out + 3, out + 4) || !ready(self)) return NULL;
    if (view_actions(self, actions, &view)) return NULL;
    const void *act = actions_of(self, &view, 1, &k);
    sq_batch saved = self->batch, *b = &self->batch;
    const size_t obs = b->n_pad * self->obs_size * self->obs_item;
    const size_t bytes[5] = {obs, obs, b->n_pad * self->real_item, b->n_pad, b->n_pad};
    void *pointers[5];
    const int records_wanted = out[0] != NULL && out[0] != Py_None;
    int fine = act != NULL && k > 0 && k < UINT32_MAX;
    if (act && !fine) PyErr_SetString(PyExc_ValueError, "there must be at least one step");
    for (; fine && records_wanted && held < 5; held++)
        if (!out[held] || output(out[held], records + held, bytes[held], k, pointers + held)) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a record has obs, final_obs, rew, term and trunc");
            fine = 0;
            break;
        }
    if (fine) {
        b->record = records_wanted ? 1u : 0u;
        if (records_wanted) {
            b->obs = pointers[0], b->final_obs = pointers[1], b->rew = pointers[2], b->term = pointers[3], b->trunc = pointers[4];
        }
        if (k * b->live < SMALL) failed = self->spec->steps(b, (uint32_t)k, act);
        else {
            self->working++;
            Py_BEGIN_ALLOW_THREADS;
            failed = self->spec->steps(b, (uint32_t)k, act);
            Py_END_ALLOW_THREADS;
            self->working--;
        }
        b->obs = saved.obs, b->final_obs = saved.final_obs, b->rew = saved.rew, b->term = saved.term, b->trunc = saved.trunc;
        if (records_wanted && !failed) memcpy(b->obs, (char *)pointers[0] + (k - 1) * obs, obs);
    }
    while (held > 0) PyBuffer_Release(records + --held);
    PyBuffer_Release(&view);
    return fine ? outcome(failed) : NULL;
}

static PyObject *batch_draw(PyObject *object, PyObject *args) {
    Batch *self = (Batch *)object;
    unsigned int lane, height, width;
    if (!PyArg_ParseTuple(args, "III", &lane, &height, &width) || !ready(self)) return NULL;
    if (!self->spec->draw) Py_RETURN_NONE;
    if (lane >= self->batch.live || !height || !width || height > 8192 || width > 8192) return outcome(SQ_NO_LANES);
    PyObject *picture = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)height * width * 3);
    if (!picture) return NULL;
    sq_canvas canvas = {(uint8_t *)PyBytes_AsString(picture), width, height, 0, 0, 1, 1};
    memset(canvas.rgb, 255, (size_t)height * width * 3);
    sq_view(&canvas, 0, 0, width, height);
    self->spec->draw(&self->batch, lane, &canvas);
    return picture;
}

static PyObject *batch_statistics(PyObject *object, PyObject *none) {
    (void)none;
    const sq_stats *s = ((Batch *)object)->batch.stats;
    const uint64_t kept = s->episodes < 100 ? s->episodes : 100;
    PyObject *returns = PyList_New((Py_ssize_t)kept), *lengths = PyList_New((Py_ssize_t)kept);
    for (uint64_t k = 0; returns && lengths && k < kept; k++) {
        const uint64_t at = (s->episodes - kept + k) % 100;
        PyList_SetItem(returns, (Py_ssize_t)k, PyFloat_FromDouble(s->last_returns[at]));
        PyList_SetItem(lengths, (Py_ssize_t)k, PyFloat_FromDouble(s->last_lengths[at]));
    }
    return Py_BuildValue("{s:K,s:K,s:d,s:d,s:N,s:N}", "steps", (unsigned long long)s->steps, "episodes",
                         (unsigned long long)s->episodes, "return_sum", s->return_sum, "length_sum", s->length_sum, "last_returns",
                         returns, "last_lengths", lengths);
}

/* --- what it is --------------------------------------------------------------------------------------------------- */

static PyObject *described(const sq_field *field, const void *defaults) {
    PyObject *shape = PyTuple_New((Py_ssize_t)field->ndim);
    for (uint32_t k = 0; shape && k < field->ndim; k++) PyTuple_SetItem(shape, (Py_ssize_t)k, PyLong_FromUnsignedLong(field->shape[k]));
    (void)defaults;
    return Py_BuildValue("(ssNddII)", field->name, item_name(field->dtype), shape, field->low, field->high, field->flags, field->offset);
}

static PyObject *all_described(const sq_field *fields, uint32_t count) {
    PyObject *all = PyTuple_New((Py_ssize_t)count);
    for (uint32_t k = 0; all && k < count; k++) PyTuple_SetItem(all, (Py_ssize_t)k, described(fields + k, NULL));
    return all;
}

/* describe(): the spec as plain values; where every array lies in the memory is `places`. */
static PyObject *batch_describe(PyObject *object, PyObject *none) {
    (void)none;
    Batch *self = (Batch *)object;
    const sq_env_spec *spec = self->spec;
    return Py_BuildValue("{s:s,s:N,s:N,s:N,s:N,s:I,s:i,s:i,s:i,s:I,s:I,s:n}", "name", spec->name, "state",
                         all_described(spec->state, spec->n_state), "obs", all_described(spec->obs, spec->n_obs), "act",
                         all_described(spec->act, spec->n_act), "param", all_described(spec->param, spec->n_param), "limit",
                         spec->limit, "discrete", (spec->flags & SQ_DISCRETE) != 0, "reference", (spec->flags & SQ_REFERENCE) != 0,
                         "draws", spec->draw != NULL, "n", self->batch.n, "n_pad", self->batch.n_pad, "state_bytes",
                         (Py_ssize_t)self->state_bytes);
}

static PyObject *batch_places(PyObject *object, PyObject *none) {
    (void)none;
    Batch *self = (Batch *)object;
    const sq_batch *b = &self->batch;
    PyObject *rows = PyTuple_New((Py_ssize_t)self->spec->n_state);
    for (uint32_t k = 0; rows && k < self->spec->n_state; k++)
        PyTuple_SetItem(rows, (Py_ssize_t)k, PyLong_FromSsize_t((unsigned char *)self->rows[k] - self->memory));
#define AT(pointer) (Py_ssize_t)((const unsigned char *)(pointer) - self->memory)
    return Py_BuildValue("{s:N,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n}", "state", rows, "rng", AT(b->rng), "t", AT(b->t), "ret",
                         AT(b->ret), "obs", AT(b->obs), "final_obs", AT(b->final_obs), "rew", AT(b->rew), "term", AT(b->term), "trunc",
                         AT(b->trunc), "done_return", AT(b->done_return), "done_length", AT(b->done_length), "param", AT(b->param));
#undef AT
}

/* doors(): where the specification and the lanes are, for generated C; only lanes that have been reset have any. */
static PyObject *batch_doors(PyObject *object, PyObject *none) {
    (void)none;
    Batch *self = (Batch *)object;
    if (!ready(self)) return NULL;
    return Py_BuildValue("NN", PyLong_FromVoidPtr((void *)(uintptr_t)self->spec), PyLong_FromVoidPtr(&self->batch));
}

static PyObject *get_limit(PyObject *object, void *none) {
    (void)none;
    return PyLong_FromUnsignedLong(((Batch *)object)->batch.limit);
}

static int set_limit(PyObject *object, PyObject *value, void *none) {
    (void)none;
    const unsigned long limit = value ? PyLong_AsUnsignedLong(value) : 0;
    if (PyErr_Occurred()) return -1;
    if (limit > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a limit is a number of steps, or 0 for none");
        return -1;
    }
    ((Batch *)object)->batch.limit = (uint32_t)limit;
    return 0;
}

static PyMethodDef methods[] = {
    {"reset", batch_reset, METH_O, "reset(mask or None): begin an episode in all environments, or in those of the mask"},
    {"seed", batch_seed, METH_O, "seed(n): draw anew from n; the statistics begin anew too"},
    {"step", batch_step, METH_O, "step(actions)"},
    {"steps", batch_steps, METH_VARARGS, "steps(actions, obs, final_obs, rew, term, trunc): k steps, recorded if there is where"},
    {"act", batch_act, METH_O, "act(actions): the actions of the next moves"},
    {"move", batch_move, METH_VARARGS, "move(first, end): a step of some environments, with the actions of `act`"},
    {"count", batch_count, METH_NOARGS, "count(): ends a step that was made of moves"},
    {"draw", batch_draw, METH_VARARGS, "draw(lane, height, width): a picture as bytes, or None"},
    {"statistics", batch_statistics, METH_NOARGS, "statistics(): of the episodes that ended"},
    {"describe", batch_describe, METH_NOARGS, "describe(): what the author declared"},
    {"doors", batch_doors, METH_NOARGS, "doors(): where the specification and the lanes are, for generated C"},
    {"places", batch_places, METH_NOARGS, "places(): where in the memory every array begins"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {{"limit", get_limit, set_limit, "steps after which an episode is cut off; 0: never", NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)batch_new},
    {Py_tp_dealloc, (void *)batch_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_bf_getbuffer, (void *)batch_getbuffer},
    {Py_tp_doc, "Batch(address, live, seed, first_id, owner): the lanes of one environment, and their memory"},
    {0, NULL},
};

static PyType_Spec type_spec = {"sqmagic.world._core.Batch", sizeof(Batch), 0, Py_TPFLAGS_DEFAULT, slots};

int sq_add_batch(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &type_spec, NULL);
    const int failed = type ? PyModule_AddObjectRef(module, "Batch", type) : -1;
    Py_XDECREF(type);
    return failed;
}
