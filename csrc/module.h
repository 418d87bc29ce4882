/* module.h: what the files of the extension share. Only Python's stable interface is used, so one wheel serves all. */
#ifndef SQ_MODULE_H
#define SQ_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "sq_env.h"

/* For a function whose loops are the better for wider instructions: one copy for each, chosen as the library is loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && __GNUC__ >= 12
#define SQ_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SQ_CLONES
#endif

typedef struct {
    const char *isa, *name;
    const sq_env_spec *spec;
} sq_entry;

extern const sq_entry sq_entries[]; /* generated: every environment for every instruction set; ends with a NULL isa */

int sq_add_batch(PyObject *module);
int sq_add_replay(PyObject *module);

/* A buffer as an array: NULL format means bytes. */
int sq_view_array(PyObject *object, Py_buffer *view, int writable);
char sq_kind(const Py_buffer *view); /* the format's letter without its order mark */
size_t sq_align(size_t bytes);
void *sq_allocate(size_t bytes); /* 64-byte aligned and zeroed; sets MemoryError */
void sq_release(void *memory);

#endif
