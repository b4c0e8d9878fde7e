#include "pack.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

namespace {

constexpr int SPARE = 64;  // bytes behind every array: vector loads may touch them

template <typename T>
const T* padded(Array<T>& v) {
    v.resize(v.size() + SPARE / sizeof(T));
    return v.data();
}

std::unique_ptr<PackedMatrix> start(int kind, int rows, int cols, const float* bias) {
    auto m = std::make_unique<PackedMatrix>();
    m->kind = kind;
    m->rows = rows;
    m->cols = cols;
    if (bias) m->biases.assign(bias, bias + rows);
    else m->biases.assign(rows, 0.0f);
    m->bias = padded(m->biases);
    return m;
}

void pack_dense(PackedMatrix& m, const float* w) {
    const int panels = (m.rows + PANEL - 1) / PANEL;
    m.values.assign((size_t)panels * m.cols * PANEL, 0.0f);
    for (int r = 0; r < m.rows; r++)
        for (int c = 0; c < m.cols; c++)
            m.values[((size_t)(r / PANEL) * m.cols + c) * PANEL + r % PANEL] = w[(size_t)r * m.cols + c];
    m.value = padded(m.values);
    m.work = (int64_t)panels * PANEL * m.cols;
}

// Rows of like length share a group, so that few spare entries are needed.
void pack_sparse_block(PackedMatrix& m, const float* w, int begin, int end) {
    std::vector<int> count(m.rows), order(m.rows);
    for (int r = 0; r < m.rows; r++)
        for (int c = begin; c < end; c++) count[r] += w[(size_t)r * m.cols + c] != 0;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return count[a] > count[b]; });
    for (int g = 0; g < m.rows; g += GROUP) {
        const int length = count[order[g]];
        const size_t at = m.values.size();
        m.lengths.push_back(length);
        m.offsets.push_back((int64_t)(at / GROUP));
        m.values.resize(at + (size_t)length * GROUP, 0.0f);
        m.narrow.resize(at + (size_t)length * GROUP, 0);
        for (int r = 0; r < GROUP; r++) {
            const int row = g + r < m.rows ? order[g + r] : -1;
            m.rows_of.push_back(row);
            size_t to = at + r;
            for (int c = begin; row >= 0 && c < end; c++) {
                const float value = w[(size_t)row * m.cols + c];
                if (value == 0) continue;
                m.values[to] = value;
                m.narrow[to] = (uint8_t)(c - begin);
                to += GROUP;
            }
        }
    }
    m.firsts.push_back((int32_t)m.lengths.size());
}

void pack_sparse(PackedMatrix& m, const float* w) {
    const int block = m.cols <= K_WHOLE ? std::max(m.cols, 1) : K_BLOCK;
    m.blocks = (m.cols + block - 1) / block;
    m.firsts.push_back(0);
    for (int b = 0; b < m.blocks; b++) pack_sparse_block(m, w, b * block, std::min((b + 1) * block, m.cols));
    m.work = (int64_t)m.values.size();
    m.value = padded(m.values);
    m.col = padded(m.narrow);
    m.first = padded(m.firsts);
    m.length = padded(m.lengths);
    m.offset = padded(m.offsets);
    m.row = padded(m.rows_of);
}

bool any(const float* w, int64_t cols, int rows) {
    for (int r = 0; r < rows; r++)
        if (w[r * cols] != 0) return true;
    return false;
}

void pack_blocks(PackedMatrix& m, const float* w, int height) {
    m.height = height;
    m.firsts.push_back(0);
    for (int r = 0; r < m.rows; r += height) {
        const int rows = std::min(height, m.rows - r);
        for (int c = 0; c < m.cols; c++) {
            const float* corner = w + (size_t)r * m.cols + c;
            if (!any(corner, m.cols, rows)) continue;
            m.wides.push_back((uint16_t)c);
            for (int i = 0; i < height; i++) m.values.push_back(i < rows ? corner[(size_t)i * m.cols] : 0.0f);
        }
        m.firsts.push_back((int32_t)m.wides.size());
    }
    m.work = (int64_t)m.values.size();
    m.value = padded(m.values);
    m.wide = padded(m.wides);
    m.first = padded(m.firsts);
}

// The rows `order` of a group; each tile has as many entries as its longest row has weights.
void pack_tiles(PackedMatrix& m, const float* w, const int* order, int rows) {
    for (int tile = 0; tile < m.cols; tile += TILE) {
        const size_t at = m.values.size();
        for (int r = 0; r < rows; r++) {
            const float* line = w + (size_t)order[r] * m.cols;
            size_t to = at + r;
            for (int c = tile; c < std::min(tile + TILE, m.cols); c++) {
                if (line[c] == 0) continue;
                if (to >= m.values.size()) {
                    m.values.resize(m.values.size() + LANES, 0.0f);
                    m.narrow.resize(m.values.size(), 0);
                }
                m.values[to] = line[c], m.narrow[to] = (uint8_t)(c - tile), to += LANES;
            }
        }
        m.lengths.push_back((int32_t)((m.values.size() - at) / LANES));
    }
}

// Nanoseconds for all entries of LANES weights: what each takes where it stays in the second-level cache; of a larger
// matrix the rest comes from behind it. Measured with 96 to 1,024 units.
double vector_cost(int kind, int64_t entries) {
    constexpr double CACHE = 1.6 * (1 << 20), BYTES_A_NANOSECOND = 24;
    const double busy = kind == VECTOR_SPARSE ? 4.2 : kind == VECTOR_TILED ? 1.3 : 0.95;
    const double bytes = kind == VECTOR_SPARSE ? 6 * LANES : kind == VECTOR_TILED ? 5 * LANES : 4 * LANES + 2;
    const double beyond = std::max(0.0, 1 - CACHE / (entries * bytes + 1));
    return entries * ((1 - beyond) * busy + beyond * std::max(busy, bytes / BYTES_A_NANOSECOND));
}

int choose_vector(const PackedMatrix& m, const float* w, const std::vector<int>& count, const std::vector<int>& order,
                  int vl) {
    int64_t sparse = 0, tiled = 0, blocks = 0;
    for (int g = 0; g < m.rows; g += LANES) {
        const int rows = std::min(LANES, m.rows - g);
        sparse += count[order[g]];
        for (int c = 0; c < m.cols; c++) blocks += any(w + (size_t)g * m.cols + c, m.cols, rows);
        for (int tile = 0; tile < m.cols; tile += TILE) {
            int64_t longest = 0;
            for (int r = 0; r < rows; r++) {
                const float* line = w + (size_t)order[g + r] * m.cols;
                const int end = std::min(tile + TILE, m.cols);
                longest = std::max<int64_t>(longest, end - tile - std::count(line + tile, line + end, 0.0f));
            }
            tiled += longest;
        }
    }
    int kind = VECTOR_BLOCK;
    if (vector_cost(VECTOR_SPARSE, sparse) < vector_cost(kind, blocks)) kind = VECTOR_SPARSE;
    const double best = vector_cost(kind, kind == VECTOR_BLOCK ? blocks : sparse);
    return vl == 16 && vector_cost(VECTOR_TILED, tiled) < best ? VECTOR_TILED : kind;  // shorter vectors hold no tile
}

// For one frame at a time.
void pack_vector(PackedMatrix& m, const float* w, int vl) {
    std::vector<int> count(m.rows), order(m.rows);
    for (int r = 0; r < m.rows; r++)
        for (int c = 0; c < m.cols; c++) count[r] += w[(size_t)r * m.cols + c] != 0;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return count[a] > count[b]; });
    if (m.kind == VECTOR) m.kind = choose_vector(m, w, count, order, vl);
    if (m.kind == VECTOR_BLOCK) std::iota(order.begin(), order.end(), 0);
    m.firsts.push_back(0);
    for (int g = 0; g < m.rows; g += LANES) {
        const int rows = std::min(LANES, m.rows - g);
        for (int r = 0; r < LANES; r++) m.rows_of.push_back(r < rows ? order[g + r] : -1);
        if (m.kind == VECTOR_BLOCK) {
            for (int c = 0; c < m.cols; c++) {
                const float* corner = w + (size_t)g * m.cols + c;
                if (!any(corner, m.cols, rows)) continue;
                m.wides.push_back((uint16_t)c);
                for (int r = 0; r < LANES; r++) m.values.push_back(r < rows ? corner[(size_t)r * m.cols] : 0.0f);
            }
            m.firsts.push_back((int32_t)m.wides.size());
            continue;
        }
        if (m.kind == VECTOR_TILED) {
            pack_tiles(m, w, order.data() + g, rows);
            m.firsts.push_back((int32_t)(m.values.size() / LANES));
            continue;
        }
        const size_t at = m.values.size(), size = (size_t)count[order[g]] * LANES;
        m.values.resize(at + size, 0.0f);
        m.wides.resize(at + size, 0);
        for (int r = 0; r < rows; r++) {
            const float* line = w + (size_t)order[g + r] * m.cols;
            size_t to = at + r;
            for (int c = 0; c < m.cols; c++)
                if (line[c] != 0) m.values[to] = line[c], m.wides[to] = (uint16_t)c, to += LANES;
        }
        m.firsts.push_back((int32_t)(m.values.size() / LANES));
    }
    m.work = (int64_t)m.values.size();
    m.value = padded(m.values);
    m.wide = padded(m.wides);
    m.col = padded(m.narrow);
    m.length = padded(m.lengths);
    m.first = padded(m.firsts);
    m.row = padded(m.rows_of);
}

// What a multiply-add costs in each form, in dense ones; `vl` is the vector length. Measured on linear
// layers of 256 to 1,024 channels and rounded up: where forms come close, dense is the one to take.
double cost(int kind, double work, int vl) {
    switch (kind) {
        case SPARSE: return work * (vl == 16 ? 1.8 : 1.3);
        case BLOCK: return work * 1.15;
        default: return work;
    }
}

int64_t block_work(const float* w, int rows, int cols, int height) {
    int64_t blocks = 0;
    for (int r = 0; r < rows; r += height)
        for (int c = 0; c < cols; c++) blocks += any(w + (size_t)r * cols + c, cols, std::min(height, rows - r));
    return blocks * height;
}

void choose(const float* w, int rows, int cols, int vl, int& kind, int& height) {
    int64_t kept = 0;
    for (size_t i = 0; i < (size_t)rows * cols; i++) kept += w[i] != 0;
    kind = DENSE;
    double best = cost(DENSE, (double)rows * cols, vl);
    auto consider = [&](int k, int h, double work) {
        const double c = cost(k, work, vl);
        if (c < best) best = c, kind = k, height = h;
    };
    consider(SPARSE, 0, (double)kept * 1.03);  // rows of a group differ a little in length
    for (int h : {4, 8, 16})
        if (cols <= 65536) consider(BLOCK, h, (double)block_work(w, rows, cols, h));
}

}  // namespace

PackedMatrix* pack(const float* weights, int rows, int cols, const float* bias, int kind, int height, int vl) {
    if (kind == INT8) {
        std::vector<int8_t> codes((size_t)rows * cols);
        std::vector<float> scale(rows);
        for (int r = 0; r < rows; r++) {
            const float* w = weights + (size_t)r * cols;
            float top = 0;
            for (int c = 0; c < cols; c++) top = std::max(top, std::fabs(w[c]));
            scale[r] = top / 127;
            for (int c = 0; c < cols && top > 0; c++) codes[(size_t)r * cols + c] = (int8_t)std::lrint(w[c] / top * 127);
        }
        return pack_int8(codes.data(), scale.data(), rows, cols, bias);
    }
    if (kind == AUTO) choose(weights, rows, cols, vl, kind, height);
    auto m = start(kind, rows, cols, bias);
    if (kind == DENSE) pack_dense(*m, weights);
    else if (kind == SPARSE) pack_sparse(*m, weights);
    else if (kind >= VECTOR_SPARSE) pack_vector(*m, weights, vl);
    else pack_blocks(*m, weights, height);
    return m.release();
}

PackedMatrix* pack_int8(const int8_t* codes, const float* scale, int rows, int cols, const float* bias) {
    auto m = start(INT8, rows, cols, bias);
    m->scales.assign(scale, scale + rows);
    m->firsts.push_back(0);
    for (int r = 0; r < rows; r++) {
        int32_t sum = 0;
        for (int c = 0; c < cols; c += 4) {
            int8_t four[4] = {};
            std::memcpy(four, codes + (size_t)r * cols + c, std::min(4, cols - c));
            int32_t packed;
            std::memcpy(&packed, four, 4);
            if (packed == 0) continue;
            for (int8_t code : four) sum += code;
            m->codes.push_back(packed);
            m->wides.push_back((uint16_t)(c / 4));
        }
        m->sums.push_back(sum);
        m->firsts.push_back((int32_t)m->codes.size());
    }
    m->work = (int64_t)m->codes.size() * 4;
    m->packed = padded(m->codes);
    m->wide = padded(m->wides);
    m->first = padded(m->firsts);
    m->scale = padded(m->scales);
    m->sum = padded(m->sums);
    return m.release();
}
