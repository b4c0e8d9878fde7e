// The table of kernels that each instruction-set build fills. Activations are channel-major: row c of a
// buffer holds channel c over time, `ld` floats apart. Kernels work on `nv` whole vectors of frames;
// frames past the last real one are computed and never looked at.
#pragma once
#include "matrix.h"
#include <cstddef>

enum Activation : int32_t { RELU = 1, SWISH = 2, TANH = 3, SIGMOID = 4, GELU = 5, RELU20 = 6 };

struct Heads {  // one head of self-attention over `frames` frames; all [dk][ld]
    const float *q, *k, *v;
    float* out;
    int64_t ld;
    int frames, dk;
    // relative positions (Transformer-XL): null, or biases [dk], and projected distances [dk][pos_ld], where
    // column `centre` is distance 0 and column centre - n is "n frames back"
    const float *bias_u = nullptr, *bias_v = nullptr, *pos = nullptr;
    int64_t pos_ld = 0, centre = 0;
};

struct Kernels {
    const char* name;
    int vl;    // frames in a vector
    int tile;  // vectors that are worked on together
    void (*linear)(const Matrix* m, const float* x, int64_t ldx, float* y, int64_t ldy, int nv, void* scratch);
    // row c of x begins at x + table[c]; from one vector to the next it is x_step and y_step floats
    void (*linear_from)(const Matrix* m, const float* x, const int32_t* table, int64_t x_step, float* y, int64_t ldy,
                        int64_t y_step, int nv, void* scratch);
    void (*layer_norm)(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv,
                       const float* gain, const float* bias, float eps);
    void (*activate)(float* x, int64_t ld, int channels, int nv, int kind);
    void (*glu)(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv);
    void (*add)(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv, float scale);
    void (*multiply)(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv);
    void (*affine)(const float* x, int64_t ldx, float* y, int64_t ldy, int channels, int nv, const float* scale,
                   const float* shift);
    // y[t] = bias + sum of row[t + k] * weight[k]
    void (*depthwise)(const float* row, float* y, int nv, const float* weight, int taps, float bias);
    void (*attention)(const Heads* h, int first, int count, float* scratch);
    size_t (*attention_scratch)(int frames, int dk);  // floats
    void (*matvec)(const Matrix* m, const float* x, float* y, bool back);
    void (*lstm_step)(const float* given, int apart, const float* back, float* cell, float* state, int size);
    void (*gru_step)(const float* given, int apart, const float* back, const float* last, float* state, int size);
    void (*turn)(const float* x, int64_t ldx, int rows, int cols, float* y, int64_t ldy);
    void (*pool)(const float* a, const float* b, float* y, int count);
    void (*stride)(const float* x, float* y, int count, int step);  // y[i] = x[i * step]
    // row r of y [rows * 2][ldy] holds frames r % 2, r % 2 + 2, ... of row r / 2 of x; whole vectors are read and written
    void (*halve)(const float* x, int64_t ldx, int rows, int frames, float* y, int64_t ldy);
};

// Bytes of scratch that `linear` wants for this matrix.
inline size_t linear_scratch(const Matrix* m, int frames) {
    return m->kind == INT8 ? (size_t)((m->cols + 3) / 4 * 4 + 4) * frames + 64 : 0;
}

extern "C" {
extern const Kernels al_kernels_plain;
#ifdef AL_X86
extern const Kernels al_kernels_avx2, al_kernels_avx512, al_kernels_vnni;
#endif
}
