/* threads.h: what each thread computes, and how they wait for each other. */
#ifndef SQ_THREADS_H
#define SQ_THREADS_H

#include "products.h"

/* --- threads ---------------------------------------------------------------------------------------------------- */

INLINE long greatest(long a, long b)
{
    return a > b ? a : b;
}

INLINE long least(long a, long b)
{
    return a < b ? a : b;
}

/* What one thread computes: examples from row to row_end; of a phase's blocks of units, every one or its share. */
typedef struct {
    int number, threads;
    int by_units; /* the threads share the units, and wait for each other after each phase */
    long row, row_end;
    long each, fuller; /* a block has so many examples, the first few of them one more */
    int freely; /* of the units the last are computed by whichever thread comes first */
    struct barrier *barrier;
} share;

/* How many groups of a phase may be shared freely. */
#define FREE_GROUPS 4

typedef struct barrier {
    int threads;
    int waiting __attribute__((aligned(64)));
    int round __attribute__((aligned(64)));
    long taken[FREE_GROUPS] __attribute__((aligned(64))); /* of each group's last blocks, since the threads met */
    int idle __attribute__((aligned(64))); /* threads that have no examples left */
    int working; /* threads that have some, and what is handed over and not taken yet */
    int offer; /* NONE, or how far it is */
    long row, row_end, t; /* what is offered: examples, and the step that comes next */
} barrier;

enum { NONE, MADE, THERE, TAKEN };

INLINE barrier barrier_of(int threads)
{
    return (barrier){.threads = threads, .working = threads};
}

INLINE void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#else
#define sched_yield() ((void)0)
#endif

/* While a thread waits: to others on the same core, and where it takes long to other programs. */
INLINE void give_way(int *turns)
{
    relax();
    if (*turns > 1000) {
        sched_yield();
        *turns = 0;
    }
}

/* Waits until all threads have come. */
UNUSED static void meet(const share *s)
{
    if (s->threads == 1)
        return;
    barrier *b = s->barrier;
    const int round = __atomic_load_n(&b->round, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&b->waiting, 1, __ATOMIC_ACQ_REL) == b->threads) {
        for (int group = 0; group < FREE_GROUPS; group++)
            __atomic_store_n(b->taken + group, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->waiting, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->round, round + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int turns = 0; __atomic_load_n(&b->round, __ATOMIC_ACQUIRE) == round; turns++)
        give_way(&turns);
}

/* The first of the blocks of a thread; the next thread's first is its end. */
INLINE long first_block(const share *s, long blocks, int next)
{
    return s->by_units ? blocks * (s->number + next) / s->threads : next ? blocks : 0;
}

INLINE long held_rows(const share *s)
{
    return s->row_end - s->row;
}

/* A thread's examples are computed in blocks of at most ROWS, as equal as can be. */
INLINE long blocks_of(const share *s)
{
    return (held_rows(s) + ROWS - 1) / ROWS;
}

INLINE long row_of(const share *s, long block)
{
    return s->row + block * s->each + (block < s->fuller ? block : s->fuller);
}

/* The share with these examples, in blocks. */
INLINE share with_rows(share s, long row, long row_end)
{
    s.row = row, s.row_end = row_end;
    const long blocks = blocks_of(&s);
    s.each = blocks ? held_rows(&s) / blocks : 0;
    s.fuller = held_rows(&s) - blocks * s.each;
    return s;
}

/* Before step t: half of a thread's examples for one that has none left, if there is one; as few as these stay together.
   What else a core has to do differs, so that some threads are done long before others. */
INLINE void hand_over(share *mine, long t, long few)
{
    barrier *b = mine->barrier;
    int none = NONE;
    if (mine->threads == 1 || mine->by_units || held_rows(mine) < 2 * few
        || !__atomic_load_n(&b->idle, __ATOMIC_RELAXED)
        || !__atomic_compare_exchange_n(&b->offer, &none, MADE, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    b->row = mine->row_end - held_rows(mine) / 2, b->row_end = mine->row_end, b->t = t;
    *mine = with_rows(*mine, mine->row, b->row);
    __atomic_add_fetch(&b->working, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&b->offer, THERE, __ATOMIC_RELEASE);
}

/* For a thread that has no examples left: some of another's, and the step that comes next; 0 when all are done. */
UNUSED static int take_over(share *mine, long *t)
{
    barrier *b = mine->barrier;
    if (mine->threads == 1 || mine->by_units)
        return 0;
    __atomic_sub_fetch(&b->working, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&b->idle, 1, __ATOMIC_RELAXED);
    int taken = 0;
    for (int turns = 0; __atomic_load_n(&b->working, __ATOMIC_RELAXED); turns++) {
        int there = THERE;
        taken = __atomic_load_n(&b->offer, __ATOMIC_RELAXED) == THERE
            && __atomic_compare_exchange_n(&b->offer, &there, TAKEN, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
        if (taken)
            break;
        give_way(&turns);
    }
    __atomic_sub_fetch(&b->idle, 1, __ATOMIC_RELAXED);
    if (taken) {
        *mine = with_rows(*mine, b->row, b->row_end), *t = b->t;
        __atomic_store_n(&b->offer, NONE, __ATOMIC_RELEASE);
    }
    return taken;
}

/* All that one thread computes alone. */
INLINE share alone(long row, long row_end)
{
    return with_rows((share){0, 1, 0, 0, 0, 0, 0, 0, 0}, row, row_end);
}

/* Numbers that the cache next to a core does not hold. */
#ifndef FAR
#define FAR ((1L << 19) / (long)sizeof(real))
#endif

/* A thread's share: of the batch while each thread keeps 16 examples or more, or one where there are no weights that more
   would share, else of the units. Then, where the weights are far from every core, the units are shared in part freely:
   what else a core has to do differs, and its cache holds none of them from step to step. */
UNUSED static share share_of(int number, int threads, long batch, long weights, barrier *b)
{
    const int by_units = threads > 1 && batch / threads < (weights ? 16 : 1);
    const int freely = by_units && weights / threads > FAR;
    const long first = by_units ? 0 : batch * number / threads, end = by_units ? batch : batch * (number + 1) / threads;
    return with_rows((share){number, threads, by_units, 0, 0, 0, 0, freely, b}, first, end);
}

/* How many blocks of units are computed before the lines on what they gave: of few examples as many as a tile holds. */
INLINE long near_blocks(const share *s)
{
    const long held = held_rows(s);
    return held < 1 || held > TALL ? 1 : TALL / held;
}

/* Blocks of units that are computed together: `near` of them from `block` on; of its own there are more before `end`. */
typedef struct {
    long block, near, end;
} run_of_blocks;

INLINE int is_free(const share *s, int group)
{
    return s->freely && group < FREE_GROUPS;
}

/* What comes before a thread's first: of a quarter of all blocks it is not said yet whose they are, if they are shared
   freely. */
INLINE run_of_blocks before_blocks(const share *s, long blocks, int group)
{
    const long own = is_free(s, group) ? blocks - blocks / 4 : blocks;
    return (run_of_blocks){first_block(s, own, 0), 0, first_block(s, own, 1)};
}

/* Goes on to a thread's next blocks, at most so many, of a group of the phase; 0 if there are none. */
INLINE int next_blocks(const share *s, long blocks, long most, int group, run_of_blocks *at)
{
    const long first = at->block + at->near;
    if (first < at->end) {
        *at = (run_of_blocks){first, least(most, at->end - first), at->end};
        return 1;
    }
    if (!is_free(s, group))
        return 0;
    const long taken = __atomic_fetch_add(s->barrier->taken + group, most, __ATOMIC_RELAXED);
    const long next = blocks - blocks / 4 + taken;
    *at = (run_of_blocks){next, least(most, blocks - next), next};
    return next < blocks;
}

/* Pieces of work, counted through, which threads share freely where there are enough of them: `mine` is a thread's next,
   drawn as it comes to it. Where they are not, each goes through its own alone. */
typedef struct {
    long *taken; /* by all threads, or 0 */
    long piece, mine;
} pieces;

/* How many there must be for each thread. */
#ifndef ENOUGH
#define ENOUGH 4
#endif

INLINE pieces pieces_of(const share *me, long count)
{
    return (pieces){me->threads > 1 && count >= ENOUGH * me->threads ? me->barrier->taken : 0, 0, -1};
}

/* Whether the next piece is this thread's. */
INLINE int is_mine(pieces *p)
{
    if (!p->taken)
        return 1;
    if (p->mine < p->piece)
        p->mine = __atomic_fetch_add(p->taken, 1, __ATOMIC_RELAXED);
    return p->piece++ == p->mine;
}

/* The most examples that a thread may hold, however many threads there will be. */
INLINE long most_rows(long batch, int threads)
{
    return threads > 1 && batch / threads >= 16 ? batch / threads + 1 : batch;
}

/* The first of the examples whose rows a thread puts somewhere; the next thread's first is its end. */
INLINE long first_example(const share *me, long batch, int next)
{
    return me->by_units ? batch * (me->number + next) / me->threads : next ? me->row_end : me->row;
}

/* A row of a plane of so many, of the examples that have so many steps, or fewer; of all without `lengths`: what is given
   for each example, or zeros. */
UNUSED static void end_row(const share *me, long batch, const long *lengths, long steps, int fewer, real *rows,
                           long count, long row, long width, const real *given, long apart)
{
    for (long b = first_example(me, batch, 0); rows && b < first_example(me, batch, 1); b++) {
        if (lengths && (fewer ? lengths[b] > steps : lengths[b] != steps))
            continue;
        real *place = rows + (row % count * batch + b) * width;
        if (given)
            memcpy(place, given + b * apart, sizeof(real) * (size_t)width);
        else
            memset(place, 0, sizeof(real) * (size_t)width);
    }
}

/* A row beside the steps. */
UNUSED static void begin_row(const share *me, long batch, real *rows, long count, long row, long width, const real *given,
                             long apart)
{
    end_row(me, batch, 0, 0, 0, rows, count, row, width, given, apart);
}

/* --- examples that end before others ----------------------------------------------------------------------------- */

/* Whether any example has so many steps. */
UNUSED static int some_have(const long *lengths, long batch, long steps)
{
    for (long b = 0; b < batch; b++)
        if (lengths[b] == steps)
            return 1;
    return 0;
}

/* Of the examples that have so many steps the first of two rows, which later steps overwrite, is kept in the second. */
UNUSED static void keep_row(const share *me, long batch, const long *lengths, long steps, real *rows, long width)
{
    for (long b = first_example(me, batch, 0); rows && b < first_example(me, batch, 1); b++)
        if (lengths[b] == steps)
            memcpy(rows + (batch + b) * width, rows + b * width, sizeof(real) * (size_t)width);
}

/* Calls `work` on as many threads, for which so many numbers are packed as weights. */
typedef void work(void *task, const share *s);

#if defined(_OPENMP)
#include <omp.h>
UNUSED static void together(work *each, void *task, int threads, long batch, long weights)
{
    barrier b = barrier_of(threads);
    if (threads <= 1) {
        const share s = share_of(0, 1, batch, weights, &b);
        each(task, &s);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        /* there may be fewer than were asked for */
        const int there = omp_get_num_threads();
#pragma omp single
        b = barrier_of(there);
        const share s = share_of(omp_get_thread_num(), there, batch, weights, &b);
        each(task, &s);
    }
}
#elif defined(SQ_PTHREADS)
#include <pthread.h>
typedef struct {
    work *each;
    void *task;
    share s;
} thread_work;
static void *thread_runs(void *given)
{
    thread_work *w = given;
    w->each(w->task, &w->s);
    return NULL;
}
UNUSED static void together(work *each, void *task, int threads, long batch, long weights)
{
    barrier b = barrier_of(1);
    pthread_t ids[64];
    thread_work works[64];
    threads = threads > 64 ? 64 : threads < 1 ? 1 : threads;
    b = barrier_of(threads);
    for (int i = 0; i < threads; i++)
        works[i] = (thread_work){each, task, share_of(i, threads, batch, weights, &b)};
    int started = 1;
    while (started < threads && !pthread_create(&ids[started], NULL, thread_runs, &works[started]))
        started++;
    if (started < threads)
        __builtin_trap();
    thread_runs(&works[0]);
    for (int i = 1; i < started; i++)
        pthread_join(ids[i], NULL);
}
#else
UNUSED static void together(work *each, void *task, int threads, long batch, long weights)
{
    (void)threads;
    barrier b = barrier_of(1);
    const share s = share_of(0, 1, batch, weights, &b);
    each(task, &s);
}
#endif

#endif
