// Where a kernel finds its inputs and puts its outputs, and how it cuts frames into tiles.

// Row c of the activations begins at x + c * ld, and its vectors follow each other. With a TABLE it begins at
// x + table[c] and they lie `step` floats apart: so a convolution reads its inputs where they lie, and a vector may
// be the next frames or another frequency.
template <bool TABLE>
struct Input {
    const float* x;
    int64_t ld;
    const int32_t* table;
    int64_t step;
    __attribute__((always_inline)) int64_t row(int c) const { return TABLE ? (int64_t)table[c] : c * ld; }
    __attribute__((always_inline)) const float* vector(int v) const { return x + v * (TABLE ? step : VL); }
    __attribute__((always_inline)) V at(int c, int v) const { return load(vector(v) + row(c)); }
    __attribute__((always_inline)) Input from(int v) const { return {vector(v), ld, table, step}; }
    __attribute__((always_inline)) Input columns_from(int c) const {
        return TABLE ? Input{x, ld, table + c, step} : Input{x + c * ld, ld, table, step};
    }
};

template <bool TABLE>
struct Output {
    float* y;
    int64_t ld, step;
    __attribute__((always_inline)) float* at(int row, int v) const { return y + row * ld + v * (TABLE ? step : VL); }
    __attribute__((always_inline)) Output from(int v) const { return {at(0, v), ld, step}; }
};

template <int MOST, typename F>
INLINE void split(int nv, F&& run) {
    // equal parts: 5 vectors with room for 4 become 3 + 2, not 4 + 1
    const int parts = (nv + MOST - 1) / MOST;
    for (int p = 0, at = 0; p < parts; p++) {
        const int n = (nv - at + parts - p - 1) / (parts - p);
        run(n, at);
        at += n;
    }
}
