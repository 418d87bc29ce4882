/* module.c: the extension `sqmagic.world._core`. Which instruction set is used is found out when it is asked for. */
#include "module.h"
#include "header_text.h"

#include <stdlib.h>

int sq_view_array(PyObject *object, Py_buffer *view, int writable) {
    return PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0));
}

char sq_kind(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (*format == '<' || *format == '=' || *format == '@' || *format == '|') format++;
    return format[0] && !format[1] ? format[0] : '\0';
}

size_t sq_align(size_t bytes) { return (bytes + 63u) & ~(size_t)63u; }

void *sq_allocate(size_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, sq_align(bytes ? bytes : 1))) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(memory, 0, sq_align(bytes ? bytes : 1));
    return memory;
}

void sq_release(void *memory) { free(memory); }

static int runs(const char *isa) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!strcmp(isa, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
               && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2")
               && __builtin_cpu_supports("fma");
    if (!strcmp(isa, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
               && __builtin_cpu_supports("bmi2");
#endif
    return !strcmp(isa, "portable") || !strcmp(isa, "float64");
}

/* {instruction set: {name: address}} of all that this machine runs. */
static PyObject *environments(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *all = PyDict_New();
    for (const sq_entry *entry = sq_entries; all && entry->isa; entry++) {
        if (!runs(entry->isa)) continue;
        PyObject *own = PyDict_GetItemString(all, entry->isa), *address = PyLong_FromVoidPtr((void *)(uintptr_t)entry->spec);
        if (!own && (own = PyDict_New()) != NULL) {
            const int failed = PyDict_SetItemString(all, entry->isa, own);
            Py_DECREF(own); /* the outer dictionary holds it */
            if (failed) own = NULL;
        }
        const int failed = !own || !address || PyDict_SetItemString(own, entry->name, address);
        Py_XDECREF(address);
        if (failed) Py_CLEAR(all);
    }
    return all;
}

static PyMethodDef functions[] = {
    {"environments", environments, METH_NOARGS, "The environments of each instruction set that this machine runs."},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    if (PyModule_AddStringConstant(module, "header", sq_header_text)) return -1;
    if (PyModule_AddIntConstant(module, "abi", SQ_ABI)) return -1;
    return sq_add_batch(module) || sq_add_replay(module) ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "sqmagic.world._core", "Environments and replay buffers in C.", 0, functions, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
