// Weights x activations, fp32: dense panels, single weights, column blocks.

// --- dense: PANEL rows x NV vectors in registers -----------------------------------------------------
template <bool TABLE, int NV>
static void dense_tile(const Matrix* m, Input<TABLE> x, Output<TABLE> y) {
    const float* w = m->value;
    for (int row = 0; row < m->rows; row += PANEL) {
        V acc[PANEL][NV];
        for (int r = 0; r < PANEL; r++)
            for (int v = 0; v < NV; v++) acc[r][v] = splat(row + r < m->rows ? m->bias[row + r] : 0.0f);
        for (int k = 0; k < m->cols; k++, w += PANEL)
            for (int v = 0; v < NV; v++) {
                V in = x.at(k, v);
                for (int r = 0; r < PANEL; r++) acc[r][v] += splat(w[r]) * in;
            }
        for (int r = 0; r < least(PANEL, m->rows - row); r++)
            for (int v = 0; v < NV; v++) store(y.at(row + r, v), acc[r][v]);
    }
}

// --- single weights ------------------------------------------------------------------------------------
// With one vector the weights are read as fast as they come from memory: they are asked for this far ahead.
constexpr int AHEAD = 2048;  // bytes

template <bool TABLE, int NV, bool FIRST>
INLINE void sparse_group(const float* __restrict value, const uint8_t* __restrict col, int length, Input<TABLE> x,
                         Output<TABLE> y, const int32_t* __restrict row, const float* bias) {
    static_assert(GROUP == 4, "the columns of a step are read as 32 bits");
    V acc[GROUP][NV];
    for (int r = 0; r < GROUP; r++)
        for (int v = 0; v < NV; v++) {
            if (FIRST) acc[r][v] = splat(row[r] < 0 ? 0.0f : bias[row[r]]);
            else acc[r][v] = load(y.at(row[r] < 0 ? row[0] : row[r], v));
        }
    for (int j = 0; j < length; j++, value += GROUP, col += GROUP) {
        if (NV == 1) __builtin_prefetch(reinterpret_cast<const char*>(value) + AHEAD);
        uint32_t cols;  // one load instead of four: loads are what this loop is short of
        __builtin_memcpy(&cols, col, sizeof cols);
        for (int r = 0; r < GROUP; r++) {
            const int64_t at = x.row((cols >> (8 * r)) & 255);
            V w = splat(value[r]);
            for (int v = 0; v < NV; v++) acc[r][v] += w * load(x.vector(v) + at);
        }
    }
    for (int r = 0; r < GROUP; r++)
        if (row[r] >= 0)
            for (int v = 0; v < NV; v++) store(y.at(row[r], v), acc[r][v]);
}

template <bool TABLE, int NV>
static void sparse_tile(const Matrix* m, Input<TABLE> x, Output<TABLE> y) {
    for (int b = 0; b < m->blocks; b++) {
        const Input<TABLE> in = x.columns_from(b * K_BLOCK);
        for (int g = m->first[b]; g < m->first[b + 1]; g++) {
            const float* value = m->value + m->offset[g] * GROUP;
            const uint8_t* col = m->col + m->offset[g] * GROUP;
            const int32_t* row = m->row + g * GROUP;
            if (b == 0) sparse_group<TABLE, NV, true>(value, col, m->length[g], in, y, row, m->bias);
            else if (m->length[g] > 0)
                sparse_group<TABLE, NV, false>(value, col, m->length[g], in, y, row, nullptr);
        }
    }
}

// --- blocks of `height` rows x 1 column, RB rows in registers ----------------------------------------------
template <bool TABLE, int RB, int NV>
static void block_tile(const Matrix* m, Input<TABLE> x, Output<TABLE> y) {
    const int height = m->height;
    for (int b = 0; b * height < m->rows; b++)
        for (int sub = 0; sub < height && b * height + sub < m->rows; sub += RB) {
            const int row = b * height + sub, rows = least(RB, m->rows - row);
            V acc[RB][NV];
            for (int r = 0; r < RB; r++)
                for (int v = 0; v < NV; v++) acc[r][v] = splat(r < rows ? m->bias[row + r] : 0.0f);
            const float* w = m->value + (int64_t)m->first[b] * height + sub;
            for (int j = m->first[b]; j < m->first[b + 1]; j++, w += height) {
                V xs[NV];
                for (int v = 0; v < NV; v++) xs[v] = x.at(m->wide[j], v);
                for (int r = 0; r < RB; r++)
                    for (int v = 0; v < NV; v++) acc[r][v] += splat(w[r]) * xs[v];
            }
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < NV; v++) store(y.at(row + r, v), acc[r][v]);
        }
}

// Widest tile of each kernel, by what the registers hold.
constexpr int DENSE_NV = MANY_REGISTERS ? 4 : 2;
constexpr int SPARSE_NV = MANY_REGISTERS ? 4 : (VL == 8 ? 3 : 2);
constexpr int BLOCK4_NV = MANY_REGISTERS ? 6 : (VL == 8 ? 3 : 2);
constexpr int BLOCK8_NV = MANY_REGISTERS ? 3 : 1;
// Single weights jump about in their block's activations, which should stay in the L1 cache: K_WHOLE columns of
// this many vectors are 48 KB.
constexpr int SPARSE_NV_WHOLE = MANY_REGISTERS ? 3 : SPARSE_NV;

#define TILES(kernel, most)                                                                     \
    split<most>(nv, [&](int n, int at) {                                                        \
        const Input<TABLE> xs = x.from(at);                                                     \
        const Output<TABLE> ys = y.from(at);                                                    \
        switch (n) {                                                                            \
            case 1: kernel(1); break;                                                           \
            case 2: if constexpr (most >= 2) { kernel(2); } break;                              \
            case 3: if constexpr (most >= 3) { kernel(3); } break;                              \
            case 4: if constexpr (most >= 4) { kernel(4); } break;                              \
            case 5: if constexpr (most >= 5) { kernel(5); } break;                              \
            case 6: if constexpr (most >= 6) { kernel(6); } break;                              \
        }                                                                                       \
    })

template <bool TABLE>
static void linear_as(const Matrix* m, Input<TABLE> x, Output<TABLE> y, int nv, void* scratch) {
#define RUN_DENSE(n) dense_tile<TABLE, n>(m, xs, ys)
#define RUN_SPARSE(n) sparse_tile<TABLE, n>(m, xs, ys)
#define RUN_BLOCK4(n) block_tile<TABLE, 4, n>(m, xs, ys)
#define RUN_BLOCK8(n) block_tile<TABLE, 8, n>(m, xs, ys)
    if (m->kind == DENSE) TILES(RUN_DENSE, DENSE_NV);
    else if (m->kind == SPARSE && m->blocks == 1 && m->cols > K_BLOCK) TILES(RUN_SPARSE, SPARSE_NV_WHOLE);
    else if (m->kind == SPARSE) TILES(RUN_SPARSE, SPARSE_NV);
    else if (m->kind == INT8) linear_int8<TABLE>(m, x, y, nv, scratch);
    else if (m->height == 4) TILES(RUN_BLOCK4, BLOCK4_NV);
    else TILES(RUN_BLOCK8, BLOCK8_NV);
}

static void linear(const Matrix* m, const float* x, int64_t ldx, float* y, int64_t ldy, int nv, void* scratch) {
    linear_as<false>(m, {x, ldx, nullptr, VL}, {y, ldy, VL}, nv, scratch);
}

static void linear_from(const Matrix* m, const float* x, const int32_t* table, int64_t x_step, float* y, int64_t ldy,
                        int64_t y_step, int nv, void* scratch) {
    linear_as<true>(m, {x, 0, table, x_step}, {y, ldy, y_step}, nv, scratch);
}
