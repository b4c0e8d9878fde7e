// One frame after the other: matrix x vector, and the gates of LSTM and GRU.

// Sixteen floats at base[index[0..15]], as 16 / VL vectors
INLINE V gather(const float* base, const uint16_t* index) {
#if defined(__AVX512F__)
    __m512i at = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)));
    return (V)_mm512_i32gather_ps(at, base, 4);
#elif defined(__AVX2__)
    __m256i at = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(index)));
    return (V)_mm256_i32gather_ps(base, at, 4);
#else
    V out;
    for (int i = 0; i < VL; i++) out[i] = base[index[i]];
    return out;
#endif
}

// Adds a group of VECTOR_TILED to `acc`: inputs are picked out of registers, in a fraction of a gather's time.
INLINE void add_tiles(const Matrix* m, int group, const float* x, V (*acc)[LANES / VL]) {
    const int tiles = (m->cols + TILE - 1) / TILE;
    const int32_t* length = m->length + (int64_t)group * tiles;
    const float* w = m->value + (int64_t)m->first[group] * LANES;
    const uint8_t* at = m->col + (int64_t)m->first[group] * LANES;
    for (int t = 0; t < tiles; t++, x += TILE) {
#if defined(__AVX512F__)
        const __m512 low = (__m512)load(x), high = (__m512)load(x + 16);
        auto add = [&](V& sum) {
            const __m512i which = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
            sum += load(w) * (V)_mm512_permutex2var_ps(low, which, high);
            w += LANES, at += LANES;
        };
        for (int j = length[t]; j >= 2; j -= 2) add(acc[0][0]), add(acc[1][0]);
        if (length[t] % 2) add(acc[0][0]);
#else
        for (int j = 0; j < length[t]; j++, w += LANES, at += LANES)
            for (int p = 0; p < LANES / VL; p++) {
                V inputs;
                for (int i = 0; i < VL; i++) inputs[i] = x[at[p * VL + i]];
                acc[j % 2][p] += load(w + p * VL) * inputs;
            }
#endif
    }
}

// y[rows] = m x + bias, for the three VECTOR kinds. x has room for whole tiles, y room for whole groups of LANES rows.
// Every other frame goes `back` from the last group: what the frame before it read last is in the cache still.
static void matvec(const Matrix* m, const float* x, float* y, bool back) {
    constexpr int PARTS = LANES / VL;
    const int groups = (m->rows + LANES - 1) / LANES;
    for (int i = 0; i < groups; i++) {
        const int g = back ? groups - 1 - i : i;
        const int begin = m->first[g], end = m->first[g + 1];
        const float* w = m->value + (int64_t)begin * LANES;
        V acc[4][PARTS] = {};  // several chains hide the latency
        if (m->kind == VECTOR_TILED) {
            add_tiles(m, g, x, acc);
        } else if (m->kind == VECTOR_SPARSE) {
            const uint16_t* at = m->wide + (int64_t)begin * LANES;
            int j = begin;
            for (; j + 4 <= end; j += 4)
                for (int i = 0; i < 4; i++, w += LANES, at += LANES)
                    for (int p = 0; p < PARTS; p++) acc[i][p] += load(w + p * VL) * gather(x, at + p * VL);
            for (; j < end; j++, w += LANES, at += LANES)
                for (int p = 0; p < PARTS; p++) acc[0][p] += load(w + p * VL) * gather(x, at + p * VL);
        } else {
            int j = begin;
            for (; j + 4 <= end; j += 4)
                for (int i = 0; i < 4; i++, w += LANES)
                    for (int p = 0; p < PARTS; p++) acc[i][p] += load(w + p * VL) * splat(x[m->wide[j + i]]);
            for (; j < end; j++, w += LANES)
                for (int p = 0; p < PARTS; p++) acc[0][p] += load(w + p * VL) * splat(x[m->wide[j]]);
        }
        float sums[LANES];
        for (int p = 0; p < PARTS; p++) store(sums + p * VL, (acc[0][p] + acc[1][p]) + (acc[2][p] + acc[3][p]));
        for (int r = 0; r < LANES; r++) {
            const int row = m->row[g * LANES + r];
            if (row >= 0) y[row] = sums[r] + m->bias[row];
        }
    }
}

// `size` units of a layer. given: input, forget, cell, output gates from the input, `apart` floats from one kind to the
// next; back [4 * size]: the same from the last state
static void lstm_step(const float* given, int apart, const float* back, float* cell, float* state, int size) {
    for (int j = 0; j < size; j += VL) {
        auto gate = [&](int k) { return load(given + k * apart + j) + load(back + k * size + j); };
        V c = sigmoid(gate(1)) * load(cell + j) + sigmoid(gate(0)) * vtanh(gate(2));
        store(cell + j, c);
        store(state + j, sigmoid(gate(3)) * vtanh(c));
    }
}

// The same of a GRU: reset, update, new; back [3 * size]
static void gru_step(const float* given, int apart, const float* back, const float* last, float* state, int size) {
    for (int j = 0; j < size; j += VL) {
        auto gate = [&](int k) { return sigmoid(load(given + k * apart + j) + load(back + k * size + j)); };
        V fresh = vtanh(load(given + 2 * apart + j) + gate(0) * load(back + 2 * size + j));
        V update = gate(1);
        store(state + j, fresh + update * (load(last + j) - fresh));
    }
}

// x [rows][ldx] -> y [cols][ldy]; both have room for whole vectors
static void turn(const float* x, int64_t ldx, int rows, int cols, float* y, int64_t ldy) {
    for (int r = 0; r < rows; r += VL)
        for (int c = 0; c < cols; c += VL) {
            V block[VL];
            for (int i = 0; i < VL; i++) block[i] = r + i < rows ? load(x + (r + i) * ldx + c) : V{};
            transpose(block);
            for (int i = 0; i < least(VL, cols - c); i++) store(y + (c + i) * ldy + r, block[i]);
        }
}

// y[i] = the largest of a and b at 2 i and 2 i + 1
static void pool(const float* a, const float* b, float* y, int count) {
    for (int i = 0; i < count; i++) {
        const float first = a[2 * i] > b[2 * i] ? a[2 * i] : b[2 * i];
        const float second = a[2 * i + 1] > b[2 * i + 1] ? a[2 * i + 1] : b[2 * i + 1];
        y[i] = first > second ? first : second;
    }
}
