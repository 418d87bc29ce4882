#include "module.h"
int sq_add_replay(PyObject *module){(void)module;return 0;}
