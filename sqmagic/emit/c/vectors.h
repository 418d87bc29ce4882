/* vectors.h: numbers, and vectors of them. */
#ifndef SQ_VECTORS_H
#define SQ_VECTORS_H

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
/* How many examples a tile has room for: lines on so many find enough to do that need not wait for one another. */
#define TALL (4 * ROWS)

typedef real vec __attribute__((vector_size(VECTOR)));
typedef real loose __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));
typedef whole bits __attribute__((vector_size(VECTOR)));

#define INLINE static inline __attribute__((always_inline, unused))
#define UNUSED __attribute__((unused))

/* --- vectors: the first n components of memory ----------------------------------------------------------------

   AVX's instructions have the compiler's own names here: the header that declares them all takes it as long to read as
   what is computed takes to compile. */

INLINE vec all(real x)
{
    return x - (vec){0};
}

#if defined(__AVX__) && !defined(__AVX512F__)
/* the first n lanes */
#ifdef SQ_DOUBLE
typedef long long lanes __attribute__((vector_size(VECTOR)));
#define FIRST(n) ((lanes)((bits){0, 1, 2, 3} < ((whole)(n) - (bits){0})))
#define LOAD_FIRST(p, n) __builtin_ia32_maskloadpd256((const vec *)(p), FIRST(n))
#define STORE_FIRST(p, x, n) __builtin_ia32_maskstorepd256((vec *)(p), FIRST(n), x)
#else
#define FIRST(n) ((bits)((bits){0, 1, 2, 3, 4, 5, 6, 7} < ((whole)(n) - (bits){0})))
#define LOAD_FIRST(p, n) __builtin_ia32_maskloadps256((const vec *)(p), FIRST(n))
#define STORE_FIRST(p, x, n) __builtin_ia32_maskstoreps256((vec *)(p), FIRST(n), x)
#endif
#endif

INLINE vec load(const real *p, long n)
{
    if (n == LANES)
        return *(const loose *)p;
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1u), p);
#elif defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
#elif defined(__AVX__)
    return LOAD_FIRST(p, n);
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
    if (__builtin_constant_p(n) && n < 4) { /* faster than what is masked */
        for (long i = 0; i < n; i++)
            p[i] = x[i];
        return;
    }
#if defined(__AVX512F__) && defined(SQ_DOUBLE)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1u), (__m512d)x);
#elif defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), (__m512)x);
#elif defined(__AVX__)
    STORE_FIRST(p, x, n);
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

#endif
