// 8-bit weights x activations rounded to 8 bits with one scale a frame. All integer sums are exact, so every
// instruction set gives the same result up to the last float operation.
//
// Activations lie as [input / 4][frame][4]: one 32-bit lane holds four inputs of one frame.
#if defined(__AVX512VNNI__)
constexpr int OFFSET = 128;  // dpbusd wants its activations unsigned
#else
constexpr int OFFSET = 0;
#endif

// x [cols] rows -> out and one scale a frame. Inputs past the last are 0.
template <bool TABLE>
static void quantise(Input<TABLE> x, int cols, int nv, int8_t* out, float* scales) {
    const int64_t step = (int64_t)nv * VL * 4;
    for (int v = 0; v < nv; v++) {
        V top = splat(1e-20f);
        for (int c = 0; c < cols; c++) {
            V in = x.at(c, v);
            top = vmax(top, vmax(in, -in));
        }
        store(scales + v * VL, top * (1.0f / 127.0f));
        const V inverse = 127.0f / top;
        const V magic = splat(12582912.0f);
        for (int c = 0; c < cols; c += 4) {
            VI lanes = {};
            for (int i = 0; i < 4; i++) {
                VI code = {};
                if (c + i < cols)
                    code = __builtin_convertvector(x.at(c + i, v) * inverse + magic - magic, VI);
                lanes |= ((code + OFFSET) & 255) << (8 * i);
            }
            __builtin_memcpy(out + (c / 4) * step + v * VL * 4, &lanes, sizeof lanes);
        }
    }
}

// acc += four products in every lane, for VL frames
#if defined(__AVX512VNNI__)
INLINE VI dot4(VI acc, const int8_t* x, int32_t w) {
    return (VI)_mm512_dpbusd_epi32((__m512i)acc, _mm512_loadu_si512(x), _mm512_set1_epi32(w));
}
#elif defined(__AVX2__)
INLINE __m256i dot4_256(__m256i acc, const int8_t* x, __m256i w) {
    // |w| unsigned x (x with w's sign): pairs are at most 2 * 127 * 127, so maddubs never saturates
    __m256i in = _mm256_sign_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)), w);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), in);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
INLINE VI dot4(VI acc, const int8_t* x, int32_t weights) {
    __m256i w = _mm256_set1_epi32(weights), half[VL / 8];
    __builtin_memcpy(half, &acc, sizeof acc);
    for (int i = 0; i < VL / 8; i++) half[i] = dot4_256(half[i], x + 32 * i, w);
    __builtin_memcpy(&acc, half, sizeof acc);
    return acc;
}
#else
INLINE VI dot4(VI acc, const int8_t* x, int32_t weights) {
    int8_t w[4];
    __builtin_memcpy(w, &weights, 4);
    for (int f = 0; f < VL; f++)
        acc[f] += w[0] * x[4 * f] + w[1] * x[4 * f + 1] + w[2] * x[4 * f + 2] + w[3] * x[4 * f + 3];
    return acc;
}
#endif

template <bool TABLE, int NV>
static void int8_tile(const Matrix* m, const int8_t* x, int64_t step, const float* scales, Output<TABLE> y) {
    for (int row = 0; row < m->rows; row++) {
        VI acc[NV], more[NV];  // two chains hide the latency
        for (int v = 0; v < NV; v++) {
            acc[v] = VI{} - OFFSET * m->sum[row];
            more[v] = VI{};
        }
        int j = m->first[row];
        const int end = m->first[row + 1];
        for (; j + 2 <= end; j += 2)
            for (int v = 0; v < NV; v++) {
                acc[v] = dot4(acc[v], x + m->wide[j] * step + v * VL * 4, m->packed[j]);
                more[v] = dot4(more[v], x + m->wide[j + 1] * step + v * VL * 4, m->packed[j + 1]);
            }
        if (j < end)
            for (int v = 0; v < NV; v++) acc[v] = dot4(acc[v], x + m->wide[j] * step + v * VL * 4, m->packed[j]);
        for (int v = 0; v < NV; v++)
            store(y.at(row, v),
                  __builtin_convertvector(acc[v] + more[v], V) * (load(scales + v * VL) * m->scale[row]) + m->bias[row]);
    }
}

template <bool TABLE>
static void linear_int8(const Matrix* m, Input<TABLE> x, Output<TABLE> y, int nv, void* scratch) {
    float* scales = static_cast<float*>(scratch);
    int8_t* codes = reinterpret_cast<int8_t*>(scales + (int64_t)nv * VL);
    const int64_t step = (int64_t)nv * VL * 4;
    quantise(x, m->cols, nv, codes, scales);
    int v = 0;
    for (; v + 4 <= nv; v += 4) int8_tile<TABLE, 4>(m, codes + v * VL * 4, step, scales + v * VL, y.from(v));
    if (nv - v == 3) int8_tile<TABLE, 3>(m, codes + v * VL * 4, step, scales + v * VL, y.from(v));
    if (nv - v == 2) int8_tile<TABLE, 2>(m, codes + v * VL * 4, step, scales + v * VL, y.from(v));
    if (nv - v == 1) int8_tile<TABLE, 1>(m, codes + v * VL * 4, step, scales + v * VL, y.from(v));
}
