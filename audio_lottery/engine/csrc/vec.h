// One vector of floats in the compiler's own vector types: the same source becomes SSE, NEON, AVX2 or
// AVX-512 code by compiler flags alone. Everything is static, so that no two builds share a symbol.
#pragma once
#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>  // only for what vector types cannot say, or say with many instructions
#endif

#if defined(__AVX512F__)
constexpr int VL = 16;  // floats in a vector
#elif defined(__AVX2__)
constexpr int VL = 8;
#else
constexpr int VL = 4;
#endif
constexpr bool MANY_REGISTERS = VL == 16;  // 32 vector registers, else 16

typedef float V __attribute__((vector_size(VL * 4)));
typedef float VU __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t VI __attribute__((vector_size(VL * 4)));

#define INLINE static inline __attribute__((always_inline))

INLINE V load(const float* p) { return *reinterpret_cast<const VU*>(p); }
INLINE void store(float* p, V v) { *reinterpret_cast<VU*>(p) = v; }
INLINE V splat(float x) { return x - V{}; }
INLINE V vmax(V a, V b) { return a > b ? a : b; }
INLINE V vmin(V a, V b) { return a < b ? a : b; }
INLINE V vsqrt(V x) {
    V y;
    for (int i = 0; i < VL; i++) y[i] = __builtin_sqrtf(x[i]);
    return y;
}
INLINE float sum_lanes(V x) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)x);
#else
    float s = 0;
    for (int i = 0; i < VL; i++) s += x[i];
    return s;
#endif
}
INLINE float max_lanes(V x) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)x);
#else
    float s = x[0];
    for (int i = 1; i < VL; i++) s = x[i] > s ? x[i] : s;
    return s;
#endif
}
INLINE int least(int a, int b) { return a < b ? a : b; }

// exp(x), relative error below 3e-7 in [-87, 88]; beyond, the value at the end of that range.
// 2^n * 2^f with n = round(x log2 e), and 2^f on [-1/2, 1/2] as a minimax polynomial of degree 6.
INLINE V vexp(V x) {
    x = vmin(vmax(x, splat(-87.0f)), splat(88.0f));
    const V magic = splat(12582912.0f);  // 1.5 * 2^23: adding and subtracting it rounds to an integer
    V n = x * 1.44269504f + magic - magic;
    V f = x - n * 0.693359375f + n * 2.12194440e-4f;  // ln 2 in two parts (Cody and Waite)
    V p = splat(1.9875691500e-4f);
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    VI bits = (__builtin_convertvector(n, VI) + 127) << 23;
    return p * (V)bits;  // between vector types a cast keeps the bits
}
// 1 / x for normal x, relative error below 3e-7: an estimate and one or two of Newton's steps beat a division
INLINE V reciprocal(V x) {
#if defined(__AVX512F__)
    V r = (V)_mm512_rcp14_ps((__m512)x);
    return r * (2.0f - x * r);
#elif defined(__AVX2__)
    V r = (V)_mm256_rcp_ps((__m256)x);
    r = r * (2.0f - x * r);
    return r * (2.0f - x * r);
#else
    return 1.0f / x;
#endif
}
INLINE V sigmoid(V x) { return reciprocal(1.0f + vexp(-x)); }
INLINE V vtanh(V x) { return 2.0f * sigmoid(x + x) - 1.0f; }
// x * P(a normal variable < x), absolute error below 1e-6 |x|: Abramowitz and Stegun, formula 7.1.26
INLINE V gelu(V x) {
    const V z = vmin(vmax(x, -x), splat(18.0f)) * 0.70710678f;
    const V t = reciprocal(1.0f + z * 0.3275911f);
    V p = splat(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const V tail = p * t * vexp(-z * z) * 0.5f;
    return x * (x > V{} ? 1.0f - tail : tail);
}

// a, b -> their lanes 0, 2, 4 ... and 1, 3, 5 ...
INLINE void unzip(V& a, V& b) {
#if defined(__GNUC__) && !defined(__clang__)
    VI even;
    for (int i = 0; i < VL; i++) even[i] = 2 * i;
    const V first = __builtin_shuffle(a, b, even);
    b = __builtin_shuffle(a, b, even + 1);
    a = first;
#else
    V first, second;
    for (int i = 0; i < VL / 2; i++) {
        first[i] = a[2 * i], first[i + VL / 2] = b[2 * i];
        second[i] = a[2 * i + 1], second[i + VL / 2] = b[2 * i + 1];
    }
    a = first, b = second;
#endif
}

// rows[i][j] -> rows[j][i]: log2(VL) rounds of zipping row i with row i + VL / 2
INLINE void transpose(V* rows) {
#if defined(__GNUC__) && !defined(__clang__)
    VI low, high;
    for (int i = 0; i < VL; i++) {
        low[i] = i / 2 + (i % 2) * VL;
        high[i] = low[i] + VL / 2;
    }
    for (int round = 1; round < VL; round *= 2) {
        V next[VL];
        for (int i = 0; i < VL / 2; i++) {
            next[2 * i] = __builtin_shuffle(rows[i], rows[i + VL / 2], low);
            next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + VL / 2], high);
        }
        for (int i = 0; i < VL; i++) rows[i] = next[i];
    }
#else
    for (int i = 0; i < VL; i++)
        for (int j = 0; j < i; j++) {
            float kept = rows[i][j];
            rows[i][j] = rows[j][i];
            rows[j][i] = kept;
        }
#endif
}
