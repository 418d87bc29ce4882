/* training.h: windows one after the other: acting, learning, and the moves of the weights.

   All memory is the caller's. Optimisers keep what they know where torch keeps it, so that either may go on from the
   other. */
#ifndef SQ_TRAINING_H
#define SQ_TRAINING_H

#include "engine.h"

/* Rows that are computed together fill a tile a few times over; more of them, and what a phase leaves for the next is no
   longer near. */
#define TOGETHER (3 * TALL)

/* How many steps are computed together, of what is in no recurrence. */
INLINE long steps_together(long batch)
{
    return batch < TOGETHER ? TOGETHER / batch : 1;
}

/* Some of the rows from this one on, in parts as equal as can be. */
INLINE share rows_from(long row, long rows)
{
    const long parts = (rows - row + TOGETHER - 1) / TOGETHER;
    return alone(row, parts ? row + (rows - row + parts - 1) / parts : row);
}

UNUSED static double mean_of(const real *rows, long count)
{
    double sum = 0;
    for (long i = 0; i < count; i++)
        sum += (double)rows[i];
    return sum / (double)count;
}

UNUSED static void add_to(real *into, const real *more, long count)
{
    for (long i = 0; i < count; i++)
        into[i] += more[i];
}

/* A parameter with its gradient. `first` and `second` are an optimiser's moments, `moved` how often it has moved;
   `good` has room for the values before the last move. */
typedef struct {
    real *values, *gradient, *first, *second, *good;
    float *moved;
    long count, group;
} parameter;

enum { STAYS = 0, ADAM = 1, SGD = 2 };

/* An optimiser's settings; a `rate` below 0 is that of the run. Of SGD `beta1` is the momentum. */
typedef struct {
    long kind;
    double rate, beta1, beta2, eps;
} group;

/* Parameters of which the length of the gradient, together, is bounded. */
typedef struct {
    const long *members;
    long count;
    double most;
} bound;

/* A slowly moving copy. */
typedef struct {
    real *copied;
    const real *values;
    long count;
    double tau;
} follower;

/* Rows that acting has, where learning wants them. */
typedef struct {
    void *into;
    const void *rows;
    long bytes;
} copy;

typedef struct {
    int (*act)(void *acting);
    void (*go_on)(void *acting);
    void *acting, *learning;
    double (*learn)(void *learning, int kept);
    const int64_t *ended; /* how many episodes have ended, and the totals of these */
    const double *totals; /* three numbers apart */
    parameter *parameters;
    group *groups;
    bound *bounds;
    follower *followers;
    copy *copies;
    const double *rates;  /* one for each window */
    const long *learns;   /* whether it is learned from */
    double *losses, *recent; /* the ring of the last hundred totals */
    long parameter_count, bound_count, follower_count, copy_count, windows, kept, recent_count, recent_at;
    double until; /* the mean of a hundred totals at which it ends; NaN: never */
    long done, learned, failed, stopped;
} training;

/* What a step of Adam is made from, of all parameters with the same settings. */
typedef struct {
    real keep1, keep2, step, root, eps;
} adam_step;

INLINE void adam_some(const parameter *p, const adam_step *a, long i, long n)
{
    const vec x = load(p->gradient + i, n);
    const vec m = load(p->first + i, n) * a->keep1 + x * (1 - a->keep1);
    const vec v = load(p->second + i, n) * a->keep2 + x * x * (1 - a->keep2);
    store(p->first + i, m, n);
    store(p->second + i, v, n);
    store(p->values + i, load(p->values + i, n) - a->step * m / (square_root(v) * a->root + a->eps), n);
}

UNUSED static void adam(const parameter *p, const group *g, double rate)
{
    const double moved = (double)++*p->moved;
    const adam_step a = {(real)g->beta1, (real)g->beta2, (real)(rate / (1 - pow(g->beta1, moved))),
                         (real)(1 / sqrt(1 - pow(g->beta2, moved))), (real)g->eps};
    const long whole_vectors = p->count / LANES * LANES;
    for (long i = 0; i < whole_vectors; i += LANES)
        adam_some(p, &a, i, LANES);
    if (whole_vectors < p->count)
        adam_some(p, &a, whole_vectors, p->count - whole_vectors);
}

UNUSED static void sgd(const parameter *p, const group *g, double rate)
{
    const real by = (real)rate, keep = (real)g->beta1;
    const int first = !*p->moved;
    *p->moved = 1;
    for (long i = 0; i < p->count; i++) {
        real x = p->gradient[i];
        if (keep != 0)
            x = p->first[i] = first ? x : keep * p->first[i] + x;
        p->values[i] -= by * x;
    }
}

UNUSED static void bounded(const training *r, const bound *b)
{
    double sum = 0;
    for (long k = 0; k < b->count; k++) {
        const parameter *p = r->parameters + b->members[k];
        for (long i = 0; i < p->count; i++)
            sum += (double)p->gradient[i] * (double)p->gradient[i];
    }
    const double by = b->most / (sqrt(sum) + 1e-6);
    for (long k = 0; by < 1 && k < b->count; k++) {
        const parameter *p = r->parameters + b->members[k];
        for (long i = 0; i < p->count; i++)
            p->gradient[i] *= (real)by;
    }
}

UNUSED static void move(const training *r, double rate)
{
    for (long k = 0; k < r->bound_count; k++)
        bounded(r, r->bounds + k);
    for (long k = 0; k < r->parameter_count; k++) {
        const parameter *p = r->parameters + k;
        const group *g = r->groups + p->group;
        const double own = g->rate < 0 ? rate : g->rate;
        if (g->kind == ADAM)
            adam(p, g, own);
        else if (g->kind == SGD)
            sgd(p, g, own);
    }
    for (long k = 0; k < r->follower_count; k++) {
        const follower *f = r->followers + k;
        const real by = (real)f->tau;
        for (long i = 0; i < f->count; i += LANES) {
            const long n = least(LANES, f->count - i);
            const vec x = load(f->copied + i, n);
            store(f->copied + i, x + by * (load(f->values + i, n) - x), n);
        }
    }
}

/* Keeps the weights, or goes back to those that were kept. */
UNUSED static void keep(const training *r, int back)
{
    for (long k = 0; k < r->parameter_count; k++) {
        const parameter *p = r->parameters + k;
        memcpy(back ? p->values : p->good, back ? p->good : p->values, sizeof(real) * (size_t)p->count);
    }
}

/* Whether the last hundred episodes are good enough; `before` episodes had been counted. */
UNUSED static int is_enough(training *r, int64_t before)
{
    for (int64_t k = before; k < *r->ended; k++) {
        r->recent[r->recent_at] = r->totals[3 * k];
        r->recent_at = (r->recent_at + 1) % 100;
        r->recent_count += r->recent_count < 100;
    }
    double sum = 0;
    for (long k = 0; k < 100; k++)
        sum += r->recent[(r->recent_at + k) % 100];
    return r->recent_count == 100 && sum / 100 >= r->until;
}

/* Windows until there are enough, or one fails, or the loss of one is not finite. */
UNUSED void train(training *r)
{
    while (r->done < r->windows) {
        const int64_t before = *r->ended;
        if (r->done)
            r->go_on(r->acting);
        if ((r->failed = r->act(r->acting)))
            return;
        const double rate = r->rates[r->done];
        const int learns = r->learns[r->done] != 0;
        r->done++;
        if (learns) {
            for (long k = 0; k < r->copy_count; k++)
                memcpy(r->copies[k].into, r->copies[k].rows, (size_t)r->copies[k].bytes);
            const double loss = r->learn(r->learning, (int)r->kept);
            if (!isfinite(loss)) {
                keep(r, 1);
                r->losses[r->learned] = loss;
                r->stopped = 1;
                return;
            }
            keep(r, 0);
            move(r, rate);
            r->losses[r->learned++] = loss;
        }
        if (is_enough(r, before))
            return;
    }
}

#endif
