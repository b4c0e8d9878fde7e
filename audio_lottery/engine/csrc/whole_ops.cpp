// Operations that look across frames.
#include "program.h"
#include <algorithm>
#include <cstring>

namespace {

struct Depthwise : Op {  // one filter a channel, zeros around the utterance
    Depthwise(int s, int d, int n, const float* w, const float* b, int taps, bool causal)
        : Op(s, d), weight(w, w + (size_t)n * taps), bias(b, b + n), taps(taps), causal(causal) {}
    bool local() const override { return false; }
    void reset() override { past.assign(bias.size() * (taps - 1), 0.0f); }
    void whole(Program& p) override {
        constexpr int CHUNK = 16;
        const int channels = p.buffers[dst].channels, frames = p.buffers[dst].frames;
        const int pad = causal ? taps - 1 : (taps - 1) / 2;
        const size_t size = ((size_t)p.buffers[src].ld + 2 * pad + 64 + 15) / 16 * 16;
        const bool goes_on = causal && p.left >= 0 && pad > 0;
        if (goes_on && past.empty()) reset();
        p.pool.run((channels + CHUNK - 1) / CHUNK, [&](int chunk, int worker) {
            const int begin = chunk * CHUNK, end = std::min(channels, begin + CHUNK);
            float* lines = p.worker_scratch(worker, size * CHUNK);
            std::memset(lines, 0, sizeof(float) * size * (end - begin));
            for (int c = begin; c < end; c++) {  // all of them first: what was just written cannot be read at other places
                float* line = lines + (c - begin) * size;
                std::memcpy(line + pad, p.row(src, c), sizeof(float) * frames);
                if (!goes_on) continue;
                float* before = past.data() + (size_t)c * pad;
                std::memcpy(line, before, sizeof(float) * pad);
                std::memcpy(before, line + frames, sizeof(float) * pad);
            }
            for (int c = begin; c < end; c++)
                p.k->depthwise(lines + (c - begin) * size, p.row(dst, c), p.vectors(dst), weight.data() + (size_t)c * taps,
                               taps, bias[c]);
        });
    }
    std::vector<float> weight, bias;
    std::vector<float> past;  // streaming: the last taps - 1 frames of each channel
    int taps;
    bool causal;
};

// Self-attention over all frames; with a position matrix, with relative positions (Transformer-XL).
struct Attention : Op {
    Attention(int q, int k, int v, int d, int heads, const Matrix* m, int channels, const float* u, const float* w)
        : Op(q, d), key(k), value(v), heads(heads), positions(m) {
        if (m) bias_u.assign(u, u + channels), bias_v.assign(w, w + channels);
    }
    bool local() const override { return false; }

    void reset() override { held = 0; }

    // What a position projects to depends on the distance alone: one table serves every utterance.
    void prepare(Program& p, int frames) override {
        frames += std::max(0, p.left);
        if (!positions || frames <= reach) return;
        constexpr int MARGIN = 32;
        reach = (frames + 127) / 128 * 128;
        centre = reach + MARGIN;
        const int columns = 2 * reach + 3 * MARGIN, channels = positions->cols;
        pos_ld = 16 * (((columns + 15) / 16) | 1);
        Floats table;
        sinusoids(table.at_least((size_t)channels * pos_ld + 64), pos_ld, channels, centre, -1, (int)pos_ld);
        float* out = projected.at_least((size_t)positions->rows * pos_ld + 64);
        const int step = p.k->tile * p.k->vl;
        float* space = p.worker_scratch(0, linear_scratch(positions, step) / sizeof(float) + step + 16);
        for (int at = 0; at < pos_ld; at += step) {
            const int nv = (int)std::min<int64_t>(step, pos_ld - at) / p.k->vl;
            p.k->linear(positions, table.data() + at, pos_ld, out + at, pos_ld, nv, space);
        }
    }

    // One row of `to`: the last `kept` frames of what it held, `total` frames long, then the new ones.
    void shift(float* to, const float* fresh, int total, int frames) const {
        std::memmove(to, to + total - kept, sizeof(float) * kept);
        std::memcpy(to + kept, fresh, sizeof(float) * frames);
    }

    // Streaming: keys and values of up to `left` frames before these ones stand in front of theirs.
    void follow(Program& p) {
        const int frames = p.buffers[dst].frames, channels = p.buffers[dst].channels, dk = channels / heads;
        const int64_t wide = 16 * (((p.left + frames + 15) / 16) | 1) + 32;
        if (wide > past_ld) {  // a longer piece than any before
            Floats keys_before = std::move(keys), values_before = std::move(values);
            keys.at_least(channels * wide + 64), values.at_least(channels * wide + 64);
            for (int c = 0; c < channels && held; c++) {
                std::memcpy(keys.data() + c * wide, keys_before.data() + c * past_ld, sizeof(float) * held);
                std::memcpy(values.data() + c * wide, values_before.data() + c * past_ld, sizeof(float) * held);
            }
            past_ld = wide;
        }
        kept = std::min(held, p.left);
        float* query = queries.at_least(channels * past_ld + 64);
        float* mixed = outputs.at_least(channels * past_ld + 64);
        for (int c = 0; c < channels; c++) {
            shift(keys.data() + c * past_ld, p.row(key, c), held, frames);
            shift(values.data() + c * past_ld, p.row(value, c), held, frames);
            std::memcpy(query + c * past_ld + kept, p.row(src, c), sizeof(float) * frames);
        }
        held = kept + frames;
        const size_t size = p.k->attention_scratch(held, dk);
        p.pool.run(heads, [&](int head, int worker) {
            const int64_t at = head * dk * past_ld;
            Heads h = head_of(head * dk, {query + at, keys.data() + at, values.data() + at, mixed + at, past_ld, held, dk});
            p.k->attention(&h, kept, frames, p.worker_scratch(worker, size));
        });
        for (int c = 0; c < channels; c++)
            std::memcpy(p.row(dst, c), mixed + c * past_ld + kept, sizeof(float) * frames);
    }

    Heads head_of(int channel, Heads h) const {  // with the relative positions
        if (positions) {
            h.bias_u = bias_u.data() + channel, h.bias_v = bias_v.data() + channel;
            h.pos = projected.data() + channel * pos_ld, h.pos_ld = pos_ld, h.centre = centre;
        }
        return h;
    }

    void whole(Program& p) override {
        if (p.left >= 0) return follow(p);
        const int frames = p.buffers[dst].frames, dk = p.buffers[dst].channels / heads;
        const int block = p.pool.threads() > 1 ? 4 * p.k->vl : (frames + 63) / 16 * 16;
        const int blocks = (frames + block - 1) / block;
        const size_t size = p.k->attention_scratch(frames, dk);
        p.pool.run(heads * blocks, [&](int i, int worker) {
            const int head = i / blocks, first = i % blocks * block, c = head * dk;
            Heads h = head_of(c, {p.row(src, c), p.row(key, c), p.row(value, c), p.row(dst, c), p.buffers[dst].ld, frames, dk});
            p.k->attention(&h, first, std::min(block, frames - first), p.worker_scratch(worker, size));
        });
    }

    int key, value, heads;
    const Matrix* positions;
    std::vector<float> bias_u, bias_v;
    Floats projected;
    int64_t pos_ld = 0;
    int reach = 0, centre = 0;
    Floats keys, values, queries, outputs;  // streaming: [channels][past_ld]
    int64_t past_ld = 0;
    int held = 0, kept = 0;  // frames that keys and values hold; how many of them came before the last run
};

// Convolution over frequency and time as one matrix product for every output frequency. The input of a few of them at
// a time is copied with zeros around it and its frames dealt out by their place in the stride, so that every tap reads
// neighbours, from a copy that stays in cache.
struct Conv : Op {
    Conv(int s, int d, const Matrix* m, const ConvShape& shape, int activation)
        : Op(s, d), m(m), shape(shape), activation(activation) {}
    bool local() const override { return false; }
    int frames(int in) const override { return std::max(0, shape.frames_out(in)); }

    void lay_out(const Program& p) {
        const int in = p.buffers[src].frames, step = shape.stride_t;
        const int longest = std::max(p.vectors(dst) * p.k->vl + shape.kernel_t / step + 1, (in + 2 * shape.pad_t) / step + 1);
        ld = 16 * (((longest + 15) / 16) | 1);
        freq = (int64_t)shape.channels * step * ld;
        if ((double)shape.kernel_f * freq > 2e9) throw std::bad_alloc();  // the table is 32 bits
        table.resize(m->cols + 64);
        for (int kf = 0, i = 0; kf < shape.kernel_f; kf++)
            for (int c = 0; c < shape.channels; c++)
                for (int kt = 0; kt < shape.kernel_t; kt++, i++)
                    table[i] = (int32_t)(kf * freq + (c * step + kt % step) * ld + kt / step);
    }

    // One input frequency; dealt row (channel, place): input frames place - pad, place - pad + stride, ...
    void deal(const Program& p, int f, float* to) const {
        const int in = p.buffers[src].frames, step = shape.stride_t, pad = shape.pad_t;
        if (f < 0 || f >= shape.freqs) {
            std::memset(to, 0, sizeof(float) * freq);
            return;
        }
        const float* x = p.row(src, f * shape.channels);
        // without zeros around, no real frame looks beyond the input: what stands there does not matter
        if (step == 2 && pad == 0) return p.k->halve(x, p.buffers[src].ld, shape.channels, in, to, ld);
        for (int c = 0; c < shape.channels; c++, x += p.buffers[src].ld)
            for (int place = 0; place < step; place++, to += ld) {
                const int zeros = place < pad ? (pad - place + step - 1) / step : 0;
                const int first = place + zeros * step - pad;
                const int count = in > first ? (in - first + step - 1) / step : 0;
                std::memset(to, 0, sizeof(float) * zeros);
                p.k->stride(x + first, to + zeros, count, step);
                std::memset(to + zeros + count, 0, sizeof(float) * (ld - zeros - count));
            }
    }

    // Vectors from .. to - 1 of output frequencies f .. f + count - 1. A tile is some vectors of frames, or, where
    // there are few, several frequencies.
    void block(const Program& p, int f, int count, int from, int to, const float* x, float* scratch) const {
        const int vl = p.k->vl, tile = p.k->tile;
        const int64_t ldy = p.buffers[dst].ld, x_freq = shape.stride_f * freq, y_freq = m->rows * ldy;
        float* y = p.row(dst, f * m->rows);
        if (to - from <= 2)
            for (int v = from * vl; v < to * vl; v += vl)
                p.k->linear_from(m, x + v, table.data(), x_freq, y + v, ldy, y_freq, count, scratch);
        else
            for (int i = 0; i < count; i++)
                for (int v = from; v < to; v += tile)
                    p.k->linear_from(m, x + i * x_freq + v * vl, table.data(), vl, y + i * y_freq + v * vl, ldy, vl,
                                     std::min(tile, to - v), scratch);
        p.k->activate(y + from * vl, ldy, count * m->rows, to - from, activation);
    }

    void whole(Program& p) override {
        lay_out(p);
        const int most = p.k->tile, freqs = shape.freqs_out(), vectors = p.vectors(dst);
        const int blocks = (freqs + most - 1) / most, threads = p.pool.threads();
        const int parts = blocks >= threads ? 1 : std::min(vectors, threads);
        const size_t copy = ((most - 1) * shape.stride_f + shape.kernel_f) * freq + 64;
        const size_t size = copy + linear_scratch(m, most * p.k->vl) / sizeof(float) + most * p.k->vl + 16;
        p.pool.run(blocks * parts, [&](int i, int worker) {
            const int f = i / parts * most, count = std::min(most, freqs - f), part = i % parts;
            float* dealt = p.worker_scratch(worker, size);
            for (int j = 0; j < (count - 1) * shape.stride_f + shape.kernel_f; j++)
                deal(p, f * shape.stride_f - shape.pad_f + j, dealt + j * freq);
            block(p, f, count, (int)((int64_t)vectors * part / parts), (int)((int64_t)vectors * (part + 1) / parts), dealt,
                  dealt + copy);
        });
    }

    const Matrix* m;
    ConvShape shape;
    int activation;
    int64_t ld = 0, freq = 0;  // of the copy: floats from row to row, and from one frequency to the next
    std::vector<int32_t> table;
};

}  // namespace

std::unique_ptr<Op> make_depthwise(int s, int d, int n, const float* weight, const float* bias, int taps,
                                   bool causal) {
    return std::make_unique<Depthwise>(s, d, n, weight, bias, taps, causal);
}
std::unique_ptr<Op> make_attention(int q, int k, int v, int d, int heads, const Matrix* m, int channels,
                                   const float* u, const float* w) {
    return std::make_unique<Attention>(q, k, v, d, heads, m, channels, u, w);
}
std::unique_ptr<Op> make_conv(int s, int d, const Matrix* m, const ConvShape& shape, int activation) {
    return std::make_unique<Conv>(s, d, m, shape, activation);
}
