/* acting.h: what a program meets outside while it acts: an environment, its buffers, and chance.

   Rows are those of all examples, [example][component]. What is not asked for is 0. Each environment has a chance of its
   own, which follows from the seed and the number of the environment, and from nothing else. */
#ifndef SQ_ACTING_H
#define SQ_ACTING_H

#include "engine.h"
#include "sq_env.h"

/* Beside what environments and buffers fail with. */
enum { ACTS_FINE = 0, NO_SUCH_ACTION = 100 };

/* A buffer: how rows are put in and drawn, by the functions of who holds it; `reals` is the size of a number. */
typedef struct {
    void *replay;
    int (*put)(void *replay, long count, const void *const *rows, const long *widths, int reals);
    int (*draw)(void *replay, long count, void *const *rows, const long *widths, int reals, const void *how);
    const long *put_widths, *drawn_widths;
    const void *how;
    long count;
} buffer;

/* An episode that ended: after so many steps of all environments, its return and its length. */
typedef struct {
    int64_t step;
    double total;
    int64_t length;
} episode;

/* `totals` and `lengths` are of the episodes that go on; `episodes` has room for all that may end. */
typedef struct {
    const sq_env_spec *spec;
    sq_batch *lanes;
    sq_rng *chance;
    void *actions;
    double *totals;
    int64_t *lengths;
    episode *episodes;
    int64_t ended, steps;
    long greedy;
    buffer *buffers;
} world;

/* The chance of each environment, apart from the environment's own. */
UNUSED void begin_chance(world *w, uint64_t seed)
{
    for (uint32_t i = 0; i < w->lanes->live; i++)
        sq_seed(w->chance + i, sq_mix(seed ^ 0x616374696f6e7321u), w->lanes->first_env_id + i);
}

/* What lanes show as rows of numbers. */
UNUSED static void shown(const world *w, const void *from, real *into)
{
    const sq_env_spec *spec = w->spec;
    const long n = w->lanes->live, pad = w->lanes->n_pad;
    long width = 0;
    for (uint32_t k = 0; k < spec->n_obs; k++) {
        long size = 1;
        for (uint32_t d = 0; d < spec->obs[k].ndim; d++)
            size *= spec->obs[k].shape[d];
        width += size;
    }
    const int block = (spec->obs[0].flags & SQ_BLOCK) != 0;
#define SHOWN(type)                                                                                            \
    for (long i = 0; i < n; i++)                                                                               \
        for (long k = 0; k < width; k++)                                                                       \
            into[i * width + k] = (real)((const type *)from)[block ? i * width + k : k * pad + i];             \
    break
    switch (spec->obs[0].dtype) {
    case SQ_F32: SHOWN(float);
    case SQ_F64: SHOWN(double);
    case SQ_I32: SHOWN(int32_t);
    default: SHOWN(uint8_t);
    }
#undef SHOWN
}

/* Actions as the environment takes them; 0 where one is none of its own. */
UNUSED static int taken(world *w, const real *actions, long width)
{
    const long n = w->lanes->live;
    int fine = 1;
    if (w->spec->flags & SQ_DISCRETE) {
        const real most = (real)w->spec->act[0].high;
        int32_t *into = w->actions;
        for (long i = 0; i < n; i++) {
            const int good = actions[i] >= 0 && actions[i] <= most;
            into[i] = good ? (int32_t)actions[i] : 0;
            fine &= good;
        }
        return fine;
    }
    for (long i = 0; i < n; i++)
        for (long k = 0; k < width; k++) {
            fine &= actions[i * width + k] == actions[i * width + k];
            if (w->spec->flags & SQ_REFERENCE)
                ((double *)w->actions)[k * n + i] = (double)actions[i * width + k];
            else
                ((float *)w->actions)[k * n + i] = (float)actions[i * width + k];
        }
    return fine;
}

/* A step of all environments. `given` takes O, r, d, cut and O'. */
UNUSED static int step_in(world *w, const real *actions, long width, real *const *given)
{
    sq_batch *b = w->lanes;
    const long n = b->live;
    if (!taken(w, actions, width))
        return NO_SUCH_ACTION;
    b->record = 0;
    const int failed = w->spec->steps(b, 1, w->actions);
    if (failed)
        return failed;
    if (given[0])
        shown(w, b->obs, given[0]);
    if (given[4])
        shown(w, b->final_obs, given[4]);
    const int wide = (w->spec->flags & SQ_REFERENCE) != 0;
    const void *rewards = b->rew;
    w->steps += n;
    for (long i = 0; i < n; i++) {
        const double reward = wide ? ((const double *)rewards)[i] : (double)((const float *)rewards)[i];
        const int over = b->term[i], cut = over | b->trunc[i];
        if (given[1])
            given[1][i] = (real)reward;
        if (given[2])
            given[2][i] = (real)over;
        if (given[3])
            given[3][i] = (real)cut;
        w->totals[i] += reward;
        w->lengths[i]++;
        if (cut) {
            w->episodes[w->ended++] = (episode){w->steps, w->totals[i], w->lengths[i]};
            w->totals[i] = 0;
            w->lengths[i] = 0;
        }
    }
    return ACTS_FINE;
}

/* An action for each row of probabilities: the first at which their sum has passed a number from 0 to 1. */
UNUSED static int sample_in(world *w, const real *policy, long width, real *into)
{
    for (long i = 0; i < (long)w->lanes->live; i++) {
        const real *p = policy + i * width;
        if (w->greedy) {
            into[i] = place_of_largest(p, width);
            continue;
        }
        const real drawn = (real)(sq_draw32(w->chance + i) >> 8) * (real)(1.0 / 16777216.0);
        real sum = 0;
        long chosen = 0;
        for (long k = 0; k < width; k++) {
            chosen = p[k] > 0 && sum <= drawn ? k : chosen;
            sum += p[k];
        }
        into[i] = (real)chosen;
    }
    return ACTS_FINE;
}

UNUSED static int eps_greedy_in(world *w, const real *values, long width, real eps, real *into)
{
    for (long i = 0; i < (long)w->lanes->live; i++) {
        into[i] = place_of_largest(values + i * width, width);
        if (w->greedy)
            continue;
        const int any = (real)(sq_draw32(w->chance + i) >> 8) * (real)(1.0 / 16777216.0) < eps;
        const real other = (real)sq_below(w->chance + i, (int32_t)width);
        into[i] = any ? other : into[i];
    }
    return ACTS_FINE;
}

/* Standard normal noise. */
UNUSED static int gauss_in(world *w, long width, real *into)
{
    for (long i = 0; i < (long)w->lanes->live; i++)
        for (long k = 0; k < width; k++)
            into[i * width + k] = w->greedy ? 0 : (real)sq_normal(w->chance + i);
    return ACTS_FINE;
}

/* The same for each example that a buffer draws, of the chance of the first environment. */
UNUSED static int gauss_beside(world *w, long number, long width, real *into)
{
    for (long k = 0; into && k < w->buffers[number].count * width; k++)
        into[k] = w->greedy ? 0 : (real)sq_normal(w->chance);
    return ACTS_FINE;
}

/* Any action; bounds that are infinite count as -1 and 1. */
UNUSED static int behave_in(world *w, long width, real *into)
{
    const sq_field *act = w->spec->act;
    const real low = isfinite(act->low) ? (real)act->low : -1, high = isfinite(act->high) ? (real)act->high : 1;
    for (long i = 0; i < (long)w->lanes->live; i++)
        for (long k = 0; k < width; k++)
            into[i * width + k] = w->spec->flags & SQ_DISCRETE
                ? (real)sq_below(w->chance + i, (int32_t)act->high + 1)
                : low + (high - low) * ((real)(sq_draw32(w->chance + i) >> 8) * (real)(1.0 / 16777216.0));
    return ACTS_FINE;
}

UNUSED static int add_in(world *w, long number, const real *const *rows)
{
    const buffer *b = w->buffers + number;
    return b->put(b->replay, w->lanes->live, (const void *const *)rows, b->put_widths, (int)sizeof(real));
}

UNUSED static int get_in(world *w, long number, real *const *rows)
{
    const buffer *b = w->buffers + number;
    return b->draw(b->replay, b->count, (void *const *)rows, b->drawn_widths, (int)sizeof(real), b->how);
}

#endif
