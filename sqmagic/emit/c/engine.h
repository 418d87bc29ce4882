/* engine.h: what the generated scans are made of.

   A scan computes one step after the other. A step is a few phases; a phase is a set of matrix products whose operands
   are known, and then element-wise lines on what they gave. Units (components of a state) are computed by the block of
   LANES, so that a block's products are still in the nearest cache when its lines read them.

   panel   the weights of a block of units, packed once a call: first the biases, then for each component of the
           operands one vector for each product
   part    the rows of an operand, packed for a block of at most ROWS examples: [component][example]
   tile    the products of a block of examples and units: [product][example][LANE]

   Plain C11 with the vector extensions of GCC and Clang. Nothing is allocated, nothing is global; the caller owns all
   memory. No arithmetic is reordered in a way that loses NaN or infinity: compile without -ffast-math.
   SQ_DOUBLE makes the numbers double. */
#ifndef SQ_ENGINE_H
#define SQ_ENGINE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#ifdef SQ_DOUBLE
typedef double real;
typedef int64_t whole;
#define REAL(function) function
#else
typedef float real;
typedef int32_t whole;
#define REAL(function) function##f
#endif

/* The widest registers, and how many examples are computed together: their sums fill the registers, but for a few. */
#if defined(__AVX512F__)
#define VECTOR 64
#define ROWS 12
#elif defined(__AVX__)
#define VECTOR 32
#define ROWS 6
#elif defined(__aarch64__)
#define VECTOR 16
#define ROWS 12
#else
#define VECTOR 16
#define ROWS 6
#endif
#define LANES ((long)(VECTOR / sizeof(real)))

typedef real vec __attribute__((vector_size(VECTOR)));
typedef real loose __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));
typedef whole bits __attribute__((vector_size(VECTOR)));

#define INLINE static inline __attribute__((always_inline, unused))
#define UNUSED __attribute__((unused))

/* --- vectors: the first n components of memory ---------------------------------------------------------------- */

INLINE vec all(real x)
{
    return x - (vec){0};
}

INLINE vec load(const real *p, long n)
{
    if (n == LANES)
        return *(const loose *)p;
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1u), p);
#elif defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
#else
    vec x = {0};
    for (long i = 0; i < n; i++)
        x[i] = p[i];
    return x;
#endif
}

INLINE void store(real *p, vec x, long n)
{
    if (n == LANES) {
        *(loose *)p = x;
        return;
    }
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1u), (__m512d)x);
#elif defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), (__m512)x);
#else
    for (long i = 0; i < n; i++)
        p[i] = x[i];
#endif
}

/* a where the condition holds, else b */
INLINE vec choose(bits condition, vec a, vec b)
{
    return (vec)((condition & (bits)a) | (~condition & (bits)b));
}

/* --- functions of one vector: NaN stays NaN, infinity goes where it goes in IEEE arithmetic -------------------- */

#define EACH(x, expression)                    \
    do {                                       \
        for (long lane = 0; lane < LANES; lane++) { \
            const real a = (x)[lane];          \
            (x)[lane] = (expression);          \
        }                                      \
    } while (0)

INLINE vec absolute(vec x)
{
    return (vec)((bits)x & ~(bits)all((real)-0.0));
}

/* The larger and the smaller of two; NaN if one of them is. */
INLINE vec larger(vec a, vec b)
{
    return choose((a > b) | (a != a), a, b);
}

INLINE vec smaller(vec a, vec b)
{
    return choose((a < b) | (a != a), a, b);
}

/* e to the x is 2^n e^r with |r| <= log(2)/2: n rounded by adding a number so large that no fraction is left, which
   leaves n in its lowest bits; e^r - 1 by its series. log(2) in two parts keeps r exact. */
#ifdef SQ_DOUBLE
#define ROUNDER 6755399441055744.0
#define MANTISSA 52
#define BIAS 1023
#define LOG2_HIGH 6.93147180369123816490e-01
#define LOG2_LOW 1.90821492927058770002e-10
#define EXP_LEAST -746.0
#define EXP_MOST 710.0
#else
#define ROUNDER 12582912.0f
#define MANTISSA 23
#define BIAS 127
#define LOG2_HIGH 0.693359375f
#define LOG2_LOW -2.12194440e-4f
#define EXP_LEAST -104.0f
#define EXP_MOST 89.0f
#endif

/* e^r - 1 and n, for x = n log(2) + r; n as the bits of a float plus ROUNDER */
INLINE vec reduced(vec x, vec *n)
{
    const vec shifted = x * (real)1.44269504088896340736 + ROUNDER;
    const vec whole_part = shifted - ROUNDER;
    vec r = x - whole_part * LOG2_HIGH;
    r = r - whole_part * LOG2_LOW;
    *n = shifted;
#ifdef SQ_DOUBLE
    vec p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
#else
    vec p = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
#endif
    return p * (r * r) + r;
}

INLINE vec power_of_two(bits n)
{
    return (vec)((n + BIAS) << MANTISSA);
}

INLINE vec exponential(vec x)
{
    vec shifted;
    x = choose(x > all(EXP_MOST), all(EXP_MOST), x);
    x = choose(x < all(EXP_LEAST), all(EXP_LEAST), x);
    const vec e = reduced(x, &shifted) + 1;
    const bits n = (bits)shifted - (bits)all(ROUNDER);
    const bits half = n >> 1;
    return e * power_of_two(half) * power_of_two(n - half); /* in two steps: 2^n itself may be out of range */
}

INLINE vec logistic(vec x)
{
    return 1 / (1 + exponential(-x));
}

/* tanh |x| = (e^2|x| - 1) / (e^2|x| + 1), from e^y - 1 = 2^n (e^r - 1) + (2^n - 1), which loses nothing near 0 */
INLINE vec hyperbolic_tangent(vec x)
{
    vec shifted, y = absolute(x) * 2;
    y = choose(y > all(40), all(40), y);
    const vec e = reduced(y, &shifted);
    const vec scale = power_of_two((bits)shifted - (bits)all(ROUNDER));
    const vec less = e * scale + (scale - 1);
    const vec t = less / (less + 2);
    return (vec)((bits)t | ((bits)x & (bits)all((real)-0.0)));
}

INLINE vec rectified(vec x)
{
    return choose((x > 0) | (x != x), x, all(0));
}

INLINE vec logarithm(vec x)
{
    EACH(x, REAL(log)(a));
    return x;
}

INLINE vec square_root(vec x)
{
    EACH(x, REAL(sqrt)(a));
    return x;
}

INLINE vec sine(vec x)
{
    EACH(x, REAL(sin)(a));
    return x;
}

INLINE vec cosine(vec x)
{
    EACH(x, REAL(cos)(a));
    return x;
}

INLINE vec normal_distribution(vec x)
{
    EACH(x, (real)(erfc(-a * 0.70710678118654752440) / 2)); /* in double: the argument must not be rounded */
    return x;
}

INLINE vec gauss_linear(vec x)
{
    return x * normal_distribution(x);
}

/* log(1 + e^x) */
INLINE vec soft_plus(vec x)
{
    EACH(x, a > 0 ? a + REAL(log1p)(REAL(exp)(-a)) : REAL(log1p)(REAL(exp)(a)));
    return x;
}

INLINE vec square(vec x)
{
    return x * x;
}

INLINE vec where(vec condition, vec a, vec b)
{
    return choose(condition != 0, a, b);
}

INLINE vec clip(vec x, vec low, vec high)
{
    return smaller(larger(x, low), high);
}

INLINE vec equal(vec a, vec b)
{
    return choose(a == b, all(1), all(0));
}

/* x while the step lies where it is meant, else 0, whatever x is */
INLINE vec during(int holds, vec x)
{
    return holds ? x : all(0);
}

/* A row of memory that is there, for one that is read and not used. */
INLINE long row_within(long row, long rows)
{
    return row < 0 ? 0 : row < rows ? row : rows - 1;
}

INLINE vec sign_of(vec x)
{
    return choose(x > 0, all(1), choose(x < 0, all(-1), choose(x == 0, all(0), x)));
}

/* --- over the components of one example ------------------------------------------------------------------------ */

UNUSED static real sum_of(const real *p, long width)
{
    vec part = {0};
    long i = 0;
    for (; i + LANES <= width; i += LANES)
        part = part + load(p + i, LANES);
    if (i < width)
        part = part + load(p + i, width - i);
    real sum = 0;
    for (long lane = 0; lane < LANES; lane++)
        sum += part[lane];
    return sum;
}

UNUSED static real largest_of(const real *p, long width)
{
    real most = p[0];
    for (long i = 1; i < width; i++)
        most = p[i] > most || p[i] != p[i] ? p[i] : most;
    return most;
}

UNUSED static real smallest_of(const real *p, long width)
{
    real least = p[0];
    for (long i = 1; i < width; i++)
        least = p[i] < least || p[i] != p[i] ? p[i] : least;
    return least;
}

/* --- products --------------------------------------------------------------------------------------------------- */

/* One operand of a product for a block of examples: rows[component][example]. */
typedef struct {
    const real *rows;
    long width;
} part;

/* `m` examples by `n` vectors of units; `u` sums of each where one would wait for itself. The sums begin with `start`,
   `apart` from example to example. */
INLINE void multiply(const int m, const int n, const int u, const real *start, long apart, const part *parts, int count,
                     const real *panel, real *tile)
{
    vec sum[4][ROWS][2];
#pragma GCC unroll 16
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < n; v++) {
            sum[0][i][v] = load(start + i * apart + v * LANES, LANES);
#pragma GCC unroll 4
            for (int s = 1; s < u; s++)
                sum[s][i][v] = all(0);
        }
    for (int p = 0; p < count; p++) {
        const real *row = parts[p].rows;
        const long width = parts[p].width;
        long k = 0;
        for (; k + u <= width; k += u)
#pragma GCC unroll 4
            for (int s = 0; s < u; s++) {
                vec w[2];
#pragma GCC unroll 2
                for (int v = 0; v < n; v++)
                    w[v] = load(panel + v * LANES, LANES);
                panel += n * LANES;
#pragma GCC unroll 16
                for (int i = 0; i < m; i++)
#pragma GCC unroll 2
                    for (int v = 0; v < n; v++)
                        sum[s][i][v] += w[v] * row[i];
                row += m;
            }
        for (; k < width; k++, panel += n * LANES, row += m)
#pragma GCC unroll 16
            for (int i = 0; i < m; i++)
#pragma GCC unroll 2
                for (int v = 0; v < n; v++)
                    sum[0][i][v] += load(panel + v * LANES, LANES) * row[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < n; v++) {
#pragma GCC unroll 4
            for (int s = 1; s < u; s++)
                sum[0][i][v] += sum[s][i][v];
            store(tile + (v * ROWS + i) * LANES, sum[0][i][v], LANES);
        }
}

#define MULTIPLY(m, n, u)                                                                               \
    UNUSED static void multiply_##m##_##n(const real *start, long apart, const part *parts, int count,  \
                                          const real *panel, real *tile)                                \
    {                                                                                                   \
        multiply(m, n, u, start, apart, parts, count, panel, tile);                                     \
    }
MULTIPLY(1, 1, 4) MULTIPLY(1, 2, 4) MULTIPLY(2, 1, 4) MULTIPLY(2, 2, 2) MULTIPLY(3, 1, 3) MULTIPLY(3, 2, 2)
MULTIPLY(4, 1, 2) MULTIPLY(4, 2, 1) MULTIPLY(5, 1, 2) MULTIPLY(5, 2, 1) MULTIPLY(6, 1, 2) MULTIPLY(6, 2, 1)
#if ROWS > 6
MULTIPLY(7, 1, 1) MULTIPLY(7, 2, 1) MULTIPLY(8, 1, 1) MULTIPLY(8, 2, 1) MULTIPLY(9, 1, 1) MULTIPLY(9, 2, 1)
MULTIPLY(10, 1, 1) MULTIPLY(10, 2, 1) MULTIPLY(11, 1, 1) MULTIPLY(11, 2, 1) MULTIPLY(12, 1, 1) MULTIPLY(12, 2, 1)
#endif

/* The products of `m` examples with `n` vectors of a panel, added to what the sums start with, into a tile. */
UNUSED static void products(int m, int n, const real *start, long apart, const part *parts, int count, const real *panel,
                            real *tile)
{
#define CASE(m)                                                                                         \
    case m:                                                                                             \
        if (n == 1)                                                                                     \
            multiply_##m##_1(start, apart, parts, count, panel, tile);                                                \
        else                                                                                            \
            multiply_##m##_2(start, apart, parts, count, panel, tile);                                                \
        break;
    switch (m) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
#undef CASE
}

/* --- packing ---------------------------------------------------------------------------------------------------- */

/* Rows of `width` components, `stride` apart, as a part of `m` examples; a single one lies as it should. */
UNUSED static void pack_rows(const real *rows, long stride, long width, int m, real *into)
{
    for (int i = 0; i < m && m > 1; i++) {
        const real *row = rows + i * stride;
        for (long k = 0; k < width; k++)
            into[k * m + i] = row[k];
    }
}

/* One row of a part of `m` examples. */
INLINE void pack_row(const real *row, long width, int i, int m, real *into)
{
    for (long k = 0; k < width; k++)
        into[k * m + i] = row[k];
}

/* The tile's rows side by side: [example][vector][LANE]. */
INLINE void unload(const real *tile, int m, int n, real *rows)
{
    for (int i = 0; i < m; i++)
        for (int v = 0; v < n; v++)
            store(rows + (i * n + v) * LANES, load(tile + (v * ROWS + i) * LANES, LANES), LANES);
}

/* Of few examples, weights cost more to read than to multiply: what is known of all steps is multiplied beforehand, many
   steps at a time. How many numbers that gives, `each` for an example at a step; 0 where it is not done. */
INLINE long known_beforehand(long steps, long batch, long each)
{
    return batch < 4 && steps * batch <= (1L << 24) / (each ? each : 1) ? steps * batch * each : 0;
}

INLINE part part_of(const real *rows, long width, int m, const real *packed)
{
    return (part){m == 1 ? rows : packed, width};
}

/* Weights as a function of (unit, component): `weight[unit * by_unit + component * by_component]`. Puts `units` of
   them (the rest 0) beside one another, `apart` from component to component. */
UNUSED static void pack(real *panel, long apart, const real *weight, long by_unit, long by_component, long units, long width)
{
    for (long j = 0; j < LANES; j++) {
        const real *from = weight + j * by_unit;
        if (j < units)
            for (long k = 0; k < width; k++)
                panel[k * apart + j] = from[k * by_component];
        else
            for (long k = 0; k < width; k++)
                panel[k * apart + j] = 0;
    }
}

UNUSED static void pack_bias(real *panel, const real *bias, long units, int adds)
{
    for (long j = 0; j < LANES; j++)
        panel[j] = (adds ? panel[j] : 0) + (bias && j < units ? bias[j] : 0);
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

/* What one thread computes: examples from row to row_end; of a phase's blocks of units, every one or its share. */
typedef struct {
    int number, threads;
    int by_units; /* the threads share the units, and wait for each other after each phase */
    long row, row_end;
    struct barrier *barrier;
} share;

typedef struct barrier {
    int threads;
    int waiting __attribute__((aligned(64)));
    int round __attribute__((aligned(64)));
} barrier;

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

/* Waits until all threads have come; gives way to others where it takes long. */
UNUSED static void meet(const share *s)
{
    if (s->threads == 1)
        return;
    barrier *b = s->barrier;
    const int round = __atomic_load_n(&b->round, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&b->waiting, 1, __ATOMIC_ACQ_REL) == b->threads) {
        __atomic_store_n(&b->waiting, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->round, round + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int turns = 0; __atomic_load_n(&b->round, __ATOMIC_ACQUIRE) == round; turns++) {
        relax();
        if (turns > 4000) {
            sched_yield();
            turns = 0;
        }
    }
}

/* The first of the blocks of a thread; the next thread's first is its end. */
INLINE long first_block(const share *s, long blocks, int next)
{
    return s->by_units ? blocks * (s->number + next) / s->threads : next ? blocks : 0;
}

/* A thread's share: of the batch while each thread keeps 16 examples or more, else of the units. */
UNUSED static share share_of(int number, int threads, long batch, barrier *b)
{
    share s = {number, threads, 0, 0, batch, b};
    if (threads > 1 && batch / threads < 16) {
        s.by_units = 1;
    } else {
        s.row = batch * number / threads;
        s.row_end = batch * (number + 1) / threads;
    }
    return s;
}

/* A thread's examples in blocks of at most ROWS, as equal as can be. */
INLINE long held_rows(const share *s)
{
    return s->row_end - s->row;
}

INLINE long blocks_of(const share *s)
{
    return (held_rows(s) + ROWS - 1) / ROWS;
}

INLINE long row_of(const share *s, long block)
{
    return s->row + held_rows(s) * block / (blocks_of(s) ? blocks_of(s) : 1);
}

/* The most examples that a thread may hold, however many threads there will be. */
INLINE long most_rows(long batch, int threads)
{
    return threads > 1 && batch / threads >= 16 ? batch / threads + 1 : batch;
}

/* Calls `work` on as many threads. */
typedef void work(void *task, const share *s);

#if defined(_OPENMP)
#include <omp.h>
UNUSED static void together(work *each, void *task, int threads, long batch)
{
    barrier b = {threads, 0, 0};
    if (threads <= 1) {
        const share s = share_of(0, 1, batch, &b);
        each(task, &s);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        /* there may be fewer than were asked for */
        const int there = omp_get_num_threads();
#pragma omp single
        b.threads = there;
        const share s = share_of(omp_get_thread_num(), there, batch, &b);
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
UNUSED static void together(work *each, void *task, int threads, long batch)
{
    barrier b = {1, 0, 0};
    pthread_t ids[64];
    thread_work works[64];
    threads = threads > 64 ? 64 : threads < 1 ? 1 : threads;
    b.threads = threads;
    for (int i = 0; i < threads; i++)
        works[i] = (thread_work){each, task, share_of(i, threads, batch, &b)};
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
UNUSED static void together(work *each, void *task, int threads, long batch)
{
    (void)threads;
    barrier b = {1, 0, 0};
    const share s = share_of(0, 1, batch, &b);
    each(task, &s);
}
#endif

#endif
