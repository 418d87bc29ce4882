/* functions.h: the functions of vectors, and those over the components of one example. */
#ifndef SQ_FUNCTIONS_H
#define SQ_FUNCTIONS_H

#include "vectors.h"

/* --- functions of one vector: NaN stays NaN, infinity goes where it goes in IEEE arithmetic -------------------- */

#define EACH(x, expression)                    \
    do {                                       \
        for (long lane = 0; lane < LANES; lane++) { \
            const real a = (x)[lane];          \
            (x)[lane] = (expression);          \
        }                                      \
    } while (0)

/* x, but at most or at least a number; NaN stays. (Of two operands one of which is NaN, the instructions give the
   second.) */
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
#define LEAST_OF(a, b) (vec)_mm512_min_pd((__m512d)(a), (__m512d)(b))
#define MOST_OF(a, b) (vec)_mm512_max_pd((__m512d)(a), (__m512d)(b))
#elif defined(__AVX512F__)
#define LEAST_OF(a, b) (vec)_mm512_min_ps((__m512)(a), (__m512)(b))
#define MOST_OF(a, b) (vec)_mm512_max_ps((__m512)(a), (__m512)(b))
#elif defined(__AVX__) && defined(SQ_DOUBLE)
#define LEAST_OF(a, b) __builtin_ia32_minpd256(a, b)
#define MOST_OF(a, b) __builtin_ia32_maxpd256(a, b)
#elif defined(__AVX__)
#define LEAST_OF(a, b) __builtin_ia32_minps256(a, b)
#define MOST_OF(a, b) __builtin_ia32_maxps256(a, b)
#else
#define LEAST_OF(a, b) choose((a) < (b), a, b)
#define MOST_OF(a, b) choose((a) > (b), a, b)
#endif

INLINE vec at_most(vec x, real most)
{
    return LEAST_OF(all(most), x);
}

INLINE vec at_least(vec x, real least)
{
    return MOST_OF(all(least), x);
}

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
#define POWER_LEAST -709.0
#else
#define ROUNDER 12582912.0f
#define MANTISSA 23
#define BIAS 127
#define LOG2_HIGH 0.693359375f
#define LOG2_LOW -2.12194440e-4f
#define EXP_LEAST -104.0f
#define EXP_MOST 89.0f
#define POWER_LEAST -88.0f
#endif

/* Functions of several vectors, each step of all of them before the next: a step waits for the one before it, but not
   for other vectors. `count` is a number that is known as it is compiled. */
#define OF_EACH(step)                      \
    _Pragma("GCC unroll 4")                \
    for (int k = 0; k < count; k++) {      \
        step;                              \
    }
#define TOGETHER 4

/* e^r - 1 in place of x, and n, for x = n log(2) + r; n as the bits of a float plus ROUNDER */
INLINE void reduce(vec *x, vec *n, const int count)
{
    vec p[TOGETHER];
    OF_EACH(n[k] = x[k] * (real)1.44269504088896340736 + ROUNDER)
    OF_EACH(x[k] = x[k] - (n[k] - ROUNDER) * LOG2_HIGH)
    OF_EACH(x[k] = x[k] - (n[k] - ROUNDER) * LOG2_LOW)
#ifdef SQ_DOUBLE
    OF_EACH(p[k] = x[k] * (1.0 / 6227020800.0) + 1.0 / 479001600.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 39916800.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 3628800.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 362880.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 40320.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 5040.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 720.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 120.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 24.0)
    OF_EACH(p[k] = p[k] * x[k] + 1.0 / 6.0)
    OF_EACH(p[k] = p[k] * x[k] + 0.5)
#else
    OF_EACH(p[k] = x[k] * (1.0f / 5040.0f) + 1.0f / 720.0f)
    OF_EACH(p[k] = p[k] * x[k] + 1.0f / 120.0f)
    OF_EACH(p[k] = p[k] * x[k] + 1.0f / 24.0f)
    OF_EACH(p[k] = p[k] * x[k] + 1.0f / 6.0f)
    OF_EACH(p[k] = p[k] * x[k] + 0.5f)
#endif
    OF_EACH(x[k] = p[k] * (x[k] * x[k]) + x[k])
}

INLINE vec power_of_two(bits n)
{
    return (vec)((n + BIAS) << MANTISSA);
}

/* 2^n times x, in two steps: 2^n itself may be out of range */
INLINE vec scaled(vec x, vec n)
{
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
    return (vec)_mm512_scalef_pd((__m512d)x, (__m512d)(n - ROUNDER));
#elif defined(__AVX512F__)
    return (vec)_mm512_scalef_ps((__m512)x, (__m512)(n - ROUNDER));
#else
    const bits whole_n = (bits)n - (bits)all(ROUNDER), half = whole_n >> 1;
    return x * power_of_two(half) * power_of_two(whole_n - half);
#endif
}

INLINE void exponential_of(vec *x, const int count)
{
    vec n[TOGETHER];
    OF_EACH(x[k] = at_least(at_most(x[k], EXP_MOST), EXP_LEAST))
    reduce(x, n, count);
    OF_EACH(x[k] = scaled(x[k] + 1, n[k]))
}

/* 1 / (1 + e^-x), where e^-x is 0 if it is too small to count, and infinite if it is too large */
INLINE void logistic_of(vec *x, const int count)
{
    vec n[TOGETHER];
    OF_EACH(x[k] = at_least(at_most(-x[k], EXP_MOST), POWER_LEAST))
    reduce(x, n, count);
    OF_EACH(x[k] = (x[k] + 1) * power_of_two((bits)n[k] - (bits)all(ROUNDER)))
    OF_EACH(x[k] = 1 / (1 + x[k]))
}

/* tanh |x| = (e^2|x| - 1) / (e^2|x| + 1), from e^y - 1 = 2^n (e^r - 1) + (2^n - 1), which loses nothing near 0; from 1/2
   on it is 1 - 2 / (e^2|x| + 1), which is rounded but once, as gradients need that have 1 - tanh^2 in them */
INLINE void hyperbolic_tangent_of(vec *x, const int count)
{
    vec n[TOGETHER], e[TOGETHER];
    OF_EACH(e[k] = at_most(absolute(x[k]) * 2, 40))
    reduce(e, n, count);
    OF_EACH(n[k] = power_of_two((bits)n[k] - (bits)all(ROUNDER)))
    OF_EACH(e[k] = e[k] * n[k] + (n[k] - 1))
    OF_EACH(n[k] = choose(e[k] > 2, all(1), all(0)))
    OF_EACH(e[k] = choose(e[k] > 2, all(-2), e[k]) / (e[k] + 2) + n[k])
    OF_EACH(x[k] = (vec)((bits)e[k] | ((bits)x[k] & (bits)all((real)-0.0))))
}

/* Each with a form for one vector, and one for any number of them. */
#define FORMS(name, names)                                 \
    INLINE vec name(vec x)                                 \
    {                                                      \
        name##_of(&x, 1);                                  \
        return x;                                          \
    }                                                      \
    UNUSED static void names(vec *x, int count)            \
    {                                                      \
        for (; count >= TOGETHER; count -= TOGETHER) {     \
            name##_of(x, TOGETHER);                        \
            x += TOGETHER;                                 \
        }                                                  \
        if (count == 1)                                    \
            name##_of(x, 1);                               \
        else if (count == 2)                               \
            name##_of(x, 2);                               \
        else if (count == 3)                               \
            name##_of(x, 3);                               \
    }
FORMS(exponential, exponentials) FORMS(logistic, logistics) FORMS(hyperbolic_tangent, hyperbolic_tangents)

INLINE vec rectified(vec x)
{
    return choose((x > 0) | (x != x), x, all(0));
}

#ifdef SQ_DOUBLE
INLINE vec logarithm(vec x)
{
    EACH(x, log(a));
    return x;
}
#else
/* x = 2^n (1 + r) with 1 + r from sqrt(1/2) to sqrt(2), and the logarithm of that by a polynomial (Cephes' logf) */
INLINE vec logarithm(vec x)
{
    const bits is_small = x < 1.17549435e-38f; /* its bits are no mantissa of 24 digits */
    const bits shifted = (bits)choose(is_small, x * 8388608.0f, x) - 0x3f3504f3;
    const vec n = __builtin_convertvector(shifted >> MANTISSA, vec) - choose(is_small, all(23), all(0));
    const vec r = (vec)((shifted & 0x007fffff) + 0x3f3504f3) - 1;
    vec p = r * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    const vec near = p * (r * r * r) + n * LOG2_LOW - r * r * 0.5f + r + n * LOG2_HIGH;
    const vec found = choose(x == 0, all(-INFINITY), choose(x == INFINITY, x, near));
    return choose((x < 0) | (x != x), all(NAN), found);
}
#endif

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

/* log(1 + e^x) = max(x, 0) + log(1 + y) with y = e^-|x|; and log(1 + y) = y log(u) / (u - 1), where u is 1 + y as it is
   rounded, which loses nothing where y is small (W. Kahan) */
INLINE void soft_plus_of(vec *x, const int count)
{
#ifdef SQ_DOUBLE
    OF_EACH(EACH(x[k], a > 0 ? a + log1p(exp(-a)) : log1p(exp(a))))
#else
    vec y[TOGETHER], u[TOGETHER];
    OF_EACH(y[k] = -absolute(x[k]))
    exponential_of(y, count);
    OF_EACH(u[k] = 1 + y[k])
    OF_EACH(x[k] = rectified(x[k]) + choose(u[k] == 1, y[k], logarithm(u[k]) * (y[k] / (u[k] - 1))))
#endif
}
FORMS(soft_plus, soft_pluses)

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

/* Where a row stands among so many that are kept: mostly all are. */
INLINE long in_ring(long row, long rows)
{
    return (unsigned long)row < (unsigned long)rows ? row : row % rows;
}

INLINE vec sign_of(vec x)
{
    return choose(x > 0, all(1), choose(x < 0, all(-1), choose(x == 0, all(0), x)));
}

/* the numbers of components, from the first of a vector */
INLINE vec places_from(long first)
{
    vec x;
    for (long lane = 0; lane < LANES; lane++)
        x[lane] = (real)(first + lane);
    return x;
}

/* --- over the components of one example ------------------------------------------------------------------------ */

INLINE real sum_of(const real *p, long width)
{
    if (width == 2)
        return p[0] + p[1];
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

/* The first of the largest; of NaN, the first of these. */
UNUSED static real place_of_largest(const real *p, long width)
{
    long most = 0;
    for (long i = 1; i < width; i++)
        most = p[most] == p[most] && (p[i] > p[most] || p[i] != p[i]) ? i : most;
    return (real)most;
}

UNUSED static real smallest_of(const real *p, long width)
{
    real least = p[0];
    for (long i = 1; i < width; i++)
        least = p[i] < least || p[i] != p[i] ? p[i] : least;
    return least;
}

#endif
