/* sq_env.h: what an environment is to whoever runs it, and what its author may use. Version 1.
 *
 * An author writes `reset`, `step` and `obs` for one environment; sqmagic generates from them and from the declaration
 * one `sq_env_spec`, whose functions work on a batch of lanes. Plain C11: no globals, no allocation, no exit, no output.
 * The caller owns all memory. `real` is float; in the reference build (-DSQ_DOUBLE) it is double. */
#ifndef SQ_ENV_H
#define SQ_ENV_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tgmath.h>

#define SQ_ABI 1u
#define SQ_LANES 16u /* a row holds a multiple of this many lanes */

#ifdef SQ_DOUBLE
typedef double real;
#define SQ_REAL SQ_F64
#define SQ_BUILD SQ_REFERENCE
#else
typedef float real;
#define SQ_REAL SQ_F32
#define SQ_BUILD 0
#endif

#define SQ_INLINE static inline __attribute__((always_inline, unused))
#ifdef __clang__
#define SQ_LOOP _Pragma("clang loop vectorize(assume_safety)")
#define SQ_ONCE static __attribute__((noinline)) /* a function of which there is one copy: it takes long to compile */
#else
#define SQ_LOOP _Pragma("GCC ivdep")
#define SQ_ONCE static __attribute__((noipa))
#endif

/* --- the binary interface ----------------------------------------------------------------------------------------- */

enum { SQ_F32 = 1, SQ_F64 = 2, SQ_I32 = 3, SQ_U8 = 4 };              /* sq_field.dtype */
enum { SQ_BLOCK = 1 };                                               /* sq_field.flags */
enum { SQ_DISCRETE = 1, SQ_REFERENCE = 2, SQ_IMAGE = 4 };            /* sq_env_spec.flags */
enum { SQ_OK = 0, SQ_BUSY = 1, SQ_NO_LANES = 2, SQ_NO_ABI = 3 };     /* what the functions of a spec give */

struct sq_batch;
typedef struct sq_canvas sq_canvas;

/* PCG32 (O'Neill 2014, XSH RR 64/32). */
typedef struct {
    uint64_t state, increment;
} sq_rng;

/* A named part of the state, the observation, the action or the parameters. Its elements are rows of n_pad lanes, one
 * after the other; with SQ_BLOCK the elements of one lane lie together, [n_pad][size]. A discrete action is one I32
 * from 0 to `high`. Of a parameter, `offset` is its place in the struct. */
typedef struct {
    const char *name;
    uint32_t dtype, ndim, shape[4];
    double low, high;
    uint32_t flags, offset;
} sq_field;

/* Finished episodes of a batch; entry (episodes - 1) % 100 of the two rings is the newest. */
typedef struct {
    uint64_t steps, episodes;
    double return_sum, length_sum;
    double last_returns[100], last_lengths[100];
} sq_stats;

/* One environment. `steps` runs k steps in one call, its actions one step after the other. */
typedef struct {
    uint32_t struct_size, abi;
    const char *name;
    uint32_t n_state, n_obs, n_act, n_param;
    const sq_field *state, *obs, *act, *param;
    uint32_t limit, flags, param_size, state_size;
    const void *param_default;
    int (*reset)(struct sq_batch *, const uint8_t *mask /* NULL: all */);
    int (*step)(struct sq_batch *, uint32_t first, uint32_t end); /* first: a multiple of SQ_LANES */
    int (*steps)(struct sq_batch *, uint32_t k, const void *act);
    int (*draw)(const struct sq_batch *, uint32_t lane, sq_canvas *); /* NULL where the author drew nothing */
} sq_env_spec;

/* A batch of n lanes, n a power of two, of which the first `live` are used. Every pointer is to rows of n_pad lanes,
 * 64-byte aligned. After a step, rew, term, trunc and final_obs are of the transition; obs already opens the next
 * episode where term or trunc is set, and equals final_obs elsewhere. Where an episode ended, done_return and
 * done_length are its own. With `record` the outputs of step j of `steps` lie j whole batches further on.
 * One thread at a time may work on a lane: `busy` has a bit for each 64th of the lanes (see sq_share). */
typedef struct sq_batch {
    uint32_t struct_size, n, n_pad, live, limit, record;
    uint64_t busy;
    void **state;
    sq_rng *rng;
    int32_t *t;
    real *ret;
    const void *act;
    void *obs;
    real *rew;
    uint8_t *term, *trunc;
    void *final_obs;
    real *done_return;
    int32_t *done_length;
    const void *param;
    uint64_t seed, first_env_id;
    sq_stats *stats;
} sq_batch;

/* --- chance ------------------------------------------------------------------------------------------------------- */

SQ_INLINE uint32_t sq_draw32(sq_rng *rng) {
    const uint64_t old = rng->state;
    rng->state = old * 6364136223846793005u + rng->increment;
    const uint32_t mixed = (uint32_t)(((old >> 18) ^ old) >> 27), turn = (uint32_t)(old >> 59);
    return (mixed >> turn) | (mixed << ((0u - turn) & 31u));
}

/* From low, included, to high: 24 bits, so that float and double builds draw the same number. */
SQ_INLINE real sq_uniform(sq_rng *rng, real low, real high) {
    return low + (high - low) * ((real)(int32_t)(sq_draw32(rng) >> 8) * (real)(1.0 / 16777216.0));
}

/* A whole number from 0 to n - 1, each as likely to 1 in 2^32 (Lemire 2019, without the rejection). */
SQ_INLINE int32_t sq_below(sq_rng *rng, int32_t n) {
    return (int32_t)(((uint64_t)sq_draw32(rng) * (uint64_t)(uint32_t)n) >> 32);
}

SQ_INLINE int32_t sq_chance(sq_rng *rng, real probability) {
    return sq_uniform(rng, (real)0, (real)1) < probability;
}

SQ_INLINE uint64_t sq_mix(uint64_t x) { /* splitmix64 (Steele, Lea, Flood 2014) */
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The generator of environment `id`: of nothing but the two numbers. */
SQ_INLINE void sq_seed(sq_rng *rng, uint64_t seed, uint64_t id) {
    rng->increment = (id << 1) | 1u;
    rng->state = sq_mix(seed ^ sq_mix(id));
    sq_draw32(rng);
}

/* --- functions of real numbers ------------------------------------------------------------------------------------ */
/* Written so that a loop over lanes becomes vector instructions on any machine, with the same result on all of them:
 * no calls, no branches, no conversions. In the reference build they are the C library's. */

#ifdef SQ_DOUBLE
SQ_INLINE real sq_sin(real x) { return sin(x); }
SQ_INLINE real sq_cos(real x) { return cos(x); }
SQ_INLINE real sq_exp(real x) { return exp(x); }
SQ_INLINE real sq_log(real x) { return log(x); }
SQ_INLINE real sq_floor(real x) { return floor(x); }
#else
typedef union {
    float value;
    uint32_t bits;
} sq_float;

/* Sine and cosine at once, to 1e-7 for |x| < 8000 (Cephes' polynomials; the quarter turns are counted in the last bits
 * of x * 2/pi + 1.5 * 2^23). */
SQ_INLINE void sq_sincos(float x, float *sine, float *cosine) {
    const sq_float turned = {x * 0.636619772f + 12582912.0f};
    const float whole = turned.value - 12582912.0f;
    float r = x - whole * 1.5703125f;
    r -= whole * 4.837512969970703e-4f;
    r -= whole * 7.54978995489188e-8f;
    const float r2 = r * r;
    const sq_float s = {r + r * r2 * (-1.6666654611e-1f + r2 * (8.3321608736e-3f + r2 * -1.9515295891e-4f))};
    const sq_float c = {1.0f - 0.5f * r2
                        + r2 * r2 * (4.166664568298827e-2f + r2 * (-1.388731625493765e-3f + r2 * 2.443315711809948e-5f))};
    const uint32_t swap = 0u - (turned.bits & 1u);
    sq_float a, b;
    a.bits = ((s.bits & ~swap) | (c.bits & swap)) ^ ((turned.bits & 2u) << 30);
    b.bits = ((c.bits & ~swap) | (s.bits & swap)) ^ (((turned.bits + 1u) & 2u) << 30);
    *sine = a.value;
    *cosine = b.value;
}
SQ_INLINE float sq_sin(float x) {
    float s, c;
    sq_sincos(x, &s, &c);
    return s;
}
SQ_INLINE float sq_cos(float x) {
    float s, c;
    sq_sincos(x, &s, &c);
    return c;
}
/* For |x| < 2^22; larger numbers have no parts smaller than a half and are given back. */
SQ_INLINE float sq_floor(float x) {
    const float near = (x + 12582912.0f) - 12582912.0f;
    const float below = near - (near > x ? 1.0f : 0.0f);
    return fabs(x) < 4194304.0f ? below : x;
}
/* To 2e-7, relative; 0 below -87, and no larger than at 88 (Cephes' expf). */
SQ_INLINE float sq_exp(float x) {
    const float held = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    const sq_float turned = {held * 1.44269504f + 12582912.0f};
    const float whole = turned.value - 12582912.0f;
    const float r = (held - whole * 0.693359375f) + whole * 2.12194440e-4f;
    const float p = 1.0f + r + r * r * (0.5f + r * (1.6666665459e-1f + r * (4.1665795894e-2f
                    + r * (8.3334519073e-3f + r * (1.3981999507e-3f + r * 1.9875691500e-4f)))));
    const sq_float power = {.bits = (turned.bits + 127u) << 23};
    return x < -87.0f ? 0.0f : p * power.value;
}
/* To 2e-7 for normal x > 0 (Cephes' logf). */
SQ_INLINE float sq_log(float x) {
    const sq_float given = {x};
    const uint32_t shifted = given.bits - 0x3f3504f3u; /* the bits of sqrt(1/2) */
    const sq_float mantissa = {.bits = (shifted & 0x007fffffu) + 0x3f3504f3u};
    const float power = (float)((int32_t)shifted >> 23), r = mantissa.value - 1.0f, r2 = r * r;
    const float p = 3.3333331174e-1f + r * (-2.4999993993e-1f + r * (2.0000714765e-1f + r * (-1.6668057665e-1f
                    + r * (1.4249322787e-1f + r * (-1.2420140846e-1f + r * (1.1676998740e-1f
                    + r * (-1.1514610310e-1f + r * 7.0376836292e-2f)))))));
    return (r + (r2 * r * p - 0.5f * r2 - power * 2.12194440e-4f)) + power * 0.693359375f;
}
#endif

SQ_INLINE real sq_min(real x, real y) { return x < y ? x : y; }
SQ_INLINE real sq_max(real x, real y) { return x > y ? x : y; }
SQ_INLINE real sq_clip(real x, real low, real high) { return sq_min(sq_max(x, low), high); }
/* x, less whole turns, from low to high. */
SQ_INLINE real sq_wrap(real x, real low, real high) {
    return x - (high - low) * sq_floor((x - low) / (high - low));
}
/* One number of the standard normal distribution (Box and Muller 1958). */
SQ_INLINE real sq_normal(sq_rng *rng) {
    const real u = (real)1 - sq_uniform(rng, (real)0, (real)1), v = sq_uniform(rng, (real)0, (real)6.283185307179586);
    return sqrt((real)-2 * sq_log(u)) * sq_cos(v);
}

#ifdef SQ_AUTHOR /* in an author's text the C library's names mean these */
#undef sin
#undef cos
#undef exp
#undef log
#undef floor
#undef fmin
#undef fmax
#define sin(x) sq_sin(x)
#define cos(x) sq_cos(x)
#define exp(x) sq_exp(x)
#define log(x) sq_log(x)
#define floor(x) sq_floor(x)
#define fmin(x, y) sq_min(x, y)
#define fmax(x, y) sq_max(x, y)
#endif

/* --- pictures ----------------------------------------------------------------------------------------------------- */

/* A picture [height][width][3], seen through a window of the author's own units, y upwards. */
struct sq_canvas {
    uint8_t *rgb;
    uint32_t width, height;
    float left, bottom, per_x, per_y; /* pixels to a unit */
};

SQ_INLINE void sq_view(sq_canvas *c, double left, double bottom, double right, double top) {
    c->left = (float)left;
    c->bottom = (float)bottom;
    c->per_x = (float)((double)c->width / (right - left));
    c->per_y = (float)((double)c->height / (top - bottom));
}

SQ_INLINE void sq_blend(sq_canvas *c, int32_t x, int32_t y, float cover, uint32_t colour) {
    if (x < 0 || y < 0 || x >= (int32_t)c->width || y >= (int32_t)c->height || !(cover > 0.0f)) return;
    uint8_t *pixel = c->rgb + 3 * ((size_t)y * c->width + (size_t)x);
    const float share = cover > 1.0f ? 1.0f : cover;
    for (int32_t k = 0; k < 3; k++) {
        const float ink = (float)((colour >> (16 - 8 * k)) & 255u);
        pixel[k] = (uint8_t)((float)pixel[k] + share * (ink - (float)pixel[k]) + 0.5f);
    }
}

SQ_INLINE int32_t sq_pixel(float at, uint32_t size) { return (int32_t)(at < -1.0f ? -1.0f : at > (float)size ? (float)size : at); }

/* A line with round ends; from a point to itself it is a disc. The width is in units of x. Edges are smooth. */
static inline __attribute__((unused)) void sq_line(sq_canvas *c, double x0, double y0, double x1, double y1, double width,
                                                   uint32_t colour) {
    const float ax = ((float)x0 - c->left) * c->per_x, bx = ((float)x1 - c->left) * c->per_x;
    const float ay = (float)c->height - ((float)y0 - c->bottom) * c->per_y;
    const float by = (float)c->height - ((float)y1 - c->bottom) * c->per_y;
    const float half = 0.5f * (float)width * c->per_x, dx = bx - ax, dy = by - ay, length2 = dx * dx + dy * dy;
    const int32_t left = sq_pixel((ax < bx ? ax : bx) - half - 1.0f, c->width), top = sq_pixel((ay < by ? ay : by) - half - 1.0f, c->height);
    const int32_t right = sq_pixel((ax < bx ? bx : ax) + half + 1.0f, c->width), low = sq_pixel((ay < by ? by : ay) + half + 1.0f, c->height);
    for (int32_t y = top; y <= low; y++)
        for (int32_t x = left; x <= right; x++) {
            const float px = (float)x + 0.5f - ax, py = (float)y + 0.5f - ay;
            const float along = length2 > 0.0f ? (px * dx + py * dy) / length2 : 0.0f;
            const float held = along < 0.0f ? 0.0f : along > 1.0f ? 1.0f : along;
            const float qx = px - held * dx, qy = py - held * dy;
            sq_blend(c, x, y, half + 0.5f - sqrtf(qx * qx + qy * qy), colour);
        }
}

static inline __attribute__((unused)) void sq_disc(sq_canvas *c, double x, double y, double radius, uint32_t colour) {
    sq_line(c, x, y, x, y, 2.0 * radius, colour);
}

static inline __attribute__((unused)) void sq_box(sq_canvas *c, double x0, double y0, double x1, double y1, uint32_t colour) {
    const float left = ((float)x0 - c->left) * c->per_x, right = ((float)x1 - c->left) * c->per_x;
    const float low = (float)c->height - ((float)y0 - c->bottom) * c->per_y;
    const float top = (float)c->height - ((float)y1 - c->bottom) * c->per_y;
    for (int32_t y = sq_pixel(top, c->height); y <= sq_pixel(low, c->height); y++)
        for (int32_t x = sq_pixel(left, c->width); x <= sq_pixel(right, c->width); x++) {
            const float w = sq_min((real)right, (real)x + 1) - sq_max((real)left, (real)x);
            const float h = sq_min((real)low, (real)y + 1) - sq_max((real)top, (real)y);
            sq_blend(c, x, y, w > 0.0f && h > 0.0f ? w * h : 0.0f, colour);
        }
}

/* --- what generated batch layers share ---------------------------------------------------------------------------- */

/* The bits of lanes [first, end): blocks of 16 lanes, or of n/64 where that is more. Blocks that two calls touch are
 * theirs one after the other. */
SQ_INLINE uint64_t sq_share(const sq_batch *b, uint32_t first, uint32_t end) {
    const uint32_t block = b->n / 64u > SQ_LANES ? b->n / 64u : SQ_LANES;
    const uint32_t low = first / block, high = (end - 1u) / block;
    return (~(uint64_t)0 >> (63u - (high - low))) << low;
}

/* Takes lanes for this thread; 0 where another has one of them. */
SQ_INLINE int sq_take(sq_batch *b, uint64_t bits) {
    const uint64_t before = __atomic_fetch_or(&b->busy, bits, __ATOMIC_ACQUIRE);
    if (__builtin_expect((before & bits) == 0, 1)) return 1;
    __atomic_fetch_and(&b->busy, ~(bits & ~before), __ATOMIC_RELEASE);
    return 0;
}

SQ_INLINE void sq_give(sq_batch *b, uint64_t bits) { __atomic_fetch_and(&b->busy, ~bits, __ATOMIC_RELEASE); }

/* Which of the 64 lanes from i on, but before end, ended their episodes in this step: bit k is lane i + k. Bytes are 0 or
 * 1; eight at a time are gathered by one multiplication, without branches. */
SQ_INLINE uint64_t sq_ended(const sq_batch *b, uint32_t i, uint32_t end) {
    const uint32_t left = end - i, words = left < 64u ? (left + 7u) / 8u : 8u;
    uint64_t ended = 0;
    for (uint32_t k = 0; k < words; k++) {
        uint64_t terms, truncs;
        memcpy(&terms, b->term + i + 8u * k, 8);
        memcpy(&truncs, b->trunc + i + 8u * k, 8);
        ended |= (((terms | truncs) * 0x0102040810204080u) >> 56) << (8u * k);
    }
    return left < 64u ? ended & (((uint64_t)1 << left) - 1u) : ended;
}

/* The statistics of one episode that ended. */
SQ_INLINE void sq_count(sq_batch *b, uint32_t i) {
    sq_stats *s = b->stats;
    const size_t at = (size_t)(s->episodes++ % 100u);
    s->last_returns[at] = (double)b->done_return[i];
    s->last_lengths[at] = (double)b->done_length[i];
    s->return_sum += (double)b->done_return[i];
    s->length_sum += (double)b->done_length[i];
}

/* Counts a step that was made of parts, in the order of the lanes whatever threads made it. */
static inline __attribute__((unused)) void sq_count_all(sq_batch *b) {
    b->stats->steps += b->live;
    for (uint32_t i = 0; i < b->live; i += 64u)
        for (uint64_t ended = sq_ended(b, i, b->live); ended; ended &= ended - 1u) sq_count(b, i + (uint32_t)__builtin_ctzll(ended));
}

#endif
