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
        const size_t size = (size_t)p.buffers[src].ld + 2 * pad + 64;
        const bool goes_on = causal && p.left >= 0 && pad > 0;
        if (goes_on && past.empty()) reset();
        p.pool.run((channels + CHUNK - 1) / CHUNK, [&](int chunk, int worker) {
            float* line = p.worker_scratch(worker, size);
            std::memset(line, 0, sizeof(float) * size);
            for (int c = chunk * CHUNK; c < std::min(channels, (chunk + 1) * CHUNK); c++) {
                float* before = goes_on ? past.data() + (size_t)c * pad : nullptr;
                if (before) std::memcpy(line, before, sizeof(float) * pad);
                std::memcpy(line + pad, p.row(src, c), sizeof(float) * frames);
                p.k->depthwise(line, p.row(dst, c), p.vectors(dst), weight.data() + (size_t)c * taps, taps, bias[c]);
                if (before) std::memcpy(before, line + frames, sizeof(float) * pad);
            }
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

// Convolution over frequency and time as one matrix product for every output frequency. The input is copied once
// with zeros around it and its frames dealt out by their place in the stride, so that every tap reads neighbours.
struct Conv : Op {
    Conv(int s, int d, const Matrix* m, const ConvShape& shape, int activation)
        : Op(s, d), m(m), shape(shape), activation(activation) {}
    bool local() const override { return false; }
    int frames(int in) const override { return std::max(0, shape.frames_out(in)); }

    // dealt row (freq, channel, place): input frames place - pad, place - pad + stride, ...
    void deal(Program& p) {
        const int in = p.buffers[src].frames, step = shape.stride_t, pad = shape.pad_t;
        const int longest = std::max(p.vectors(dst) * p.k->vl + shape.kernel_t / step + 1, (in + 2 * pad) / step + 1);
        ld = 16 * (((longest + 15) / 16) | 1);
        if ((double)shape.kernel_f * shape.channels * step * ld > 2e9) throw std::bad_alloc();  // the table is 32 bits
        dealt.at_least((size_t)(shape.freqs + 2 * shape.pad_f) * shape.channels * step * ld + 64);
        const size_t border = (size_t)shape.pad_f * shape.channels * step * ld;
        std::memset(dealt.data(), 0, sizeof(float) * border);
        std::memset(dealt.data() + border + (size_t)shape.freqs * shape.channels * step * ld, 0, sizeof(float) * border);
        const int rows = shape.freqs * shape.channels;
        p.pool.run((rows + 31) / 32, [&](int chunk, int) {
            for (int r = chunk * 32; r < std::min(rows, chunk * 32 + 32); r++)
                for (int place = 0; place < step; place++) {
                    float* out = dealt.data() + border + ((size_t)r * step + place) * ld;
                    const int zeros = place < pad ? (pad - place + step - 1) / step : 0;
                    const int first = place + zeros * step - pad;
                    const int count = in > first ? (in - first + step - 1) / step : 0;
                    std::memset(out, 0, sizeof(float) * zeros);
                    p.k->stride(p.row(src, r) + first, out + zeros, count, step);
                    std::memset(out + zeros + count, 0, sizeof(float) * (ld - zeros - count));
                }
        });
        for (int kf = 0, i = 0; kf < shape.kernel_f; kf++)
            for (int c = 0; c < shape.channels; c++)
                for (int kt = 0; kt < shape.kernel_t; kt++, i++)
                    table[i] = (int32_t)(((kf * shape.channels + c) * step + kt % step) * ld + kt / step);
    }

    void whole(Program& p) override {
        const int vectors = p.vectors(dst), vl = p.k->vl, tiles = (vectors + p.k->tile - 1) / p.k->tile;
        table.resize(m->cols + 64);
        deal(p);
        const size_t extra = linear_scratch(m, p.k->tile * vl) / sizeof(float) + p.k->tile * vl + 16;
        p.pool.run(shape.freqs_out() * tiles, [&](int i, int worker) {
            const int f = i / tiles, t = i % tiles;
            const int from = (int)((int64_t)vectors * t / tiles), nv = (int)((int64_t)vectors * (t + 1) / tiles) - from;
            const float* x = dealt.data() + (size_t)f * shape.stride_f * shape.channels * shape.stride_t * ld + from * vl;
            float* y = p.row(dst, f * m->rows) + from * vl;
            p.k->linear_from(m, x, table.data(), y, p.buffers[dst].ld, nv, p.worker_scratch(worker, extra));
            p.k->activate(y, p.buffers[dst].ld, m->rows, nv, activation);
        });
    }

    const Matrix* m;
    ConvShape shape;
    int activation;
    Floats dealt;
    int64_t ld = 0;
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
