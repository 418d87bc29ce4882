/* vectors.h: numbers, vectors of them, and the functions of one vector. */
#ifndef SQ_VECTORS_H
#define SQ_VECTORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
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
#elif defined(__AVX2__) && defined(SQ_DOUBLE)
    return (vec)_mm256_maskload_pd(p, (__m256i)((bits){0, 1, 2, 3} < (whole)n));
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_ps(p, (__m256i)((bits){0, 1, 2, 3, 4, 5, 6, 7} < (whole)n));
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

/* x, but at most or at least a number; NaN stays. (Of two operands one of which is NaN, the instructions give the
   second.) */
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
#define LEAST_OF(a, b) (vec)_mm512_min_pd((__m512d)(a), (__m512d)(b))
#define MOST_OF(a, b) (vec)_mm512_max_pd((__m512d)(a), (__m512d)(b))
#elif defined(__AVX512F__)
#define LEAST_OF(a, b) (vec)_mm512_min_ps((__m512)(a), (__m512)(b))
#define MOST_OF(a, b) (vec)_mm512_max_ps((__m512)(a), (__m512)(b))
#elif defined(__AVX__) && defined(SQ_DOUBLE)
#define LEAST_OF(a, b) (vec)_mm256_min_pd((__m256d)(a), (__m256d)(b))
#define MOST_OF(a, b) (vec)_mm256_max_pd((__m256d)(a), (__m256d)(b))
#elif defined(__AVX__)
#define LEAST_OF(a, b) (vec)_mm256_min_ps((__m256)(a), (__m256)(b))
#define MOST_OF(a, b) (vec)_mm256_max_ps((__m256)(a), (__m256)(b))
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
    const vec e = reduced(at_least(at_most(x, EXP_MOST), EXP_LEAST), &shifted) + 1;
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
    return (vec)_mm512_scalef_pd((__m512d)e, (__m512d)(shifted - ROUNDER));
#elif defined(__AVX512F__)
    return (vec)_mm512_scalef_ps((__m512)e, (__m512)(shifted - ROUNDER));
#else
    const bits n = (bits)shifted - (bits)all(ROUNDER);
    const bits half = n >> 1;
    return e * power_of_two(half) * power_of_two(n - half); /* in two steps: 2^n itself may be out of range */
#endif
}

INLINE vec logistic(vec x)
{
    return 1 / (1 + exponential(-x));
}

/* tanh |x| = (e^2|x| - 1) / (e^2|x| + 1), from e^y - 1 = 2^n (e^r - 1) + (2^n - 1), which loses nothing near 0 */
INLINE vec hyperbolic_tangent(vec x)
{
    vec shifted;
    const vec e = reduced(at_most(absolute(x) * 2, 40), &shifted);
    const vec scale = power_of_two((bits)shifted - (bits)all(ROUNDER));
    const vec less = e * scale + (scale - 1);
    const vec t = less / (less + 2);
    return (vec)((bits)t | ((bits)x & (bits)all((real)-0.0)));
}

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
